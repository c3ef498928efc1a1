package matching

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// reading is one matching on its way.
type reading struct {
	*Matcher
	task       job.Task
	id         uuid.UUID
	accept     bool
	connection connection.Connection
	kind       crm.Kind
	who        postgres.Principal
}

// place in the stream, as the run keeps it.
type position struct {
	Cursor json.RawMessage `json:"cursor"`
	Done   bool            `json:"done"` // the last page was read
}

// Run executes one run of a matching job; it is the [job.Work] of [job.Match]. A run that was cut off goes on at its page.
func (m *Matcher) Run(ctx context.Context, t job.Task) error {
	r := &reading{Matcher: m, task: t, who: postgres.Principal{Organization: t.Job.Organization, Actor: postgres.Connection(t.Job.ConnectionID)}}
	if err := r.begin(ctx); err != nil {
		return err
	}
	err := r.read(ctx)
	if err == nil {
		err = r.finish(ctx)
	}
	if err != nil {
		return r.give(ctx, err)
	}
	return nil
}

const beginMatching = `update matchings set status = 'running', message = null, said = null, finished_at = null where id = $1 returning accept_certain`

// begin finds out what is matched, and notes that it is.
func (r *reading) begin(ctx context.Context) (err error) {
	if r.kind, err = crm.ParseKind(r.task.Job.Entity); err != nil {
		return connector.Misconfigured(nil, err.Error())
	}
	return r.as(ctx, func(tx pgx.Tx) error {
		if r.connection, err = r.Connections.Get(ctx, tx, r.task.Job.ConnectionID); err != nil {
			return err
		}
		if r.id, err = keep(ctx, tx, r.connection.ID, r.task.ID, string(r.kind), false); err != nil {
			return err
		}
		return tx.QueryRow(ctx, beginMatching, r.id).Scan(&r.accept)
	})
}

// read proposes page by page. One page is in memory at a time.
func (r *reading) read(ctx context.Context) (err error) {
	var at position
	if r.task.Position != nil {
		if err := json.Unmarshal(r.task.Position, &at); err != nil {
			return fmt.Errorf("match %s: where the run has come: %w", r.kind, err)
		}
	}
	if at.Done {
		return nil
	}
	session, err := r.Connections.Open(r.connection)
	if err != nil {
		return connection.Unopened(err)
	}
	defer func() {
		_ = session.Close()                   // it was only read
		if cause := recover(); cause != nil { // a connector at fault ends its run, not the hub
			err = fmt.Errorf("the connector %s panicked: %v", r.connection.Connector, cause)
		}
	}()
	for !at.Done {
		page, err := r.Puller.Read(ctx, r.connection, string(r.kind), session, at.Cursor, r.task.Believe)
		if err != nil {
			return err
		}
		if page.More && string(page.Cursor) == string(at.Cursor) {
			return connector.Misconfigured(schema.Say("cursor_stands"), "the connector gave a page that does not move its cursor")
		}
		at = position{Cursor: page.Cursor, Done: !page.More}
		if err := r.propose(ctx, page, at); err != nil {
			return err
		}
	}
	return nil
}

const countRead = `
update matchings set read = case when $4 then 0 else read end + $2, known = case when $4 then 0 else known end + $3 where id = $1`

// propose keeps what a page's records may be, in one transaction with the run's place.
func (r *reading) propose(ctx context.Context, page connector.Page, at position) error {
	records := latest(page.Records)
	docs, faults, err := r.Puller.Translate(ctx, r.connection, string(r.kind), records)
	if err != nil {
		return err
	}
	found := make([]*finding, len(records))
	for i := range records {
		found[i] = &finding{record: records[i], doc: docs[i], fault: faults[i]}
	}
	place, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return r.as(ctx, func(tx pgx.Tx) error {
		if err := link.LockStream(ctx, tx, r.connection.ID, string(r.kind)); err != nil {
			return err
		}
		open, err := r.unlinked(ctx, tx, found)
		if err != nil {
			return err
		}
		if err := r.compare(ctx, tx, open); err != nil {
			return err
		}
		proposals := make([]link.New, len(open))
		for i, f := range open {
			if proposals[i], err = f.proposal(r.kind); err != nil {
				return err
			}
		}
		if err := link.Propose(ctx, tx, r.connection.ID, string(r.kind), r.id, proposals); err != nil {
			return err
		}
		known := int64(len(found) - len(open))
		if _, err := tx.Exec(ctx, countRead, r.id, len(page.Records), known, page.Anew); err != nil {
			return err
		}
		return job.AdvanceTo(ctx, tx, r.task, job.Counts{Read: int64(len(page.Records)), Unchanged: known, Expected: page.Expected}, place)
	})
}

// latest leaves of records that came twice the later one, and none that is gone.
func latest(records []connector.Record) []connector.Record {
	last := make(map[string]int, len(records))
	for i, r := range records {
		last[r.ID] = i
	}
	some := make([]connector.Record, 0, len(records))
	for i, r := range records {
		if last[r.ID] == i && !r.Deleted && r.ID != "" {
			some = append(some, r)
		}
	}
	return some
}

const (
	walk     = 2000 // proposals judged in a transaction
	openOnes = `
select p.id from proposals p where p.matching_id = $1 and p.state = 'open' and ($2::uuid is null or p.id > $2) order by p.id limit $3`
	// What an earlier matching proposed and this one did not find again is gone, or was linked by other ways.
	closeEarlier = `
update proposals p set state = 'gone', record = null, theirs = null, changed_at = now()
where p.connection_id = $1 and p.entity = $2 and p.matching_id <> $3 and p.state = 'open'`
	dropEarlier = `
delete from proposal_candidates c using proposals p
where c.connection_id = $1 and c.entity = $2 and p.id = c.proposal_id and p.state <> 'open'`
	endMatching = `update matchings set status = $2, message = nullif($3, ''), said = $4, finished_at = now() where id = $1`
)

// finish judges all proposals, now that every rival is known, and accepts what is certain if that was asked for.
func (r *reading) finish(ctx context.Context) error {
	err := r.as(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, closeEarlier, r.connection.ID, r.kind, r.id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, dropEarlier, r.connection.ID, r.kind)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.classify(ctx); err != nil {
		return err
	}
	if err := r.end(ctx, Finished, "", nil); err != nil || !r.accept {
		return err
	}
	for after := ""; ; {
		var done Done
		err := r.as(ctx, func(tx pgx.Tx) (err error) {
			if done, err = r.Settle(ctx, tx, r.id, Decision{Action: Accept, Class: link.Certain}, after); err != nil {
				return err
			}
			return job.Advance(ctx, tx, r.task, job.Counts{Updated: int64(done.Done)})
		})
		if after = done.Next; err != nil || after == "" {
			return err
		}
	}
}

func (r *reading) classify(ctx context.Context) error {
	for after := (*uuid.UUID)(nil); ; {
		var ids []uuid.UUID
		err := r.as(ctx, func(tx pgx.Tx) (err error) {
			rows, _ := tx.Query(ctx, openOnes, r.id, after, walk)
			if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
				return err
			}
			if err := link.Classify(ctx, tx, r.connection.ID, string(r.kind), ids); err != nil {
				return err
			}
			return job.Advance(ctx, tx, r.task, job.Counts{}) // who lost the run must not go on
		})
		if err != nil || len(ids) < walk {
			return err
		}
		after = &ids[walk-1]
	}
}

// give ends a matching that did not come to its end. What it has read is judged, so that people can work with it; another run
// reads everything.
func (r *reading) give(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, job.ErrLost) || errors.Is(err, job.ErrPaused) {
		return err // somebody goes on with it
	}
	status, message, said := Failed, "an internal error; the hub's log has it", schema.Say("internal")
	if remote, ok := errors.AsType[*connector.Error](err); ok {
		message, said = remote.Error(), remote.Said
	}
	if doubt, ok := errors.AsType[*job.SuspectError](err); ok { // the list may not have been read whole
		message, said = doubt.Message, doubt.Said
	}
	if errors.Is(err, job.ErrCancelled) {
		status, message, said = Cancelled, "", nil
	}
	return errors.Join(err, r.end(ctx, status, message, said))
}

func (r *reading) end(ctx context.Context, status Status, message string, said *schema.Saying) error {
	return r.as(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, endMatching, r.id, status, message, said)
		return err
	})
}

func (r *reading) as(ctx context.Context, fn func(tx pgx.Tx) error) error {
	if err := r.DB.As(ctx, r.who, fn); err != nil {
		return fmt.Errorf("match %s: %w", r.task.Job.Entity, err)
	}
	return nil
}

// compared reports whether entities of a kind have keys beside those of mappings.
func compared(k crm.Kind) bool { return slices.Contains(crm.Matched(), k) }
