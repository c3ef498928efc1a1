package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
	"crmhub/core/schema"
)

// Save inserts the entities whose Version is 0 and updates the others, all of one kind, sets their heads, gives numbers
// where none are, and writes a change for each to the outbox. Whatever the size of the batch, the statements are few.
//
// An *[ItemError] names the entity at fault and wraps [schema.Violations], [StaleError] or [ErrNotFound]. What only the
// database can tell (a code taken meanwhile) are Violations too, without an index when the batch has several; the
// transaction is then aborted, and a caller with many entities retries them one by one behind savepoints.
// After an error the entities' heads are as they were.
func (s *Store) Save(ctx context.Context, tx pgx.Tx, by By, batch []Entity) (err error) {
	if len(batch) == 0 {
		return nil
	}
	heads := make([]Head, len(batch))
	for i, e := range batch {
		heads[i] = *e.head()
	}
	defer func() {
		if err == nil {
			return
		}
		for i, e := range batch {
			*e.head() = heads[i]
		}
	}()
	w := writing{by: by, kind: batch[0].Kind(), at: s.now(), batch: batch}
	w.table = tableOf(w.kind)
	if err := w.readStored(ctx, tx); err != nil {
		return err
	}
	if err := w.check(ctx, tx); err != nil {
		return err
	}
	if err := w.giveNumbers(ctx, tx); err != nil {
		return fmt.Errorf("save %d of %s: %w", len(batch), w.table.name, err)
	}
	if err := w.write(ctx, tx); err != nil {
		return fmt.Errorf("save %d of %s: %w", len(batch), w.table.name, w.atItem(translate(w.table, err)))
	}
	return s.settle(ctx, tx, by, batch)
}

// writing is one Save on its way.
type writing struct {
	by     By
	kind   Kind
	table  table
	at     time.Time
	batch  []Entity
	stored map[uuid.UUID]Entity // what the updates replace
}

func (w *writing) readStored(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	given := make(map[uuid.UUID]bool, len(w.batch))
	for i, e := range w.batch {
		h := e.head()
		if e.Kind() != w.kind {
			return fmt.Errorf("save %s and %s in one batch: a batch has one kind", w.kind, e.Kind())
		}
		if h.ID != uuid.Nil && given[h.ID] {
			return &ItemError{i, schema.Violations{{Pointer: "/id", Rule: "unique", Message: "must be once in a batch"}}}
		}
		given[h.ID] = true
		if h.Version != 0 {
			ids = append(ids, h.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	var err error
	w.stored, err = get(ctx, tx, w.kind, ids, forUpdate)
	return err
}

// check brings every entity into canonical form and refuses what breaks a rule, and sets the heads.
func (w *writing) check(ctx context.Context, tx pgx.Tx) error {
	found, err := w.references(ctx, tx)
	if err != nil {
		return err
	}
	for i, e := range w.batch {
		h := e.head()
		stored := w.stored[h.ID]
		switch {
		case h.Version == 0:
		case stored == nil || stored.head().DeletedAt != nil:
			return &ItemError{i, ErrNotFound}
		case stored.head().Version != h.Version:
			return &ItemError{i, &StaleError{ID: h.ID, Seen: h.Version, Stored: stored.head().Version}}
		}
		e.Normalize()
		moved := w.moved(stored, e)
		vs := append(e.Validate(), moved...)
		vs = append(vs, found.missing(w.kind, e)...)
		if len(vs) > 0 {
			return &ItemError{i, vs}
		}
		if err := w.setHead(h, stored); err != nil {
			return err
		}
	}
	return nil
}

// moved checks what depends on the stored version.
func (w *writing) moved(stored, e Entity) schema.Violations {
	switch e := e.(type) {
	case *Order:
		old, _ := stored.(*Order)
		return moveOrder(w.by.Actor, old, e)
	case *Invoice:
		old, _ := stored.(*Invoice)
		return append(moveInvoice(w.by.Actor, old, e), frozen(old, e)...)
	default:
		return nil
	}
}

func (w *writing) setHead(h *Head, stored Entity) error {
	next := Head{ID: h.ID, Version: h.Version + 1, Origin: w.by.Origin, UpdatedAt: w.at, UpdatedBy: string(w.by.Actor)}
	next.CreatedAt, next.CreatedBy = next.UpdatedAt, next.UpdatedBy
	if stored != nil {
		next.CreatedAt, next.CreatedBy = stored.head().CreatedAt, stored.head().CreatedBy
	}
	if next.ID == uuid.Nil {
		var err error
		if next.ID, err = uuid.NewV7(); err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
	}
	*h = next
	return nil
}

func (w *writing) write(ctx context.Context, tx pgx.Tx) error {
	changes := make([]outbox.Change, len(w.batch))
	var inserts, updates [][]byte
	for i, e := range w.batch {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write %s as JSON: %w", w.kind, err)
		}
		row, err := w.table.row(data, e)
		if err != nil {
			return err
		}
		h := e.head()
		changes[i] = outbox.Change{
			Entity: string(w.kind), EntityID: h.ID, Version: h.Version, Type: "created", Origin: w.by.Origin,
			TraceParent: w.by.TraceParent, Data: data,
		}
		if w.stored[h.ID] == nil {
			inserts = append(inserts, row)
			continue
		}
		changes[i].Type = "updated"
		updates = append(updates, row)
	}
	if err := w.table.insert(ctx, tx, inserts); err != nil {
		return err
	}
	// The lines of a draft change before it is issued: afterwards the database refuses.
	if err := w.writeParts(ctx, tx); err != nil {
		return err
	}
	if err := w.table.update(ctx, tx, updates); err != nil {
		return err
	}
	return outbox.Append(ctx, tx, changes)
}

// insert writes entities given as JSON: the names there are the columns, so the server takes the array apart itself.
func (t table) insert(ctx context.Context, tx pgx.Tx, rows [][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	derived := ", " + strings.Join(t.derived(), ", ")
	_, err := tx.Exec(ctx, "insert into "+t.name+" ("+names(t.columns, "")+derived+") select "+names(t.columns, "")+derived+
		" from json_populate_recordset(null::"+t.name+", $1)", array(rows))
	return err
}

func (t table) update(ctx context.Context, tx pgx.Tx, rows [][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	derived := t.derived()
	_, err := tx.Exec(ctx, "update "+t.name+" t set ("+names(t.columns[1:], "")+", "+strings.Join(derived, ", ")+") = row ("+names(t.columns[1:], "n.")+
		", n."+strings.Join(derived, ", n.")+") from json_populate_recordset(null::"+t.name+", $1) n where t.id = n.id", array(rows))
	return err
}

// writeParts replaces the lists that differ from the stored ones.
func (w *writing) writeParts(ctx context.Context, tx pgx.Tx) error {
	p := w.table.part
	if p == nil {
		return nil
	}
	var replaced []uuid.UUID
	var rows [][]byte
	for _, e := range w.batch {
		list := reflect.ValueOf(e).Elem().FieldByIndex(p.field.index)
		if stored := w.stored[e.head().ID]; stored != nil {
			old := reflect.ValueOf(stored).Elem().FieldByIndex(p.field.index)
			same, err := sameJSON(old.Interface(), list.Interface())
			if err != nil {
				return err
			}
			if same {
				continue
			}
			if old.Len() > 0 {
				replaced = append(replaced, e.head().ID)
			}
		}
		for i := range list.Len() {
			row, err := p.row(e.head().ID, i, list.Index(i).Interface())
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	if len(replaced) > 0 {
		if _, err := tx.Exec(ctx, "delete from "+p.name+" where "+p.parent+" = any($1)", replaced); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	columns := p.parent + ", seq, " + names(p.columns, "")
	_, err := tx.Exec(ctx, "insert into "+p.name+" ("+columns+") select "+columns+
		" from json_populate_recordset(null::"+p.name+", $1)", array(rows))
	return err
}

// row is an item of a list as JSON, together with whose it is and its place.
func (p *part) row(parent uuid.UUID, seq int, item any) ([]byte, error) {
	b, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", p.name, err)
	}
	return fmt.Appendf(nil, `{"%s":"%s","seq":%d,%s`, p.parent, parent, seq, b[1:]), nil
}

func sameJSON(a, b any) (bool, error) {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return bytes.Equal(x, y), errors.Join(errX, errY)
}

// array makes one JSON array of documents.
func array(docs [][]byte) string {
	size := len(docs) + 1
	for _, d := range docs {
		size += len(d)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('[')
	for i, d := range docs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(d)
	}
	b.WriteByte(']')
	return b.String()
}

// atItem names the entity where there is only one.
func (w *writing) atItem(err error) error {
	if vs, ok := errors.AsType[schema.Violations](err); ok && len(w.batch) == 1 {
		return &ItemError{0, vs}
	}
	return err
}
