package crm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Personal are the fields of a kind that say something of a person, or, as free text, may: a name, a phone number, a remark.
// The tags of the Go types say which, the JSON Schemas repeat it as x-personal, and a test holds the two together. Of the
// custom fields ([CustomField]) those are that are declared so and, since nothing is known of them, those that are not declared.
func Personal(k Kind) []string {
	var names []string
	for _, f := range shapes()[k] {
		if f.personal {
			names = append(names, f.name)
		}
	}
	return names
}

// Pseudonym is what stands for the name or subject of something that is erased: by it people tell one from another, and
// nobody whom it was about.
func Pseudonym(id uuid.UUID) string { return "Erased " + id.String()[24:] }

// Forget empties what of entities is personal, of deleted ones too, with a version and a change for each that says
// anything, and returns all as they are now by id. What must not be empty gets the [Pseudonym]. Nothing else of them is touched or judged.
func (s *Store) Forget(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID) (map[uuid.UUID]Entity, error) {
	forget, err := s.Forgetter(ctx, tx, k)
	if err != nil {
		return nil, err
	}
	w := writing{by: by, kind: k, table: tableOf(k), at: s.now()}
	if w.stored, err = get(ctx, tx, k, ids, forUpdate); err != nil {
		return nil, err
	}
	forgotten := make(map[uuid.UUID]Entity, len(w.stored))
	for _, id := range ids {
		stored := w.stored[id]
		if stored == nil {
			continue
		}
		e, err := clone(stored)
		if err != nil {
			return nil, err
		}
		forget.entity(e)
		if same, err := sameJSON(stored, e); err != nil || same {
			forgotten[id] = stored
			continue
		}
		if err := w.setHead(e.head(), stored); err != nil {
			return nil, err
		}
		e.head().DeletedAt = stored.head().DeletedAt
		w.batch, forgotten[id] = append(w.batch, e), e
	}
	if len(w.batch) == 0 {
		return forgotten, nil
	}
	if err := w.write(ctx, tx); err != nil {
		return nil, fmt.Errorf("forget %d of %s: %w", len(ids), k.Plural(), err)
	}
	return forgotten, nil
}

// Erased returns those of the ids of a kind whose entities were erased at somebody's request.
func (s *Store) Erased(ctx context.Context, tx pgx.Tx, k Kind, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	erased := map[uuid.UUID]bool{}
	if len(ids) == 0 {
		return erased, nil
	}
	rows, err := tx.Query(ctx, "select entity_id from erased where entity = $1 and entity_id = any($2)", k, ids)
	if err != nil {
		return nil, fmt.Errorf("ask which %s are erased: %w", k.Plural(), err)
	}
	var id uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { erased[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("ask which %s are erased: %w", k.Plural(), err)
	}
	return erased, nil
}

// Forgetter empties what is personal of one kind.
type Forgetter struct {
	kind Kind
	kept []string // of the custom fields
}

// Forgetter returns that of a kind, which knows the custom fields that are declared now.
func (s *Store) Forgetter(ctx context.Context, tx pgx.Tx, k Kind) (*Forgetter, error) {
	rows, err := tx.Query(ctx, "select name from custom_fields where entity = $1 and not is_personal and deleted_at is null", k)
	if err != nil {
		return nil, fmt.Errorf("read the custom fields of %s: %w", k.Plural(), err)
	}
	kept, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the custom fields of %s: %w", k.Plural(), err)
	}
	return &Forgetter{k, kept}, nil
}

func (f *Forgetter) entity(e Entity) {
	v := reflect.ValueOf(e).Elem()
	for _, field := range shapes()[f.kind] {
		to := v.FieldByIndex(field.index)
		switch {
		case field.personal && field.required && field.typ == text:
			to.SetString(Pseudonym(e.head().ID))
		case field.personal && (field.typ == list || field.typ == texts):
			to.Set(reflect.MakeSlice(to.Type(), 0, 0))
		case field.personal:
			to.SetZero()
		case field.name == "ext":
			to.SetBytes(f.ext(to.Bytes()))
		}
	}
}

func (f *Forgetter) ext(raw []byte) []byte {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return []byte("{}")
	}
	for name := range all {
		if !slices.Contains(f.kept, name) {
			delete(all, name)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		return []byte("{}")
	}
	return out
}

// Document empties an entity's JSON as it was published or logged with an earlier version. What is no JSON of the kind
// becomes an empty object.
func (f *Forgetter) Document(id uuid.UUID, raw json.RawMessage) json.RawMessage {
	return f.rewrite(raw, func(field field, value json.RawMessage) json.RawMessage {
		switch {
		case field.name == "ext":
			return f.ext(value)
		case field.required && field.typ == text:
			return marshaledText(Pseudonym(id))
		case field.typ == list, field.typ == texts:
			return json.RawMessage("[]")
		}
		return nil
	})
}

// Diff takes what is personal out of what an update changed: {"field": [before, after]}.
func (f *Forgetter) Diff(raw json.RawMessage) json.RawMessage {
	return f.rewrite(raw, func(field, json.RawMessage) json.RawMessage { return nil })
}

// rewrite gives each member that is personal what instead returns; nil takes it out.
func (f *Forgetter) rewrite(raw json.RawMessage, instead func(field, json.RawMessage) json.RawMessage) json.RawMessage {
	if raw == nil {
		return nil
	}
	var doc map[string]json.RawMessage
	if json.Unmarshal(raw, &doc) != nil {
		return json.RawMessage("{}")
	}
	for _, field := range shapes()[f.kind] {
		value, there := doc[field.name]
		if !there || !field.personal && field.name != "ext" {
			continue
		}
		if to := instead(field, value); to != nil {
			doc[field.name] = to
		} else {
			delete(doc, field.name)
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(doc) != nil {
		return json.RawMessage("{}")
	}
	return bytes.TrimSpace(b.Bytes())
}

func marshaledText(s string) json.RawMessage {
	b, _ := json.Marshal(s) //nolint:errchkjson // a string
	return b
}
