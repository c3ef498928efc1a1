package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/money"
)

// Store answers reports and keeps targets, inside the caller's transaction. Its zero value is ready for use.
type Store struct {
	// Now tells what time it is, and thereby what today is where a parameter was left out; nil is the clock.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Result is a report's answer.
type Result struct {
	Report       string          `json:"report"`
	Title        Text            `json:"title"`
	Definition   Text            `json:"definition"`
	Parameters   Parameters      `json:"parameters"` // as they count, with those left out filled in
	BaseCurrency string          `json:"base_currency"`
	Columns      []Column        `json:"columns"`
	Labels       map[string]Text `json:"labels,omitempty"` // what the keys of the rows mean, where they are codes
	Rows         []Row           `json:"rows"`
	Totals       []Row           `json:"totals"`    // over all groups, shown or not: one for each currency
	Truncated    bool            `json:"truncated"` // there are more rows than the limit
}

// Row is a row of a result: values by the names of the columns.
type Row map[string]any

// Run answers a report. What is wrong with the parameters is [schema.Violations].
func (s *Store) Run(ctx context.Context, tx pgx.Tx, r Report, given Parameters) (Result, error) {
	return s.run(ctx, tx, r, given, facts.numbers)
}

// Leading answers a report as [Store.Run] does, without its totals: for who asked for these by other keys.
func (s *Store) Leading(ctx context.Context, tx pgx.Tx, r Report, given Parameters) (Result, error) {
	return s.run(ctx, tx, r, given, facts.leading)
}

func (s *Store) run(ctx context.Context, tx pgx.Tx, r Report, given Parameters, statement func(facts) string) (Result, error) {
	a, err := s.prepare(ctx, tx, r, given)
	if err != nil {
		return Result{}, err
	}
	return s.answer(ctx, tx, r, a, statement)
}

func (s *Store) answer(ctx context.Context, tx pgx.Tx, r Report, a arguments, statement func(facts) string) (Result, error) {
	f := factsFor(r, a)
	result := Result{
		Report: r.Name, Title: r.Title, Definition: r.Definition, Parameters: a.shown, BaseCurrency: a.base(),
		Columns: f.columns(), Labels: f.labels, Rows: []Row{}, Totals: []Row{},
	}
	rows, err := tx.Query(ctx, statement(f), a.named)
	if err != nil {
		return Result{}, fmt.Errorf("report %s: %w", r.Name, err)
	}
	found, err := pgx.CollectRows(rows, scanRow(append([]Column{isTotal}, result.Columns...)))
	if err != nil {
		return Result{}, fmt.Errorf("report %s: %w", r.Name, err)
	}
	limit, _ := a.named["limit"].(int)
	for _, row := range found {
		total := row[isTotal.Name] == "true"
		delete(row, isTotal.Name)
		switch {
		case total:
			delete(row, "key")
			delete(row, "label")
			delete(row, "reasons")
			result.Totals = append(result.Totals, row)
		case limit > 0 && len(result.Rows) == limit:
			result.Truncated = true
		default:
			result.Rows = append(result.Rows, row)
		}
	}
	return result, nil
}

// factsFor are those of a report for its arguments.
func factsFor(r Report, a arguments) facts {
	f := r.facts(a.by)
	for _, end := range []string{"as_of", "to"} {
		if day, ok := a.named[end].(crm.Date); ok && f.ranked+f.daily != "" && day.Before(a.today()) {
			f.ranked, f.daily, f.settings = "", "", "" // many have paid since, who would be gathered for each sum anew
		}
	}
	return f
}

// prepare reads the parameters and sets the transaction up for a statement that reads much.
func (s *Store) prepare(ctx context.Context, tx pgx.Tx, r Report, given Parameters) (arguments, error) {
	var base string
	var today time.Time
	if err := tx.QueryRow(ctx, `select base_currency, ($1::timestamptz at time zone `+zone+`)::date, `+settings+` from organizations`, s.now()).Scan(&base, &today, nil); err != nil {
		return arguments{}, fmt.Errorf("report %s: base currency: %w", r.Name, err)
	}
	a, err := r.read(given, crm.DateOf(today))
	if err != nil {
		return a, err
	}
	if further := factsFor(r, a).settings; further != "" {
		if _, err := tx.Exec(ctx, `select `+further); err != nil {
			return a, fmt.Errorf("report %s: settings: %w", r.Name, err)
		}
	}
	digits, err := money.Digits(base)
	if err != nil {
		return a, fmt.Errorf("report %s: base currency: %w", r.Name, err)
	}
	a.named["base"], a.named["digits"] = base, digits
	if face, _ := a.named["per_currency"].(bool); face {
		a.named["digits"] = documentDigits
	}
	return a, nil
}

// zone is where the organization's days begin and end. It is the transaction's, so that every day and month in the texts goes by it.
const zone = crm.Zone

// settings are those of a transaction that reads much: the zone, a plan for the parameters at hand, memory for a hash of a million
// customers, and what a row from a worker costs in truth. An index that holds all that is asked for is read at the price of a
// table, and a table at twice that: of each of its rows the policy's organization is asked anew.
const settings = `set_config('TimeZone', ` + zone + `, true) || set_config('plan_cache_mode', 'force_custom_plan', true) || set_config('work_mem', '128MB', true) || set_config('parallel_tuple_cost', '0.02', true)
	|| set_config('random_page_cost', '1.1', true) || set_config('seq_page_cost', '2', true)`

// What the facts of some reports set besides.
const (
	// merged: all that is joined comes in the order of an index. The server would hash it, as it does not know how many customers a group by customer gives.
	merged = `set_config('enable_hashjoin', 'off', true)`
	// alone: a worker would take longer to start than it spares.
	alone = `set_config('max_parallel_workers_per_gather', '0', true)`
)

// documentDigits is how many decimals the amounts of documents are stored with.
const documentDigits = 4

func (a arguments) today() crm.Date {
	today, _ := a.named["today"].(crm.Date)
	return today
}

func (a arguments) base() string {
	base, _ := a.named["base"].(string)
	return base
}

// numbers is the statement that sums the facts up: by key and currency, and these sums, or what is as much, again by currency alone.
func (f facts) numbers() string {
	var total selection
	if f.key != nil {
		total.add("null")
		if f.label != "" {
			total.add("null")
		}
	}
	f.figures(&total)
	if f.reasons != nil {
		total.add("null")
	}
	totals := "grouped"
	if f.ranked != "" {
		totals = "(" + f.totals + ") parts"
	}
	return f.leading() + `
union all
(select 'true'` + total.sql + `
from (select currency` + f.sum() + ` from ` + totals + ` group by currency) g
order by currency)`
}

// leading is the statement of what comes first. The inner sum is the one that reads much, and the server shares it among its workers.
func (f facts) leading() string {
	key, order := "null::text", "currency"
	var row selection
	if f.key != nil {
		key, order = "key", f.order+", key nulls last, currency"
		row.add("g.key::text")
		if f.label != "" {
			row.add(f.label)
		}
	}
	f.figures(&row)
	packed := ""
	if f.reasons != nil {
		packed = packedScore
		row.add(f.unpacked())
	}
	summed := f.sql
	if f.daily != "" {
		summed = f.daily
	}
	ranked, grouped := "", f.sums
	if grouped == "" {
		grouped = `
	select ` + key + ` as key, currency` + f.sum() + packed + `
	from (` + summed + `
	) facts group by 1, 2`
	}
	if f.ranked != "" {
		ranked = f.ranked + ", "
		grouped = `
	select key, currency` + f.sum() + `
	from (` + f.sql + `
	) facts where key = any (array(select key from ranked)) group by 1, 2`
	}
	return `
with ` + ranked + `grouped as materialized (` + grouped + `
)
(select 'false'` + row.sql + `
from (select * from grouped order by ` + order + ` limit @limit::bigint + 1) g
order by ` + order + `)`
}

// figures adds what a row or total of g comes to.
func (f facts) figures(s *selection) {
	s.add("g.currency")
	for _, m := range f.measures {
		s.add("g." + m.Name + "::text")
	}
	for _, d := range f.derived {
		s.add("(" + d.sql + ")::text")
	}
}

// sum adds each measure up.
func (f facts) sum() string {
	var sums strings.Builder
	for _, m := range f.measures {
		sums.WriteString(", sum(" + m.Name + ") as " + m.Name)
	}
	return sums.String()
}

// selection is a list of expressions to select, with names that hide none of what is sorted by: sorted by the text
// of an amount, 9 would come before 10.
type selection struct {
	sql string
	n   int
}

func (s *selection) add(expression string) {
	s.n++
	s.sql += ", " + expression + " as shown_" + strconv.Itoa(s.n)
}

// packedScore holds the points of each reason, below 128 each, in one number: to make a list of them for everybody, when a
// hundred are shown, would take longer than all the rest.
const packedScore = `, sum(score::bigint << (7 * (seq - 1)))::bigint as packed`

// unpacked is the list, of the row g.
func (f facts) unpacked() string {
	names := make([]string, len(f.reasons))
	for i, name := range f.reasons {
		names[i] = fmt.Sprintf("(%d, '%s')", i+1, name)
	}
	return `(select json_agg(json_build_object('reason', r.name, 'points', (g.packed >> (7 * (r.seq - 1))) & 127) order by r.seq)
	from (values ` + strings.Join(names, ", ") + `) r (seq, name) where (g.packed >> (7 * (r.seq - 1))) & 127 > 0)::text`
}

// Columns for the package's own use, whose names no report can have.
var (
	isTotal = Column{Name: "(total)", Type: TypeText} //nolint:gochecknoglobals // a constant
	place   = Column{Name: "(place)", Type: TypeText} //nolint:gochecknoglobals // a constant
)

// scanRow reads rows whose columns all come as text.
func scanRow(columns []Column) pgx.RowToFunc[Row] {
	return func(row pgx.CollectableRow) (Row, error) {
		texts := make([]*string, len(columns))
		to := make([]any, len(columns))
		for i := range texts {
			to[i] = &texts[i]
		}
		if err := row.Scan(to...); err != nil {
			return nil, err
		}
		out := make(Row, len(columns))
		for i, c := range columns {
			value, err := c.value(texts[i])
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.Name, err)
			}
			out[c.Name] = value
		}
		return out, nil
	}
}

var errValue = errors.New("is not of the column's type")

func (c Column) value(s *string) (any, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // null is a value of each column
	}
	switch c.Type {
	case TypeInteger:
		return strconv.ParseInt(*s, 10, 64)
	case TypeAmount, TypeDecimal, TypePercent:
		d, err := decimal.NewFromString(*s)
		return d.String(), err
	case TypeMonth:
		if len(*s) < len("2006-01") {
			return nil, errValue
		}
		return (*s)[:len("2006-01")], nil
	case TypeReasons:
		return json.RawMessage(*s), nil
	default:
		return *s, nil
	}
}
