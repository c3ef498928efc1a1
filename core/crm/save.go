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
	if err := w.open(ctx, tx); err != nil {
		return err
	}
	if err := s.learn(ctx, tx, &w); err != nil {
		return fmt.Errorf("save %d of %s: %w", len(batch), w.table.name, err)
	}
	if err := w.check(ctx, tx); err != nil {
		return err
	}
	if err := s.prepare(ctx, tx, &w); err != nil {
		return err
	}
	if err := w.giveNumbers(ctx, tx); err != nil {
		return fmt.Errorf("save %d of %s: %w", len(batch), w.table.name, err)
	}
	if err := w.write(ctx, tx); err != nil {
		return fmt.Errorf("save %d of %s: %w", len(batch), w.table.name, w.atItem(translate(w.table, err)))
	}
	return s.follow(ctx, tx, &w)
}

// writing is one Save on its way.
type writing struct {
	by     By
	kind   Kind
	table  table
	at     time.Time
	batch  []Entity
	stored map[uuid.UUID]Entity // what the updates replace
	facts  facts
	placed map[string]bool // lists that are written already, by table and entity
}

// place notes that an entity's list is written already.
func (w *writing) place(p *part, e Entity) {
	if w.placed == nil {
		w.placed = map[string]bool{}
	}
	w.placed[p.name+e.head().ID.String()] = true
}

// byIndex lets the server plan each statement of a write once a session, and never read a whole table: all of them look
// up by keys. It would plan anew for each execution, which takes longer than most of them, since it takes one key for
// cheaper than the ten it expects of an array.
const byIndex = "select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)"

// open reads what the updates replace, and which custom fields there are.
func (w *writing) open(ctx context.Context, tx pgx.Tx) error {
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
	var b pgx.Batch
	b.Queue(byIndex)
	w.stored = w.table.queueGet(&b, w.kind, ids, forUpdate)
	w.queueDeclared(&b)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("read %d of %s to change: %w", len(ids), w.table.name, err)
	}
	return nil
}

// check brings every entity into canonical form and refuses what breaks a rule, and sets the heads.
func (w *writing) check(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	found := w.queueReferences(&b)
	w.queueRates(&b)
	w.queueBase(&b)
	if b.Len() > 0 {
		if err := tx.SendBatch(ctx, &b).Close(); err != nil {
			return fmt.Errorf("look up what %d of %s refer to: %w", len(w.batch), w.table.name, err)
		}
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
		vs = append(vs, found.missing(w.kind, stored, e)...)
		if len(vs) > 0 {
			return &ItemError{i, vs}
		}
		if err := w.setHead(h, stored); err != nil {
			return err
		}
	}
	return nil
}

// moved checks what depends on the stored version, and sets what follows from the way between the two.
func (w *writing) moved(stored, e Entity) schema.Violations {
	vs := append(w.customFaults(stored, e), w.misrated(stored, e)...)
	switch e := e.(type) {
	case *Order:
		old, _ := stored.(*Order)
		e.payInstalments(w.facts.paid[e.ID])
		vs = append(append(vs, overplanned(w.by.Actor, old, e)...), closed(w.by.Actor, old, e)...)
		vs = append(append(vs, handled(w.by.Actor, old, e)...), bound(old, e, w.facts.billed[e.ID])...)
		return append(vs, moveOrder(w.by.Actor, old, e)...)
	case *Invoice:
		old, _ := stored.(*Invoice)
		vs = append(append(vs, e.owed(w.by.Actor, old, w.facts.paying[e.ID])...), e.fitting(w.facts.origins)...)
		return append(append(vs, moveStatus(w.by.Actor, stored, e)...), frozen(old, e)...)
	case *Payment:
		old, _ := stored.(*Payment)
		return append(append(vs, e.owed(w.by.Actor, old)...), e.misallocated(w.by.Actor, old, w.facts.owing)...)
	case *Opportunity:
		old, _ := stored.(*Opportunity)
		return append(vs, enterStage(w.at, w.facts.pipelines, old, e)...)
	case *Ticket:
		old, _ := stored.(*Ticket)
		e.setTimes(w.at, old)
	case node:
		vs = append(vs, w.circular(e)...)
	case *Activity:
		if e.At.After(w.at.Add(time.Hour)) && !isConnection(w.by.Actor) {
			vs = append(vs, schema.Violation{
				Pointer: "/at", Rule: "maximum", Message: "must not be in the future: plan a task or a next_contact_at", Said: schema.Say("field_future"),
			})
		}
	case *Task:
		setWhen(&e.DoneAt, e.Status == "completed", w.at)
	case *CampaignMember:
		if e.Status == "responded" || e.Status == "converted" {
			setOnce(&e.RespondedAt, w.at)
		}
		if stored != nil {
			vs = append(vs, differing(stored, e, []string{"campaign_id", "contact_id", "customer_id"}, "once it is a member")...)
		} else if e.ContactID != nil && w.facts.optedOut[*e.ContactID] && !isConnection(w.by.Actor) {
			vs = append(vs, schema.Violation{Pointer: "/contact_id", Rule: "opt_out", Message: "must be a contact who has not opted out"})
		}
	case *CustomField:
		if stored != nil {
			return append(vs, differing(stored, e, []string{"entity", "name", "kind"}, "once the field is declared")...)
		}
	}
	if _, ok := lifecycles[e.Kind()]; ok {
		vs = append(vs, moveStatus(w.by.Actor, stored, e)...)
	}
	return vs
}

// setWhen sets a time that nobody gave when something is so, and clears it when not.
func setWhen(t **time.Time, is bool, at time.Time) {
	if !is {
		*t = nil
		return
	}
	setOnce(t, at)
}

// setOnce sets a time that nobody gave.
func setOnce(t **time.Time, at time.Time) {
	if *t == nil {
		*t = &at
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
		stored := w.stored[h.ID]
		if stored == nil {
			inserts = append(inserts, row)
			continue
		}
		changes[i].Type = "updated"
		if h.DeletedAt != nil { // what is forgotten stays deleted
			changes[i].Type = "deleted"
		}
		if changes[i].Diff, err = diff(stored, e); err != nil {
			return err
		}
		updates = append(updates, row)
	}
	var b pgx.Batch
	w.table.queueInsert(&b, inserts)
	// The lines of a draft change before it is issued: afterwards the database refuses.
	for _, p := range w.table.parts {
		if err := w.queuePart(&b, p); err != nil {
			return err
		}
	}
	w.table.queueUpdate(&b, updates)
	if err := outbox.Queue(&b, changes); err != nil {
		return err
	}
	return tx.SendBatch(ctx, &b).Close()
}

// queueInsert writes entities given as JSON: the names there are the columns, so the server takes the array apart itself.
func (t table) queueInsert(b *pgx.Batch, rows [][]byte) {
	if len(rows) == 0 {
		return
	}
	derived := ", " + strings.Join(t.derived(), ", ")
	b.Queue("insert into "+t.name+" ("+names(t.columns, "")+derived+") select "+names(t.columns, "")+derived+
		" from json_populate_recordset(null::"+t.name+", $1)", array(rows))
}

func (t table) queueUpdate(b *pgx.Batch, rows [][]byte) {
	if len(rows) == 0 {
		return
	}
	derived := t.derived()
	b.Queue("update "+t.name+" t set ("+names(t.columns[1:], "")+", "+strings.Join(derived, ", ")+") = row ("+names(t.columns[1:], "n.")+
		", n."+strings.Join(derived, ", n.")+") from json_populate_recordset(null::"+t.name+", $1) n where t.id = n.id", array(rows))
}

// queuePart replaces the lists that differ from the stored ones.
func (w *writing) queuePart(b *pgx.Batch, p part) error {
	var replaced []uuid.UUID
	var rows [][]byte
	for _, e := range w.batch {
		if w.placed[p.name+e.head().ID.String()] {
			continue
		}
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
		b.Queue("delete from "+p.name+" where "+p.parent+" = any($1)", replaced)
	}
	if len(rows) == 0 {
		return nil
	}
	columns := p.parent + ", seq, " + names(p.columns, "")
	b.Queue("insert into "+p.name+" ("+columns+") select "+columns+" from json_populate_recordset(null::"+p.name+", $1)", array(rows))
	return nil
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
