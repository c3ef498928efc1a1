package crm

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/search"
)

// How far a text is looked for, in rows, whatever the kind holds: what costs is a row that is looked at.
const (
	glanced = 400    // of the newest are asked how frequent a text is
	deep    = 10_000 // of the newest are looked through for one that is frequent
	narrow  = 4000   // that have a rare text are compared to find the best, or looked up for a list
	far     = 20_000 // that have it are looked at for the newest of them
	shared  = 20     // of each owner at least
)

// newest is the statement that reads of the newest rows of the kind, as many as depth, those of the owners where there are any: then as
// many of each, along the index of owners. None of them is deleted.
func (l *listing) newest(columns string, depth int) string {
	sql := func(owner string, depth int) string {
		return "select " + columns + " from " + l.table.name + " where deleted_at is null" + owner + " order by updated_at desc, id desc limit " + strconv.Itoa(depth)
	}
	switch n := len(l.owners); {
	case l.owners == nil:
		return sql("", depth)
	case n == 1:
		return sql(" and owner_id = "+l.arg(l.owners[0]), depth)
	default:
		return "select p.* from unnest(" + l.arg(l.owners) + "::uuid[]) o (owner) cross join lateral (" + sql(" and owner_id = o.owner", l.each(depth)) + ") p"
	}
}

// each is how many of depth rows are of one owner.
func (l *listing) each(depth int) int {
	if len(l.owners) < 2 {
		return depth
	}
	return max(depth/len(l.owners), shared)
}

// sight is what the newest rows say of a text.
type sight struct {
	rows  int
	hits  int            // of these have the text
	of    map[string]int // of these have a term of it
	whole bool           // there are no other rows
}

// frequent reports whether looking through the newest is the shorter way to a page of hits.
func (s sight) frequent() bool { return s.whole || s.hits*200 >= s.rows }

// depth is how many of the newest hold so many hits, if they are spread evenly.
func (s sight) depth(hits int) int {
	if s.whole || s.hits >= hits {
		return glanced
	}
	return min(glanced*(hits+hits/2)/max(s.hits, 1), deep)
}

// glance asks the newest rows how frequent the text is. Statistics of the server would say it without reading a row, but neither for one
// organization among many, nor for an owner's rows, nor for the beginnings of numbers.
func (l *listing) glance(ctx context.Context, tx pgx.Tx) (sight, error) {
	terms := l.text.Terms()
	count := func(q string) string { return "count(*) filter (where search @@ " + l.arg(q) + "::text::tsquery)" }
	counts := []string{"count(*)", count(l.text.TSQuery())}
	for _, t := range terms {
		counts = append(counts, count(t))
	}
	var rows, hits int
	of := make([]int, len(terms))
	to := []any{&rows, &hits}
	for i := range of {
		to = append(to, &of[i])
	}
	sql := "select " + strings.Join(counts, ", ") + " from (" + l.newest("search", glanced) + ") n"
	err := tx.QueryRow(ctx, sql, l.planned()...).Scan(to...)
	l.args = nil
	if err != nil {
		return sight{}, fmt.Errorf("look at the newest of %s: %w", l.table.name, err)
	}
	// Of several owners each may have more than were looked at as soon as one could have.
	s := sight{rows: rows, hits: hits, of: map[string]int{}, whole: rows < l.each(glanced)}
	for i, t := range terms {
		s.of[t] = of[i]
	}
	return s, nil
}

// lookUp asks the index for rows that have the text, the newest first: as many as narrow of the first rows that it has, or of all where those are
// too few to be enough of the owners'. Whole is false where there may be others.
func (l *listing) lookUp(ctx context.Context, tx pgx.Tx, seen sight, enough int) (whole bool, err error) {
	frequent := func(term string) bool { return seen.of[term]*20 > seen.rows }
	looked := l.text.TSQuery()
	for _, t := range l.text.Terms() {
		if !frequent(t) {
			// What begins so is collected by the index row by row before it is compared with what is rare. A frequent token costs
			// nothing beside a rare one.
			looked = l.text.Wider(func(term string) bool { return search.IsBeginning(term) && frequent(term) })
			break
		}
	}
	find := func(far any) error {
		err := tx.QueryRow(ctx, "select ids, whole from crmhub_find($1, $2::text::tsquery, $3::text::tsquery, $4, $5, $6)",
			l.table.name, looked, l.text.TSQuery(), l.owners, narrow, far).Scan(&l.ids, &whole)
		if err != nil {
			return fmt.Errorf("look for a text in %s: %w", l.table.name, err)
		}
		return nil
	}
	if err := find(far); err != nil || whole || l.owners == nil || len(l.ids) >= enough {
		return whole, err
	}
	err = find(nil)
	return whole, err
}

// having is the condition that a row has the text, answered by a list of all that have it: it is made once, and what is compared with it is an id, which the indexes of
// orders have. ("is true" keeps the planner from looking up each of the list instead.)
func (l *listing) having() string {
	return "(id in (select crmhub_having('" + l.table.name + "', " + l.asked + "))) is true"
}
