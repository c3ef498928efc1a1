package ledger

import (
	"context"
	"sync/atomic"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// session writes one folder.
type session struct {
	accounts *accounts
	dir      string
	now      func() time.Time
	closed   atomic.Bool
}

var (
	_ connector.Pusher = (*session)(nil)
	_ connector.Finder = (*session)(nil)
	_ connector.Getter = (*session)(nil)
)

func open(o connector.Options, now func() time.Time) (connector.Session, error) {
	a, err := parseAccounts(o.Config)
	if err != nil {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: err.Error(), Said: schema.Say("config_wrong", err)}
	}
	return &session{accounts: a, dir: o.Folder, now: now}, nil
}

// Check writes the main file, which shows that the folder can be written.
func (s *session) Check(ctx context.Context) error {
	return s.in(ctx, func(f *folder) error {
		if err := f.write("main"+f.suffix, []byte(s.accounts.syntax.main(s.accounts.Base))); err != nil {
			return failed(err)
		}
		return nil
	})
}

// Close ends the session.
func (s *session) Close() error {
	s.closed.Store(true)
	return nil
}

// in opens the folder for one call.
func (s *session) in(ctx context.Context, do func(*folder) error) error {
	if s.closed.Load() {
		return &connector.Error{Class: connector.ClassTransient, Message: "the session is closed", Said: schema.Say("session_closed")}
	}
	if err := ctx.Err(); err != nil {
		return &connector.Error{Class: connector.ClassTransient, Message: err.Error(), Err: err, Said: schema.Say("ended_early")}
	}
	f, err := openFolder(s.dir, s.accounts.syntax.suffix())
	if err != nil {
		return err
	}
	defer f.close()
	return do(f)
}

// Find looks a record up by the reference it was written with.
func (s *session) Find(ctx context.Context, stream, reference string) (*connector.Record, error) {
	return s.read(ctx, stream, idOf(reference), reference)
}

// Get reads a record.
func (s *session) Get(ctx context.Context, stream, id string) (*connector.Record, error) {
	return s.read(ctx, stream, id, "")
}

// read reads a record of this reference, or of any.
func (s *session) read(ctx context.Context, stream, id, reference string) (found *connector.Record, err error) {
	err = s.in(ctx, func(f *folder) error {
		if !idForm.MatchString(id) {
			return nil
		}
		p, err := f.load(ctx, stream, id)
		if err != nil || p == nil || reference != "" && p.Reference != reference {
			return err
		}
		r := p.record(id)
		found = &r
		return nil
	})
	return found, err
}
