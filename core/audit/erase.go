package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// erasing is the action of the entry that says of which others the detail was taken out.
const erasing = "erased"

// erasedDetail is the detail of that entry.
type erasedDetail struct {
	Erasure uuid.UUID `json:"erasure"`
	Entries []int64   `json:"entries"`
}

// Subject is something whose entries are to lose their detail where it names one of the fields, in all of them if there are none.
type Subject struct {
	Entity string
	ID     uuid.UUID
	Fields []string
}

const (
	asEraser = `set local role crmhub_eraser`
	asApp    = `set local role crmhub_app`
	// A sealer that has read a page already finds the position moved, and reads it again; one that wants to write waits.
	holdSealer = `update audit_position set page = page + 1`
	// Digest and place in the chain stay.
	eraseEntries = `
update audit_log l set detail = null, salt = null, erased_at = now()
from unnest($1::text[], $2::uuid[], $3::text[]) s (entity, id, fields)
where l.entity = s.entity and l.entity_id = s.id and l.detail is not null and (s.fields = '' or exists (
	select from jsonb_each(case jsonb_typeof(l.detail::jsonb) when 'object' then l.detail::jsonb else '{}' end) f
	where f.key = any(string_to_array(s.fields, ',')) and f.value not in ('null', '""', '[]', '{}')))
returning l.number`
	eraseActs = `
update audit_acts a set detail = null
from unnest($1::text[], $2::uuid[], $3::text[]) s (entity, id, fields)
where a.entity = s.entity and a.entity_id = s.id and a.detail is not null`
)

// Erase takes the detail out of the entries of subjects, for an erasure with an id, and returns how many there were. The trail
// stays whole: what was hashed is the detail's digest, and an entry of its own names those that were erased. What is not sealed
// yet is the outbox's to erase. The transaction must be one of the application's, and is one afterwards.
func Erase(ctx context.Context, tx pgx.Tx, erasure uuid.UUID, subjects []Subject) (int, error) {
	entities, ids, fields := make([]string, len(subjects)), make([]uuid.UUID, len(subjects)), make([]string, len(subjects))
	for i, s := range subjects {
		entities[i], ids[i] = s.Entity, s.ID
		for j, f := range s.Fields {
			if j > 0 {
				fields[i] += ","
			}
			fields[i] += f
		}
	}
	var numbers []int64
	var b pgx.Batch
	b.Queue(asEraser)
	b.Queue(holdSealer)
	b.Queue(eraseEntries, entities, ids, fields).Query(func(rows pgx.Rows) (err error) {
		numbers, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	b.Queue(eraseActs, entities, ids, fields)
	b.Queue(asApp)
	if err := tx.SendBatch(ctx, &b).Close(); err != nil {
		return 0, fmt.Errorf("erase from the audit trail: %w", err)
	}
	if len(numbers) == 0 {
		return 0, nil
	}
	slices.Sort(numbers)
	return len(numbers), Record(ctx, tx, Act{Action: erasing, Entity: "audit", EntityID: erasure, Detail: erasedDetail{erasure, numbers}})
}

// lacks reports whether an entry cannot be recomputed since its detail was hashed itself and is erased: only its place in the
// chain holds it.
func (e *Entry) lacks() bool { return e.ErasedAt != nil && e.Digest == nil }

// holds reports whether the detail is the one whose digest was sealed, or is erased.
func (e *Entry) holds() bool {
	switch {
	case e.ErasedAt != nil:
		return len(e.Detail) == 0
	case e.Digest != nil:
		return digest(e.Salt, e.Detail) == *e.Digest
	}
	return true
}

// said takes note of the entries that one of the trail says are erased.
func (v *verifier) said(detail json.RawMessage) {
	var d erasedDetail
	if json.Unmarshal(detail, &d) != nil {
		return
	}
	v.unsaid = slices.DeleteFunc(v.unsaid, func(n int64) bool { _, found := slices.BinarySearch(d.Entries, n); return found })
}

// allSaid looks for those still unsaid in what is not sealed yet: nobody erases without saying so.
func (v *verifier) allSaid(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, selectPending, erasing, "audit")
	if err != nil {
		return err
	}
	pending, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, detail := range pending {
		v.said(json.RawMessage(detail))
	}
	if len(v.unsaid) > 0 {
		v.fault = &Fault{v.unsaid[0], Changed}
	}
	return nil
}
