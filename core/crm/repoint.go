package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Moved is a field that referred to one entity and now refers to another of its kind.
type Moved struct {
	Kind   Kind            `json:"entity"`
	ID     uuid.UUID       `json:"id"`
	Field  string          `json:"field"`            // the field with the id, or the list with it
	Before json.RawMessage `json:"before,omitempty"` // of a list
	After  json.RawMessage `json:"after,omitempty"`
}

// Repoint lets every entity that refers to one refer to another of its kind, in lists too, with a version and a change
// for each, and returns what it moved. An item of a list that would then be there twice goes. What is deleted keeps its
// references. Nothing else of the entities is touched or judged: an issued invoice moves as well, where the database
// finds a merge that says so. What would be below itself then is [schema.Violations].
func (s *Store) Repoint(ctx context.Context, tx pgx.Tx, by By, k Kind, from, to uuid.UUID) ([]Moved, error) {
	var all []Moved
	for _, holder := range Kinds() {
		ids, err := referrers(ctx, tx, holder, k, from)
		if err != nil {
			return nil, fmt.Errorf("find %ss that refer to %s %s: %w", holder, k, from, err)
		}
		moved, _, err := s.move(ctx, tx, by, holder, ids, func(e Entity) (done, left []Moved) { return repoint(e, k, from, to), nil })
		if err != nil {
			return nil, fmt.Errorf("move what refers to %s %s: %w", k, from, err)
		}
		all = append(all, moved...)
	}
	return all, nil
}

// PointBack undoes what Repoint moved from one entity to another, field by field. It returns what it left, since the
// field says something else by now, or its entity is deleted.
func (s *Store) PointBack(ctx context.Context, tx pgx.Tx, by By, from, to uuid.UUID, moved []Moved) ([]Moved, error) {
	byKind := make(map[Kind]map[uuid.UUID][]Moved)
	for _, m := range moved {
		if byKind[m.Kind] == nil {
			byKind[m.Kind] = make(map[uuid.UUID][]Moved)
		}
		byKind[m.Kind][m.ID] = append(byKind[m.Kind][m.ID], m)
	}
	left := []Moved{}
	for holder, fields := range byKind {
		ids := slices.Collect(maps.Keys(fields))
		done, kept, err := s.move(ctx, tx, by, holder, ids, func(e Entity) (done, left []Moved) { return pointBack(e, from, to, fields[e.head().ID]) })
		if err != nil {
			return nil, fmt.Errorf("move back what refers to %s: %w", to, err)
		}
		left = append(left, kept...)
		for _, id := range ids { // deleted ones were not asked
			for _, m := range fields[id] {
				same := func(o Moved) bool { return o.ID == m.ID && o.Field == m.Field }
				if !slices.ContainsFunc(done, same) && !slices.ContainsFunc(kept, same) {
					left = append(left, m)
				}
			}
		}
	}
	return left, nil
}

// place is where entities of a kind may refer to others.
type place struct {
	table  string
	column string
	entity string // the column with the id of the entity that refers
}

func places(holder, k Kind) []place {
	t := tableOf(holder)
	var all []place
	for _, c := range t.columns {
		if c.refers == string(k) {
			all = append(all, place{t.name, c.name, "id"})
		}
	}
	for _, p := range t.parts {
		for _, c := range p.columns {
			if c.refers == string(k) {
				all = append(all, place{p.name, c.name, p.parent})
			}
		}
	}
	return all
}

func referrers(ctx context.Context, tx pgx.Tx, holder, k Kind, to uuid.UUID) ([]uuid.UUID, error) {
	var selects []string
	for _, p := range places(holder, k) {
		selects = append(selects, "select distinct "+p.entity+" from "+p.table+" where "+p.column+" = $1")
	}
	if len(selects) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, strings.Join(selects, " union "), to)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// move changes references of stored entities by fn and writes those it changed something of.
func (s *Store) move(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID, fn func(Entity) (done, left []Moved)) (done, left []Moved, err error) {
	if len(ids) == 0 {
		return nil, nil, nil
	}
	w := writing{by: by, kind: k, table: tableOf(k), at: s.now()}
	if w.stored, err = get(ctx, tx, k, ids, forUpdate); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		stored := w.stored[id]
		if stored == nil || stored.head().DeletedAt != nil {
			continue
		}
		e, err := clone(stored)
		if err != nil {
			return nil, nil, err
		}
		d, l := fn(e)
		done, left = append(done, d...), append(left, l...)
		if len(d) == 0 {
			continue
		}
		if err := w.moveItems(ctx, tx, stored, e); err != nil {
			return nil, nil, err
		}
		if err := w.setHead(e.head(), stored); err != nil {
			return nil, nil, err
		}
		w.batch = append(w.batch, e)
	}
	if len(w.batch) == 0 {
		return nil, left, nil
	}
	if err := w.stayTree(ctx, tx); err != nil {
		return nil, nil, err
	}
	return done, left, w.write(ctx, tx)
}

// moveItems writes the lists in which only references differ, item by item: replacing a list as a whole, as any other write
// does, is refused for an issued invoice.
func (w *writing) moveItems(ctx context.Context, tx pgx.Tx, stored, e Entity) error {
	for i := range w.table.parts {
		p := &w.table.parts[i]
		was, is := reflect.ValueOf(stored).Elem().FieldByIndex(p.field.index), reflect.ValueOf(e).Elem().FieldByIndex(p.field.index)
		if was.Len() != is.Len() {
			continue
		}
		if err := p.moveItems(ctx, tx, e.head().ID, was, is); err != nil {
			return err
		}
		w.place(p, e)
	}
	return nil
}

func (p *part) moveItems(ctx context.Context, tx pgx.Tx, id uuid.UUID, was, is reflect.Value) error {
	for _, c := range p.columns {
		if c.refers == "" {
			continue
		}
		for i := range was.Len() {
			before, after := c.value(was.Index(i)), c.value(is.Index(i))
			if !before.IsValid() || !after.IsValid() || before.Equal(after) {
				continue
			}
			_, err := tx.Exec(ctx, "update "+p.name+" set "+c.name+" = $3 where "+p.parent+" = $1 and seq = (select seq from "+p.name+
				" where "+p.parent+" = $1 order by seq offset $2 limit 1)", id, i, after.Interface())
			if err != nil {
				return fmt.Errorf("move an item of %s: %w", p.name, err)
			}
		}
	}
	return nil
}

func clone(e Entity) (Entity, error) {
	doc, err := Document(e)
	if err != nil {
		return nil, err
	}
	return FromDocument(e.Kind(), doc)
}

func repoint(e Entity, k Kind, from, to uuid.UUID) []Moved {
	var moved []Moved
	v := reflect.ValueOf(e).Elem()
	h := e.head()
	for _, f := range shapes()[e.Kind()] {
		switch {
		case f.refers == string(k):
			if value := f.value(v); value.IsValid() && value.Interface() == from {
				value.Set(reflect.ValueOf(to))
				moved = append(moved, Moved{Kind: e.Kind(), ID: h.ID, Field: f.name})
			}
		case f.typ == list:
			items := f.value(v)
			before := marshaled(items)
			if repointItems(f.elem, items, k, from, to) {
				moved = append(moved, Moved{Kind: e.Kind(), ID: h.ID, Field: f.name, Before: before, After: marshaled(items)})
			}
		}
	}
	return moved
}

// repointItems moves the references of a list's items. A required one is what an item is about: the list has it once.
func repointItems(s shape, items reflect.Value, k Kind, from, to uuid.UUID) bool {
	moved := false
	for _, f := range s {
		if f.refers != string(k) {
			continue
		}
		there := false
		for i := range items.Len() {
			value := f.value(items.Index(i))
			there = there || value.IsValid() && value.Interface() == to
		}
		kept := reflect.MakeSlice(items.Type(), 0, items.Len())
		for i := range items.Len() {
			item := items.Index(i)
			if value := f.value(item); value.IsValid() && value.Interface() == from {
				moved = true
				if f.required && there {
					continue
				}
				value.Set(reflect.ValueOf(to))
			}
			kept = reflect.Append(kept, item)
		}
		items.Set(kept)
	}
	return moved
}

func pointBack(e Entity, from, to uuid.UUID, moved []Moved) (done, left []Moved) {
	v := reflect.ValueOf(e).Elem()
	for _, m := range moved {
		i := slices.IndexFunc(shapes()[e.Kind()], func(f field) bool { return f.name == m.Field })
		if i < 0 {
			left = append(left, m)
			continue
		}
		f := shapes()[e.Kind()][i]
		value := f.value(v)
		switch {
		case f.typ == list && bytes.Equal(marshaled(value), compact(m.After)):
			before := reflect.New(value.Type())
			if json.Unmarshal(m.Before, before.Interface()) != nil {
				left = append(left, m)
				continue
			}
			value.Set(before.Elem())
		case f.typ != list && value.IsValid() && value.Interface() == from:
			value.Set(reflect.ValueOf(to))
		default:
			left = append(left, m)
			continue
		}
		done = append(done, m)
	}
	return done, left
}

// marshaled is a list as JSON with sorted names, as it comes back from jsonb once compacted.
func marshaled(v reflect.Value) json.RawMessage {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		panic("crm: a list that cannot be written as JSON: " + err.Error())
	}
	return compact(b)
}

func compact(b []byte) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return b
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return b
	}
	return out
}
