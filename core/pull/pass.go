package pull

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/connector"
	"crmhub/core/drift"
	"crmhub/core/job"
	"crmhub/core/schema"
)

// pass reads the stream from where it stands to its end. While one page is stored the next is fetched and mapped.
func (s *stream) pass(ctx context.Context, t job.Task, session connector.Session) error {
	puller, ok := session.(connector.Puller)
	if !ok {
		return connector.Misconfigured(schema.Say("cannot_pull", s.connection.Connector), "the connector "+s.connection.Connector+" cannot pull")
	}
	p, err := s.begin(ctx, t)
	if err != nil {
		return err
	}
	if s.gets {
		p.getter, _ = session.(connector.Getter)
	}
	pages := make(chan *page)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(pages)
		return p.produce(gctx, puller, pages)
	})
	g.Go(func() error {
		for page := range pages {
			if err := p.store(gctx, page); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.retryWaiting(ctx, t)
}

// produce fetches and prepares pages until the last.
func (p *passing) produce(ctx context.Context, puller connector.Puller, pages chan<- *page) (err error) {
	defer func() {
		if cause := recover(); cause != nil { // a connector at fault ends its run, not the hub
			err = fmt.Errorf("the connector %s panicked: %v", p.connection.Connector, cause)
		}
	}()
	shapes := drift.NewObserver(p.connection.ID, p.task.ID, p.mapping)
	defer func() { p.noteShapes(ctx, shapes) }()
	next := connector.PullRequest{Stream: p.mapping.Record(), Cursor: p.from, Limit: p.PageSize, Accept: p.task.Believe, Resume: len(p.from) > 0}
	if given := p.task.Range; given != nil {
		next.Since, next.Until = value(given.From), value(given.To)
	}
	for {
		var asked time.Time
		if p.getter != nil { // else nothing can be read again
			var err error
			if asked, err = p.clock(ctx); err != nil {
				return err
			}
		}
		got, request, err := p.fetch(ctx, puller, next, &p.task.ID)
		if err != nil {
			return err
		}
		if got.More && !got.Anew && string(got.Cursor) == string(next.Cursor) {
			return connector.Misconfigured(schema.Say("cursor_stands"), "the connector gave a page that does not move its cursor")
		}
		if shapes.See(got.Records) {
			p.noteShapes(ctx, shapes)
		}
		prepared, err := p.prepare(ctx, got, asked, request)
		if err != nil {
			return err
		}
		select {
		case pages <- prepared:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !got.More {
			return nil
		}
		next.Cursor, next.Resume = got.Cursor, false
	}
}

// noteShapes saves how the records looked. That they could not be saved is no reason to pull nothing.
func (p *passing) noteShapes(ctx context.Context, shapes *drift.Observer) {
	if !shapes.Pending() || ctx.Err() != nil {
		return
	}
	err := p.DB.As(ctx, p.who, func(tx pgx.Tx) error { return shapes.Save(ctx, tx) })
	if err != nil && ctx.Err() == nil { // a stop is no fault
		p.log.WarnContext(ctx, "how the records looked is not known", "run", p.task.ID, "error", err)
	}
}

// passing is a pass on its way.
type passing struct {
	*stream
	task     job.Task
	from     json.RawMessage  // where it began
	position position         // how far it is stored
	aside    bool             // it has a place of its own, beside the job's cursor
	getter   connector.Getter // nil if the stream's records cannot be read one by one
	first    bool
}

func (s *stream) begin(ctx context.Context, t job.Task) (*passing, error) {
	p := &passing{stream: s, task: t, first: true, aside: t.Purpose == job.Backfill}
	if p.aside {
		p.from, p.position.cursor = t.Position, t.Position
		if t.Range != nil && (t.Range.From != nil || t.Range.To != nil) && !s.ranged {
			return nil, connector.Misconfigured(schema.Say("no_range", s.connection.Connector, s.mapping.Record()), "the connector "+s.connection.Connector+" cannot read a range of "+s.mapping.Record())
		}
		return p, nil
	}
	err := s.DB.As(ctx, s.who, func(tx pgx.Tx) (err error) {
		p.position, err = s.readPosition(ctx, tx)
		p.from = p.position.cursor
		return err
	})
	return p, err
}

// store stores a page and decides whether what the pass found is to be believed.
func (p *passing) store(ctx context.Context, page *page) error {
	if p.first && len(p.position.cursor) == 0 && page.expected > 0 && p.suspect(page.expected) {
		return p.tooLittle(page.expected) // before anything is stored
	}
	p.first = false
	if page.anew {
		p.position.volume = 0
	}
	next := position{cursor: page.cursor, volume: p.position.volume + int64(page.read), usual: p.position.usual}
	var doubt error
	if page.last {
		switch {
		case p.aside:
		case p.incremental:
			next.volume = 0
			if len(next.cursor) == 0 {
				next.cursor = p.position.cursor // an empty page may come without one
			}
		case p.suspect(next.volume):
			doubt = p.tooLittle(next.volume)
			next = position{usual: p.position.usual}
		default:
			next = position{usual: next.volume}
		}
	}
	if err := p.storePage(ctx, page, next); err != nil {
		return err
	}
	p.position = next
	return doubt
}

// suspect is the rule: a whole pass that finds less than half of the last one's records, unless a person said that it
// is right.
func (p *passing) suspect(volume int64) bool {
	return !p.incremental && !p.aside && !p.task.Believe && volume*2 < p.position.usual
}

func (p *passing) tooLittle(volume int64) error {
	return &job.SuspectError{
		Message: fmt.Sprintf("%d records of %s were found, where the last pass found %d", volume, p.kind, p.position.usual),
		Said:    schema.Say("fewer_than_before", volume, p.kind, p.position.usual),
	}
}

// position is how far a pass has come.
type position struct {
	cursor json.RawMessage // nil: at the beginning
	volume int64           // records read since the beginning
	usual  int64           // records of the last whole pass
}

const selectPosition = `select cursor::text, volume, coalesce(usual_volume, 0) from cursors where connection_id = $1 and entity = $2`

func (s *stream) readPosition(ctx context.Context, tx pgx.Tx) (p position, err error) {
	rows, _ := tx.Query(ctx, selectPosition, s.connection.ID, s.kind)
	var cursor *string
	_, err = pgx.ForEachRow(rows, []any{&cursor, &p.volume, &p.usual}, func() error {
		if cursor != nil {
			p.cursor = json.RawMessage(*cursor)
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("read the cursor of %s: %w", s.kind, err)
	}
	return p, nil
}

// advance counts a page and moves on, in the page's transaction.
func (p *passing) advance(ctx context.Context, tx pgx.Tx, counts job.Counts, to position) error {
	if p.aside {
		return job.AdvanceTo(ctx, tx, p.task, counts, to.cursor)
	}
	if err := p.writePosition(ctx, tx, to); err != nil {
		return err
	}
	return job.Advance(ctx, tx, p.task, counts)
}

const upsertPosition = `
insert into cursors (connection_id, entity, cursor, volume, usual_volume) values ($1, $2, $3, $4, nullif($5::bigint, 0))
on conflict (organization_id, connection_id, entity) do update set
	cursor = excluded.cursor, volume = excluded.volume, usual_volume = excluded.usual_volume, updated_at = now()`

func (s *stream) writePosition(ctx context.Context, tx pgx.Tx, p position) error {
	var cursor *string
	if len(p.cursor) > 0 {
		text := string(p.cursor)
		cursor = &text
	}
	if _, err := tx.Exec(ctx, upsertPosition, s.connection.ID, s.kind, cursor, p.volume, p.usual); err != nil {
		return fmt.Errorf("move the cursor of %s: %w", s.kind, err)
	}
	return nil
}
