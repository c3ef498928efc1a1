package crm

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// covered reports whether the index of the list's order has all that its rows are chosen by (migrations 0039 and 0054).
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
			return !slices.Contains(quickFilters(l.kind), c.Field)
		case f.typ == day, f.typ == instant, f.typ == number:
			return !slices.Contains(QuickSorts(l.kind), c.Field)
		}
		return true
	})
}

// apart are the conditions on days, instants and amounts that the rows are not in the order of, and all others. Rows of such a
// range tend to stand together in other orders, too, where the planner takes them for spread evenly. ends tells where each
// condition of the filter ends in l.where.
func (l *listing) apart(filter []Condition, ends []int) (far, near []string) {
	begin := 0
	for i, c := range filter {
		f, _ := l.table.column(c.Field)
		if c.Field != l.sort[0].name && !l.owed(c) && (f.typ == day || f.typ == instant || f.typ == number) {
			far = append(far, l.where[begin:ends[i]]...)
		} else {
			near = append(near, l.where[begin:ends[i]]...)
		}
		begin = ends[i]
	}
	return far, append(near, l.where[begin:]...)
}

// owed reports whether a condition leaves what is still to be paid, of which there is an index in the order of the list
// (migration 0044): there its rows do stand at the beginning.
func (l *listing) owed(c Condition) bool {
	return l.kind == KindInvoice && l.sort[0].name == "due_date" && c.Field == "residual" && c.Op == OpGreater && c.Value == "0"
}

// walk finds the ids of a page among the first rows of the order that meet the near conditions. What is sorted by has a name of
// its own, by which the planner knows that the rows come in order: by an expression it would sort them all again.
func (l *listing) walk(near, far []string) string {
	var columns, names []string
	for _, s := range l.sort {
		name, direction := "by_"+s.name, ""
		if s.desc {
			direction = " desc"
		}
		if ranked(l.table, s.field) {
			names = append(names, rankOf(s.field)+direction, s.name+direction)
			continue
		}
		columns, names = append(columns, ", "+s.expression()+" as "+name), append(names, name+direction)
	}
	return "select id from (select *" + strings.Join(columns, "") + " from " + l.table.name + " where " + strings.Join(near, " and ") + l.by() +
		" limit $" + strconv.Itoa(len(l.args)+1) + "::bigint) r where " + strings.Join(far, " and ") +
		" order by " + strings.Join(names, ", ") + " limit " + strconv.Itoa(l.limit+1)
}

// few is how many rows are sorted for a page rather than looked for along its order.
const few = 10_000

// shortest finds a page by the way that is likely the shortest. Where its rows may be far away, the planner is asked how many
// rows there are in all. Few are sorted. Of many the page is looked for along the order, for about as long as it takes to sort
// them, and then they are sorted. Of a text that is scattered it is looked for among the first rows, too, and then all that
// have it are told by the index.
func (l *listing) shortest(ctx context.Context, tx pgx.Tx, sql string) ([]Entity, error) {
	if l.walked == "" {
		return l.table.query(ctx, tx, l.kind, sql, l.planned()...)
	}
	steps := float64(few)
	if l.rows != "" {
		all, err := l.estimate(ctx, tx)
		if err != nil {
			return nil, err
		}
		if all <= few {
			return l.table.query(ctx, tx, l.kind, l.sorted, l.planned()...)
		}
		steps = max(few, all/l.step)
	}
	found, err := l.table.query(ctx, tx, l.kind, l.walked, append(l.planned(), int64(steps))...)
	if err != nil || len(found) > l.limit {
		return found, err
	}
	return l.table.query(ctx, tx, l.kind, l.sorted, l.planned()...)
}

// estimate is how many rows the planner expects in all of the list.
func (l *listing) estimate(ctx context.Context, tx pgx.Tx) (float64, error) {
	var explained string
	err := tx.QueryRow(ctx, "explain (format json) "+l.rows, l.planned()...).Scan(&explained)
	if err != nil {
		return 0, fmt.Errorf("estimate %s: %w", l.table.name, err)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(explained), &plans); err != nil || len(plans) == 0 {
		return 0, fmt.Errorf("estimate %s: read the plan: %w", l.table.name, err)
	}
	return plans[0].Plan.Rows, nil
}
