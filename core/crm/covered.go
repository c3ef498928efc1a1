package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// covered reports whether the index of the list's order has all that its rows are chosen by (migration 0039).
func (l *listing) covered(filter []Condition) bool {
	by := l.sort[0].name
	if !slices.Contains(QuickSorts(l.kind), by) || l.sort[1].name != "id" {
		return false
	}
	return !slices.ContainsFunc(filter, func(c Condition) bool {
		f, _ := l.table.column(c.Field)
		switch {
		case c.Field == by:
			return false
		case c.Field == "owner_id":
			return c.Op == OpNull // those of nobody have an index of their own
		case len(f.enum) > 0, f.typ == boolean:
			return !slices.Contains(QuickFilters(l.kind), c.Field)
		case f.typ == day, f.typ == instant, f.typ == number:
			return c.Field == "updated_at" || !slices.Contains(QuickSorts(l.kind), c.Field)
		}
		return true
	})
}

// ranges reports whether rows are chosen by a day, an instant or an amount that they are not in the order of. These tend to stand together in
// other orders, too, where the planner takes them for spread evenly.
func (l *listing) ranges(filter []Condition) bool {
	return slices.ContainsFunc(filter, func(c Condition) bool {
		f, _ := l.table.column(c.Field)
		return c.Field != l.sort[0].name && (f.typ == day || f.typ == instant || f.typ == number)
	})
}

// few is how many rows are sorted for a page rather than looked for along its order.
const few = 10_000

// shorter asks the planner how many rows a list has in all that may be few and far away, and returns the statement that sorts them if they are few.
func (l *listing) shorter(ctx context.Context, tx pgx.Tx, sql string) (string, error) {
	if l.rows == "" {
		return sql, nil
	}
	var explained string
	err := tx.QueryRow(ctx, "explain (format json) "+l.rows, l.planned()...).Scan(&explained)
	if err != nil {
		return "", fmt.Errorf("estimate %s: %w", l.table.name, err)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(explained), &plans); err != nil || len(plans) == 0 {
		return "", fmt.Errorf("estimate %s: read the plan: %w", l.table.name, err)
	}
	if plans[0].Plan.Rows <= few {
		return l.sorted, nil
	}
	return sql, nil
}
