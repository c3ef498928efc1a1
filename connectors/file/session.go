package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// session reads and writes the files of one place. Beside the connection it keeps the files that are being read, so that a page goes
// on where the one before ended; what is where, only the cursor says.
type session struct {
	settings *settings
	place    place
	now      func() time.Time
	logger   loggerFunc

	mu       sync.Mutex // one call at a time: a page is quick, and a file is read by one
	closed   bool
	tidied   map[string]bool // streams whose done files were moved already
	underWay map[string]*reading
}

// loggerFunc tells what a person may want to know and no call fails for.
type loggerFunc func(ctx context.Context, message, file string, err error)

// reading is a file of a stream that is being read.
type reading struct {
	found
	spooled *spooled
	source  source
	row     int64 // the last that was given
}

func (r *reading) close() { _ = errors.Join(r.source.close(), r.spooled.Close()) }

var (
	_ connector.Puller   = (*session)(nil)
	_ connector.Receiver = (*session)(nil)
	_ connector.Pusher   = (*session)(nil)
	_ connector.Finder   = (*session)(nil)
	_ connector.Getter   = (*session)(nil)
)

func open(o connector.Options, now func() time.Time) (connector.Session, error) {
	c, err := parseSettings(o.Config)
	if err != nil {
		return nil, err
	}
	s := &session{
		settings: c, place: local{o.Folder}, now: now, tidied: map[string]bool{}, underWay: map[string]*reading{},
		logger: func(ctx context.Context, message, file string, err error) {
			if o.Logger != nil {
				o.Logger.WarnContext(ctx, message, "file", file, "error", err) //nolint:sloglint // its callers' are constants
			}
		},
	}
	if c.SFTP != nil {
		if s.place, err = newRemote(*c.SFTP, o.Secrets); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Check lists the folder, and makes those that are written to.
func (s *session) Check(ctx context.Context) error {
	return s.do(ctx, func() error {
		_, err := s.place.list(ctx)
		for _, l := range s.settings.layouts {
			if l.format != "" && err == nil {
				err = s.place.makeFolder(ctx, l.folder)
			}
		}
		return err
	})
}

// Receive puts a file into the folder. It is taken like one that was dropped there.
func (s *session) Receive(ctx context.Context, name string, content io.Reader) error {
	return s.do(ctx, func() error {
		if s.settings.owner(name) == nil || path.Base(name) != name || strings.ContainsAny(name, "/\\\x00") || len(name) > longestName {
			return &connector.Error{
				Class: connector.ClassData, Message: "no stream of this connection reads files of this name",
				Remedy: "Name it after what it holds, with the suffix of its format: invoices.csv.", Said: schema.Say("unknown_file"),
			}
		}
		err := s.place.put(ctx, name, content)
		if errors.Is(err, fs.ErrExist) {
			return &connector.Error{Class: connector.ClassConflict, Message: "a file of this name waits to be read", Remedy: "Wait until it is, or choose another name.", Said: schema.Say("file_waits")}
		}
		return err
	})
}

// longestName is what file systems take, less what is put before and behind it under way.
const longestName = 200

// Close ends the session.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.underWay {
		r.close()
	}
	s.underWay, s.closed = nil, true
	return s.place.close()
}

func (s *session) do(ctx context.Context, fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &connector.Error{Class: connector.ClassTransient, Message: "the session is closed", Said: schema.Say("session_closed")}
	}
	if err := ctx.Err(); err != nil {
		return &connector.Error{Class: connector.ClassTransient, Message: err.Error(), Err: err, Said: schema.Say("ended_early")}
	}
	if err := fn(); err != nil {
		return failed(err)
	}
	return nil
}

func (s *session) layout(record string) (*layout, error) {
	for i := range s.settings.layouts {
		if l := &s.settings.layouts[i]; l.record == record {
			return l, nil
		}
	}
	return nil, misconfigured("there is no stream " + record)
}

// freeName is where a file goes that is done with: under its own name, or one with its digest or the time where that is
// taken.
func freeName(folder, name, tag string) string {
	if tag == "" {
		return path.Join(folder, name)
	}
	suffix := path.Ext(name)
	return path.Join(folder, name[:len(name)-len(suffix)]+"."+tag+suffix)
}
