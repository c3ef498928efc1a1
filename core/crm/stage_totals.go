package crm

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// StageTotal is what the opportunities of a stage in one currency add up to.
type StageTotal struct {
	Stage    string
	Currency string
	Count    int64
	Amount   decimal.Decimal
}

// What is open is added up in the order of its own index (migration 0045), by itself, as what was closed has no such order.
const (
	openTotals = `
select stage, currency, count(*), sum(amount) as amount from opportunities
where pipeline_id = $1 and deleted_at is null and status = 'open' and ($2::uuid[] is null or owner_id = any($2))
group by stage, currency`
	stageTotals = `
select stage, currency, sum(count)::bigint, sum(amount) from (` + openTotals + `
union all
select stage, currency, count(*), sum(amount) from opportunities
where pipeline_id = $1 and deleted_at is null and status <> 'open' and closed_at >= $3
	and ($2::uuid[] is null or owner_id = any($2))
group by stage, currency
) o
group by stage, currency`
)

// StageTotals adds up the opportunities of a pipeline by stage and currency: those open, and those closed since then. Owners narrows them to
// their rows; nil is everybody's.
func (s *Store) StageTotals(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID, owners []uuid.UUID, since time.Time) ([]StageTotal, error) {
	return s.addUp(ctx, tx, stageTotals, pipeline, owners, since)
}

// OpenTotals is StageTotals of what is open.
func (s *Store) OpenTotals(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID, owners []uuid.UUID) ([]StageTotal, error) {
	return s.addUp(ctx, tx, openTotals, pipeline, owners)
}

func (s *Store) addUp(ctx context.Context, tx pgx.Tx, sql string, pipeline uuid.UUID, more ...any) ([]StageTotal, error) {
	rows, err := tx.Query(ctx, sql+" order by stage, currency", append([]any{pipeline}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("add up the stages of pipeline %s: %w", pipeline, err)
	}
	sums, err := pgx.CollectRows(rows, pgx.RowToStructByPos[StageTotal])
	if err != nil {
		return nil, fmt.Errorf("add up the stages of pipeline %s: %w", pipeline, err)
	}
	return sums, nil
}
