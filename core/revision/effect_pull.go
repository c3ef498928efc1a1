package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// Records reads the newest records of a version's mapping from its connection's system, at most limit: those that changed since the
// nearest of a few times that gives as many, or, of a system that knows no times, the first that it gives. Nothing is stored, and no job's
// cursor moves. It is asked without a transaction: the other system may think for long. What is gone there, and what the connector
// cannot read, is left out. An error of the system is a [connector.Error], one of the version [schema.Violations].
func (s *Store) Records(ctx context.Context, c connection.Connection, v Version, limit int) (records []connector.Record, err error) {
	m, err := s.Compiled(c, v)
	if err != nil {
		return nil, err
	}
	record := m.Record()
	streams := s.Connections.Streams(c)
	at := slices.IndexFunc(streams, func(st connector.Stream) bool { return st.Record == record && st.Pull })
	if at < 0 {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: record + " is not pulled over this connection", Said: schema.Say("not_pulled", c.Connector, record)}
	}
	session, err := s.Connections.Open(c)
	if err != nil {
		return nil, connection.Unopened(err)
	}
	defer func() { _ = session.Close() }() // what was read counts
	puller, ok := session.(connector.Puller)
	if !ok {
		return nil, &connector.Error{Class: connector.ClassConfig, Message: "this system cannot be pulled from", Said: schema.Say("cannot_pull", c.Connector)}
	}
	if streams[at].Range {
		const day = 24 * time.Hour
		for _, back := range []time.Duration{time.Hour, day, 30 * day, 365 * day} {
			records, err = read(ctx, puller, connector.PullRequest{Stream: record, Limit: limit, Since: time.Now().Add(-back)})
			if err != nil || len(records) == limit {
				return records, err
			}
		}
	}
	return read(ctx, puller, connector.PullRequest{Stream: record, Limit: limit})
}

// read reads page by page, at most ask.Limit.
func read(ctx context.Context, puller connector.Puller, ask connector.PullRequest) (records []connector.Record, err error) {
	for more := true; more && len(records) < ask.Limit; {
		page, err := puller.Pull(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ask.Stream, connector.AsError(err))
		}
		for _, r := range page.Records {
			if !r.Deleted && r.Err == nil {
				records = append(records, r)
			}
		}
		if page.More && string(page.Cursor) == string(ask.Cursor) {
			return nil, &connector.Error{Class: connector.ClassConfig, Message: "the connector gave a page that does not move its cursor", Said: schema.Say("cursor_stands")}
		}
		ask.Cursor, more = page.Cursor, page.More
	}
	return records[:min(len(records), ask.Limit)], nil
}

// EffectOnRecords tries a version on records of its connection: what pulling them would say of entities, and what of it these could not
// be. It finds no fault that only storing finds, such as a number that another entity has: a job's dry run does.
func (s *Store) EffectOnRecords(ctx context.Context, tx pgx.Tx, v Version, records []connector.Record) (Effect, error) {
	e := Effect{Fields: map[string]int{}, Items: []Affected{}}
	c, err := s.Connections.Get(ctx, tx, v.ConnectionID)
	if err != nil {
		return e, err
	}
	draft, err := s.Compiled(c, v)
	if err != nil {
		return e, err
	}
	live, _, err := s.Live(ctx, tx, c, v.Entity)
	if err != nil && !isFaults(err) {
		return e, err
	}
	live = ofRecord(live, draft.Record())
	own := func(r connector.Record) mapping.Ref { return mapping.Ref{Entity: v.Entity, ID: r.ID} }
	seen := map[mapping.Ref]bool{}
	for _, r := range records {
		seen[own(r)] = true
		for _, ref := range pullRefs(r.Data, draft, live) {
			seen[ref] = true
		}
	}
	known, err := pullLinks(ctx, tx, c, slices.Collect(maps.Keys(seen)))
	if err != nil {
		return e, err
	}
	ids := make([]uuid.UUID, len(records))
	for i, r := range records {
		ids[i], _ = uuid.Parse(known.local[own(r)]) // none if it is not linked
	}
	kind := crm.Kind(v.Entity)
	there, err := s.documents(ctx, tx, kind, ids)
	if err != nil {
		return e, err
	}
	for i, r := range records {
		e.add(ids[i], r.ID, pull(live, r.Data, known).judged(kind, there[ids[i]]), pull(draft, r.Data, known).judged(kind, there[ids[i]]))
	}
	e.cut()
	return e, nil
}
