package duplicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/match"
	"crmhub/core/postgres"
)

// Status is what was decided about a pair.
type Status string

// The statuses.
const (
	Open      Status = "open"
	Dismissed Status = "dismissed" // they are two
	Merged    Status = "merged"
)

// Statuses are all statuses.
func Statuses() []Status { return []Status{Open, Dismissed, Merged} }

// Pair is two entities that may be one.
type Pair struct {
	ID        uuid.UUID      `json:"id"`
	Kind      crm.Kind       `json:"entity" enum:"customer,contact"`
	A         uuid.UUID      `json:"a_id"`
	B         uuid.UUID      `json:"b_id"`
	Score     int            `json:"score"`
	Reasons   []match.Reason `json:"reasons" nullable:"false"`
	Status    Status         `json:"status" enum:"open,dismissed,merged"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
	UpdatedBy string         `json:"updated_by"`
}

// block is how many entities may share a key to be compared with each other because of it. A key that more share (the
// telephone exchange of a business park) says nothing, and comparing all with all would not end.
const block = 50

// Only entities that share a key are compared, so the work grows with the entities and not with their square.
const candidates = `
with keys as materialized (
	select id, k from %[1]s cross join lateral unnest(match_keys) k
	where deleted_at is null and k not like 'city:%%' and k not like 'domain:%%' and k not like 'full\_name:%%'
), blocks as materialized (
	select array_agg(id order by id) as ids from keys group by k having count(*) between 2 and $1
), pairs as (
	select distinct a.id as a, b.id as b
	from blocks
	cross join lateral unnest(ids) with ordinality a (id, i)
	cross join lateral unnest(ids) with ordinality b (id, i)
	where a.i < b.i
)
select p.a, p.b, x.match_keys, y.match_keys
from pairs p join %[1]s x on x.id = p.a join %[1]s y on y.id = p.b`

// The pairs found replace those still open; what was decided stays decided.
const keepPairs = `
with found as (
	select * from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::text[]) as f (id, a, b, score, reasons)
), gone as (
	delete from duplicate_pairs d where d.entity = $1 and d.status = 'open'
		and not exists (select from found f where f.a = d.a_id and f.b = d.b_id)
)
insert into duplicate_pairs as d (id, entity, a_id, b_id, score, reasons)
select f.id, $1, f.a, f.b, f.score, f.reasons::jsonb from found f
on conflict (organization_id, entity, a_id, b_id) do update
	set score = excluded.score, reasons = excluded.reasons, updated_at = now()
	where d.status = 'open' and (d.score <> excluded.score or d.reasons <> excluded.reasons)`

// Find compares all entities of a kind that the caller sees and keeps the pairs that may be one. It returns how many
// those are. Its work is one statement and grows with the number of entities.
func Find(ctx context.Context, tx pgx.Tx, k crm.Kind) (int, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(candidates, crm.TableOf(k)), block)
	if err != nil {
		return 0, fmt.Errorf("find duplicates of %s: %w", k, err)
	}
	var ids, as, bs []uuid.UUID
	var scores []int32
	var reasons []string
	var a, b uuid.UUID
	var of, with match.Keys
	_, err = pgx.ForEachRow(rows, []any{&a, &b, &of, &with}, func() error {
		result := match.Compare(of, with)
		if result.Class() == match.Distinct {
			return nil
		}
		why, err := json.Marshal(result.Reasons)
		if err != nil {
			return err
		}
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		ids, as, bs = append(ids, id), append(as, a), append(bs, b)
		scores, reasons = append(scores, int32(result.Score)), append(reasons, string(why)) //nolint:gosec // some hundreds
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find duplicates of %s: %w", k, err)
	}
	if _, err := tx.Exec(ctx, keepPairs, k, ids, as, bs, scores, reasons); err != nil {
		return 0, fmt.Errorf("keep %d duplicates of %s: %w", len(ids), k, err)
	}
	return len(ids), nil
}

const columns = "d.id, d.entity, d.a_id, d.b_id, d.score, d.reasons, d.status, d.created_at, d.updated_at, d.updated_by"

// Filter narrows a list of pairs; zero fields do not.
type Filter struct {
	Kind   crm.Kind
	Status Status
	Entity uuid.UUID // one of the two
	After  string    // Next of the page before
	Limit  int       // 0: 50; at most 500
}

const listPairs = `
select ` + columns + ` from duplicate_pairs d
where ($1 = '' or d.entity = $1) and ($2 = '' or d.status = $2) and ($3::uuid is null or $3 in (d.a_id, d.b_id))
	and ($4::uuid is null or (d.score, d.id) < (select p.score, p.id from duplicate_pairs p where p.id = $4))
order by d.score desc, d.id desc
limit $5`

// List returns pairs, the surest first.
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Pair], err error) {
	after, err := postgres.PlaceID(f.After)
	if err != nil {
		return p, err
	}
	return postgres.List(ctx, tx, "list duplicates", pgx.RowToStructByPos[Pair], f.Limit, func(p Pair) string { return p.ID.String() },
		listPairs, f.Kind, f.Status, postgres.OrNull(f.Entity), after)
}

// Dismiss says that the two are two. They stay so when pairs are found anew.
func Dismiss(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Pair, error) {
	rows, err := tx.Query(ctx, `update duplicate_pairs d set status = 'dismissed', updated_at = now(), updated_by = crmhub_actor()
		where d.id = $1 and d.status <> 'merged' returning `+columns, id)
	if err != nil {
		return Pair{}, fmt.Errorf("dismiss duplicate %s: %w", id, err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Pair])
	if err != nil {
		return Pair{}, fmt.Errorf("dismiss duplicate %s: %w", id, notFound(err))
	}
	return p, nil
}

func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
