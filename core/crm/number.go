package crm

import (
	"context"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"
)

// giveNumbers fills empty codes and numbers: C-000001, SO-2026-000001. Numbers grow within an organization and year,
// with gaps where a transaction failed. Writers without numbers wait for each other here, until they commit.
func (w *writing) giveNumbers(ctx context.Context, tx pgx.Tx) error {
	if w.table.key == "" {
		return nil
	}
	var key field
	for _, c := range w.table.columns {
		if c.name == w.table.key {
			key = c
		}
	}
	empty := make(map[string][]reflect.Value) // by prefix
	for _, e := range w.batch {
		if v := reflect.ValueOf(e).Elem().FieldByIndex(key.index); v.Len() == 0 {
			p := w.table.prefix + "-"
			if w.table.yearly {
				year, err := w.year(ctx, tx, e)
				if err != nil {
					return err
				}
				p += fmt.Sprintf("%04d-", year)
			}
			empty[p] = append(empty[p], v)
		}
	}
	for prefix, fields := range empty {
		for len(fields) > 0 {
			free, err := w.table.nextNumbers(ctx, tx, prefix, len(fields))
			if err != nil {
				return fmt.Errorf("number %d as %s…: %w", len(fields), prefix, err)
			}
			for i, number := range free {
				fields[i].SetString(number)
			}
			fields = fields[len(free):]
		}
	}
	return nil
}

// year is the year a document's number shows: that of its date, or the organization's.
func (w *writing) year(ctx context.Context, tx pgx.Tx, e Entity) (int, error) {
	switch e := e.(type) {
	case *Order:
		return e.Date.Time().Year(), nil
	case *Payment:
		return e.Date.Time().Year(), nil
	case *Invoice:
		if e.IssueDate != nil {
			return e.IssueDate.Time().Year(), nil
		}
	}
	if w.facts.zone == nil { // once a batch
		zone, err := location(ctx, tx)
		if err != nil {
			return 0, err
		}
		w.facts.zone = zone
	}
	return w.at.In(w.facts.zone).Year(), nil
}

// The lateral query's limit keeps the planner from comparing with all numbers there are.
const takeNumbers = `
with taken as (
	insert into number_sequences as s (prefix, taken) values ($1, $2)
	on conflict (organization_id, prefix) do update set taken = s.taken + excluded.taken
	returning taken
)
select c.number
from (
	select i, $1 || case when i < 1000000 then lpad(i::text, 6, '0') else i::text end as number
	from taken t cross join lateral generate_series(t.taken - $2 + 1, t.taken) i
) c
left join lateral (select true as taken from %[1]s where %[2]s = c.number and deleted_at is null limit 1) chosen on true
where chosen.taken is null
order by c.i`

// nextNumbers takes n numbers and returns those of them that nobody has chosen by hand before.
func (t table) nextNumbers(ctx context.Context, tx pgx.Tx, prefix string, n int) ([]string, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(takeNumbers, t.name, t.key), prefix, int64(n))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
