package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"crmhub/core/crm"
	"crmhub/core/sheet"
)

const (
	batchRows   = 2000    // rows of a batch: a transaction
	batchBytes  = 4 << 20 // of their cells
	previewRows = 100     // whose outcomes are shown
)

// taking is one preview or run on its way: one goroutine reads and builds items, another writes them.
type taking struct {
	*Runner
	*task
	*claimedImport
	build *builder
	dry   bool
	seen  map[uint64]struct{} // hashes of the keys of a dry run, which leaves nothing to find: 16 bytes a row
	seed  maphash.Seed
	shown int
}

// batch is what one transaction takes in.
type batch struct {
	items []*item
	rows  int64    // read since the batch before, refused ones too; 0 where they were counted when staged
	keys  []string // of the groups, which are no longer staged then
}

func (r *Runner) take(ctx context.Context, t *task) error {
	w := &taking{Runner: r, task: t, claimedImport: t.imported, build: newBuilder(&t.imported.Import), dry: t.imported.Status == Previewing}
	if w.dry {
		w.seen, w.seed = make(map[uint64]struct{}), maphash.MakeSeed()
	}
	read := w.read
	if w.GroupBy != "" {
		if !w.staged {
			if err := w.stage(ctx); err != nil {
				return err
			}
		}
		read = w.readGroups
	} else if w.dry && w.position > 0 { // its memory of keys is gone: it begins again
		if err := w.restart(ctx); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan *batch, 1)
	var ended error // the reading; what was read before is still written
	g.Go(func() error {
		defer close(batches)
		ended = read(ctx, batches)
		return nil
	})
	g.Go(func() error {
		for b := range batches {
			if err := w.write(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return ended
}

// read makes a batch of every thousand rows.
func (w *taking) read(ctx context.Context, out chan<- *batch) error {
	rows, err := sheet.Open(readChunks(ctx, w.DB, w.who(), importChunks, w.ID), w.Form)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for range w.position { // taken in already
		if _, err := rows.Next(); err != nil {
			return err
		}
	}
	b, size := &batch{}, 0
	for {
		row, err := rows.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(send(ctx, out, b), err)
		}
		if err != nil {
			return send(ctx, out, b)
		}
		b.items = append(b.items, w.item([]sheet.Row{row}))
		b.rows++
		for _, c := range row.Cells {
			size += len(c)
		}
		if len(b.items) == batchRows || size >= batchBytes {
			if err := send(ctx, out, b); err != nil {
				return err
			}
			b, size = &batch{}, 0
		}
	}
}

// item builds what a row or group is, as far as that can be told without the store.
func (w *taking) item(rows []sheet.Row) *item {
	it := w.build.build(rows)
	if len(it.refs) == 0 && len(it.faults) == 0 {
		w.build.make(it)
	}
	return it
}

func send(ctx context.Context, out chan<- *batch, b *batch) error {
	if len(b.items) == 0 {
		return nil
	}
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errDry ends the transaction of a dry run's batch.
var errDry = errors.New("a dry run writes nothing")

// write takes a batch in: entities, refusals, counts and position by one transaction. A dry run does the same, gives the
// entities up, and keeps the rest.
func (w *taking) write(ctx context.Context, b *batch) error {
	err := w.DB.As(ctx, w.who(), func(tx pgx.Tx) error {
		if err := w.apply(ctx, tx, b.items); err != nil {
			return err
		}
		if w.dry {
			return errDry
		}
		if err := w.remember(ctx, tx, b.items); err != nil {
			return err
		}
		return w.advance(ctx, tx, b)
	})
	if errors.Is(err, errDry) {
		err = w.DB.As(ctx, w.who(), func(tx pgx.Tx) error { return w.advance(ctx, tx, b) })
	}
	if err != nil {
		return fmt.Errorf("take in rows from %d on: %w", b.items[0].row(), err)
	}
	return nil
}

const advanceImport = `
update imports set position = position + $3, rows = rows + $3, created = created + $4, updated = updated + $5, unchanged = unchanged + $6,
	duplicate = duplicate + $7, refused = refused + $8, preview = case when $9::jsonb is null then preview else coalesce(preview, '[]') || $9 end,
	progress_at = now()
where id = $1 and worker = $2 and status in ('previewing', 'running')
returning cancel_requested`

// advance records what a batch came to. It is the fence: a worker taken for dead commits nothing.
func (w *taking) advance(ctx context.Context, tx pgx.Tx, b *batch) error {
	var c Counts
	var refused []Refusal
	var shown []Outcome
	for _, it := range b.items {
		switch it.result {
		case "create":
			c.Created++
		case "update":
			c.Updated++
		case "unchanged":
			c.Unchanged++
		case "duplicate":
			c.Duplicate += int64(len(it.rows))
		default:
			c.Refused += int64(len(it.rows))
		}
		faults := it.perRow()
		for n, row := range it.rows {
			if len(it.faults) > 0 {
				refused = append(refused, Refusal{Row: row.Number, Cells: cellsOf(row), Faults: faults[n]})
			}
			if w.dry && w.shown < previewRows {
				w.shown++
				shown = append(shown, Outcome{Row: row.Number, Result: it.result, Cells: cellsOf(row), Faults: faults[n]})
			}
		}
	}
	if err := refuse(ctx, tx, w.ID, refused); err != nil {
		return err
	}
	if len(b.keys) > 0 {
		if _, err := tx.Exec(ctx, `delete from import_rows where import_id = $1 and key = any($2)`, w.ID, b.keys); err != nil {
			return fmt.Errorf("unstage rows: %w", err)
		}
	}
	var outcomes any
	if len(shown) > 0 {
		outcomes = shown
	}
	var cancel bool
	err := tx.QueryRow(ctx, advanceImport, w.ID, w.worker, b.rows, c.Created, c.Updated, c.Unchanged, c.Duplicate, c.Refused, outcomes).Scan(&cancel)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errLost
	case err != nil:
		return fmt.Errorf("advance: %w", err)
	case cancel:
		return errCancel
	}
	return nil
}

func cellsOf(row sheet.Row) []string {
	cells := make([]string, len(row.Cells))
	for i, c := range row.Cells {
		cells[i] = storable(c)
	}
	return cells
}

const insertEffects = `
insert into import_effects (import_id, entity_id, row, version, before)
select $1, e, r, v, b::jsonb from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[]) as t (e, r, v, b)`

// remember keeps what was written, for undoing it.
func (w *taking) remember(ctx context.Context, tx pgx.Tx, items []*item) error {
	var ids [][16]byte
	var rows, versions []int64
	var before []*string
	for _, it := range items {
		if it.result != "create" && it.result != "update" {
			continue
		}
		h := crm.HeadOf(it.entity)
		ids, rows, versions = append(ids, h.ID), append(rows, it.row()), append(versions, h.Version)
		var old *string
		if it.stored != nil {
			doc, err := json.Marshal(it.stored)
			if err != nil {
				return fmt.Errorf("keep what was before: %w", err)
			}
			text := string(doc)
			old = &text
		}
		before = append(before, old)
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, insertEffects, w.ID, ids, rows, versions, before); err != nil {
		return fmt.Errorf("keep what was written: %w", err)
	}
	return nil
}

// restart lets a preview begin at the first row.
func (w *taking) restart(ctx context.Context) error {
	w.position = 0
	return w.DB.As(ctx, w.who(), func(tx pgx.Tx) error {
		var b pgx.Batch
		b.Queue(`delete from import_refusals where import_id = $1`, w.ID)
		b.Queue(`delete from import_rows where import_id = $1`, w.ID)
		b.Queue(`update imports set position = 0, staged = false, rows = 0, created = 0, updated = 0, unchanged = 0, duplicate = 0, refused = 0,
			preview = '[]' where id = $1 and worker = $2`, w.ID, w.worker)
		return tx.SendBatch(ctx, &b).Close()
	})
}

// known reports whether a dry run has met one of an item's keys, and keeps them.
func (w *taking) known(it *item) (key string, known bool) {
	for _, k := range w.MatchBy {
		value := it.key(k)
		if value == "" {
			continue
		}
		h := maphash.String(w.seed, k+"\x00"+value)
		if _, ok := w.seen[h]; ok && !known {
			key, known = k, true
		}
		w.seen[h] = struct{}{}
	}
	return key, known
}

func (w *taking) matches() bool { return len(w.MatchBy) > 0 }

func keysOf(items []*item, field string) []string {
	values := make([]string, 0, len(items))
	for _, it := range items {
		if v := it.key(field); v != "" {
			values = append(values, v)
		}
	}
	return values
}
