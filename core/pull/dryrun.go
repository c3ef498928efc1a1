package pull

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// errDry ends the transaction of a dry run, which must not be kept.
var errDry = errors.New("only looked")

// DryRun tells what the next page of a pull would change, field by field; it is the [job.DryRun] of [job.Pull]. The page is
// taken in as any other, in a transaction that is rolled back: what the store would refuse is found, and nothing is stored.
func (p *Puller) DryRun(ctx context.Context, who postgres.Principal, j job.Job, o job.DryOptions) (report job.DryReport, err error) {
	report.Items = []job.DryItem{}
	who = postgres.Principal{Organization: who.Organization, Actor: postgres.Connection(j.ConnectionID)}
	var c connection.Connection
	var s *stream
	var from position
	err = p.DB.As(ctx, who, func(tx pgx.Tx) (err error) {
		if c, err = p.Connections.Get(ctx, tx, j.ConnectionID); err != nil {
			return err
		}
		if s, err = p.stream(ctx, tx, c, j.Entity); err != nil {
			return err
		}
		from, err = s.readPosition(ctx, tx)
		return err
	})
	if err != nil {
		return report, fmt.Errorf("dry run of pulling %s: %w", j.Entity, err)
	}
	cursor := from.cursor
	if o.Beginning {
		cursor = nil
	}
	if o.After != "" {
		if cursor, err = base64.RawURLEncoding.DecodeString(o.After); err != nil || !json.Valid(cursor) {
			return report, job.ErrDryCursor
		}
	}
	session, err := p.Connections.Open(c)
	if err != nil {
		return report, connection.Unopened(err)
	}
	defer func() { err = errors.Join(err, closing(session, err)) }()
	puller, ok := session.(connector.Puller)
	if !ok {
		return report, connector.Misconfigured(schema.Say("cannot_pull", c.Connector), "the connector "+c.Connector+" cannot pull")
	}
	got, err := puller.Pull(ctx, connector.PullRequest{Stream: s.mapping.Record(), Cursor: cursor, Limit: o.Size()})
	if err != nil {
		return report, fmt.Errorf("read %s: %w", s.mapping.Record(), connector.AsError(err))
	}
	if got.More {
		report.Next = base64.RawURLEncoding.EncodeToString(got.Cursor)
	}
	err = s.look(ctx, got, &report)
	return report, err
}

// look takes a page in and forgets it.
func (s *stream) look(ctx context.Context, got connector.Page, report *job.DryReport) error {
	page, err := s.prepare(ctx, got, time.Time{}, journey.Exchange{})
	if err != nil {
		return err
	}
	report.Read = page.read
	err = s.DB.As(ctx, s.who, func(tx pgx.Tx) error {
		if _, err := s.apply(ctx, tx, page.items, nil); err != nil {
			return err
		}
		for _, it := range page.items {
			i, err := s.would(it)
			if err != nil {
				return err
			}
			report.Add(i)
		}
		return errDry
	})
	if errors.Is(err, errDry) {
		return nil
	}
	return fmt.Errorf("look at a page of %s: %w", s.kind, err)
}

// would is what became of an item, told as what would.
func (s *stream) would(it *item) (job.DryItem, error) {
	i := job.DryItem{RemoteID: it.record.ID}
	if it.link != nil {
		id := it.link.EntityID
		i.EntityID = &id
	}
	if it.fault != nil {
		i.Action, i.Message, i.Said = "fail", it.fault.err.Error(), it.fault.said()
		if it.fault.class == job.ClassWaiting {
			i.Action = "wait"
		}
		if vs := schema.Violations(nil); errors.As(it.fault.err, &vs) {
			i.Faults = vs
		}
		return i, nil
	}
	if it.held {
		i.Action, i.Message, i.Said = "wait", errHeld.Error(), schema.Say("asked_by_matching")
		return i, nil
	}
	switch it.result {
	case unchanged, failed:
		return job.DryItem{}, nil
	case created:
		i.Action, i.Differences = "create", mapping.Differences(map[string]any{}, it.doc)
		return i, nil
	case updated:
	}
	if it.record.Deleted {
		i.Action = "delete"
		return i, nil
	}
	now, err := crm.Document(it.saved)
	if err != nil {
		return i, err
	}
	for _, name := range []string{"version", "updated_at", "updated_by", "origin"} { // written with any change
		if was, had := it.was[name]; had {
			now[name] = was
		} else {
			delete(now, name)
		}
	}
	i.Action, i.Differences = "update", mapping.Differences(it.was, now)
	return i, nil
}
