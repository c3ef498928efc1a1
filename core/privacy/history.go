package privacy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/crm"
)

// asEraser runs fn with the role that may take data out of what no other changes.
func asEraser(ctx context.Context, tx pgx.Tx, fn func() error) error {
	if _, err := tx.Exec(ctx, "set local role crmhub_eraser"); err != nil {
		return fmt.Errorf("take the eraser's role: %w", err)
	}
	if err := fn(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "set local role crmhub_app"); err != nil {
		return fmt.Errorf("give the eraser's role back: %w", err)
	}
	return nil
}

// forgetHistory takes what the entities were out of the outbox and the trail. What is not sealed or published yet will be so
// without the data.
func (s *Eraser) forgetHistory(ctx context.Context, tx pgx.Tx, e *Erasure, p *person) error {
	var subjects []audit.Subject
	for _, k := range p.kinds() {
		forget, err := s.Entities.Forgetter(ctx, tx, k)
		if err != nil {
			return err
		}
		n, err := forgetChanges(ctx, tx, forget, k, p.entities[k])
		if err != nil {
			return err
		}
		e.Erased["change"] += n
		for _, id := range p.entities[k] {
			subjects = append(subjects, audit.Subject{Entity: string(k), ID: id, Fields: append(crm.Personal(k), "ext", attachments)})
		}
	}
	more, err := p.acts(ctx, tx)
	if err != nil {
		return err
	}
	n, err := audit.Erase(ctx, tx, e.ID, append(subjects, more...))
	e.Erased["audit"] = int64(n)
	return err
}

// attachments is the name under which the trail tells of an entity's files.
const attachments = "attachments"

const (
	selectChanges = `select seq, entity_id, data, diff from outbox where entity = $1 and entity_id = any($2)`
	updateChanges = `
update outbox o set data = n.data::json, diff = n.diff::json from unnest($1::bigint[], $2::text[], $3::text[]) n (seq, data, diff) where o.seq = n.seq`
)

func forgetChanges(ctx context.Context, tx pgx.Tx, forget *crm.Forgetter, k crm.Kind, of []uuid.UUID) (int64, error) {
	var (
		seqs  []int64
		docs  []string
		diffs []*string
	)
	err := asEraser(ctx, tx, func() error {
		rows, err := tx.Query(ctx, selectChanges, k, of)
		if err != nil {
			return err
		}
		var seq int64
		var id uuid.UUID
		var data, diff json.RawMessage
		_, err = pgx.ForEachRow(rows, []any{&seq, &id, &data, &diff}, func() error {
			seqs, docs = append(seqs, seq), append(docs, string(forget.Document(id, data)))
			var changed *string
			if diff != nil {
				text := string(forget.Diff(diff))
				changed = &text
			}
			diffs = append(diffs, changed)
			return nil
		})
		if err != nil || len(seqs) == 0 {
			return err
		}
		_, err = tx.Exec(ctx, updateChanges, seqs, docs, diffs)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("erase from the outbox: %w", err)
	}
	return int64(len(seqs)), nil
}

// What people did about the entities' letters, conflicts, links and differences may repeat values or name somebody.
const selectActs = `
with e as (select * from unnest($1::text[], $2::uuid[]) e (entity, entity_id))
select 'dead_letter', d.id from dead_letters d join e using (entity, entity_id)
union all select 'conflict', c.id from conflicts c join e using (entity, entity_id)
union all select 'difference', f.id from differences f join e on e.entity_id = f.entity_id
union all select 'merge', m.id from merge_log m join e on e.entity = m.entity and e.entity_id in (m.survivor_id, m.loser_id)`

func (p *person) acts(ctx context.Context, tx pgx.Tx) ([]audit.Subject, error) {
	kinds, of := p.all()
	rows, err := tx.Query(ctx, selectActs, kinds, of)
	if err != nil {
		return nil, fmt.Errorf("find what was done about it: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s audit.Subject, err error) {
		err = row.Scan(&s.Entity, &s.ID)
		return s, err
	})
}
