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

// Records reads the newest records of a version's mapping from its connection's system, at most limit, the newest first; of a system that
// knows no times the first that it gives. Nothing is stored, and no job's cursor moves. It is asked without a transaction: the other system may think for long. What is gone there, and what the connector
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
		return newest(ctx, puller, record, limit)
	}
	return read(ctx, puller, connector.PullRequest{Stream: record, Limit: limit}, limit)
}

// crowd is how many times the records that are wanted one window may have. Of more the rest stays unread, which is the newest where the
// system gives the oldest first: a preview is not worth reading a whole first load.
const crowd = 10

// newest reads windows of time, each right before the one that was read, until they gave enough: no record is asked for twice.
func newest(ctx context.Context, puller connector.Puller, record string, limit int) (records []connector.Record, err error) {
	const (
		first  = 10 * time.Minute
		longer = 4 // each window than all after it
		last   = 5 * 365 * 24 * time.Hour
	)
	var until time.Time // open
	now := time.Now()
	for back := first; len(records) < limit; back *= longer {
		ask := connector.PullRequest{Stream: record, Limit: limit, Since: now.Add(-back), Until: until}
		if back > last {
			ask.Since = time.Time{}
		}
		some, err := read(ctx, puller, ask, crowd*limit)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(some, func(a, b connector.Record) int { return b.UpdatedAt.Compare(a.UpdatedAt) })
		records = append(records, some...)
		if until = ask.Since; until.IsZero() {
			break
		}
	}
	return records[:min(len(records), limit)], nil
}

// read reads page by page, at most so many records.
func read(ctx context.Context, puller connector.Puller, ask connector.PullRequest, most int) (records []connector.Record, err error) {
	for more := true; more && len(records) < most; {
		page, err := puller.Pull(ctx, ask)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ask.Stream, connector.AsError(err))
		}
		if page.Anew {
			records = records[:0]
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
	return records[:min(len(records), most)], nil
}

// EffectOnRecords tries a version on records of its connection: what pulling them would say of entities, and what of it these could not
// be. It finds no fault that only storing finds, such as a number that another entity has: a job's dry run does.
func (s *Store) EffectOnRecords(ctx context.Context, tx pgx.Tx, v Version, records []connector.Record) (Effect, error) {
	e := Effect{Fields: map[string]int{}, Items: []Affected{}}
	c, draft, live, err := s.compared(ctx, tx, v)
	if err != nil {
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
