package report

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// Behind asks for the records behind a number of a report.
type Behind struct {
	Measure string  // the column; the report's first measure if empty
	Key     *string // the row, by its key; "" is the row without one, nil all rows
	After   string  // Page.Next of the page before
	Limit   int     // 50 if 0, at most 1000
}

// Page is a part of the records behind a number. What they contribute stands in the column of the measure, and adds up to the number.
type Page struct {
	Columns []Column        `json:"columns"`
	Items   []Row           `json:"items"`
	Labels  map[string]Text `json:"-"` // as of a result
	Next    string          `json:"-"` // for Behind.After; "" on the last page
}

const (
	defaultLimit = 50
	maxLimit     = 1000
)

// Rows returns the records behind a number: those of the report with the same parameters. For an amount per currency,
// give the currency as a parameter. What is wrong with the parameters is [schema.Violations].
func (s *Store) Rows(ctx context.Context, tx pgx.Tx, r Report, given Parameters, b Behind) (Page, error) {
	a, err := s.prepare(ctx, tx, r, given)
	if err != nil {
		return Page{}, err
	}
	f := r.facts(a.by)
	statement, err := f.behind(b, a.named)
	if err != nil {
		return Page{}, err
	}
	columns := f.recordColumns()
	rows, err := tx.Query(ctx, statement, a.named)
	if err != nil {
		return Page{}, fmt.Errorf("rows of report %s: %w", r.Name, err)
	}
	found, err := pgx.CollectRows(rows, scanRow(append(slices.Clip(columns), place)))
	if err != nil {
		return Page{}, fmt.Errorf("rows of report %s: %w", r.Name, err)
	}
	page := Page{Columns: columns, Items: found, Labels: f.labels}
	if limit := limitOf(b.Limit); len(found) > limit {
		page.Items = found[:limit]
		last, _ := found[limit-1][place.Name].(string)
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	for _, row := range page.Items {
		delete(row, place.Name)
	}
	return page, nil
}

func limitOf(n int) int {
	if n <= 0 {
		return defaultLimit
	}
	return min(n, maxLimit)
}

// behind is the statement for a page of the facts behind a number: newest records first.
func (f facts) behind(b Behind, named pgx.NamedArgs) (string, error) {
	var faults schema.Violations
	fault := func(pointer, rule, message string) {
		faults = append(faults, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	measure := f.measures[0].Name
	if b.Measure != "" {
		measure = b.Measure
		if names := f.measureNames(); !slices.Contains(names, measure) {
			fault("/measure", "enum", "must be one of "+strings.Join(names, ", "))
		}
	}
	where := measure + " is not null"
	if b.Key != nil {
		condition, ok := f.keyIs(*b.Key, named)
		if !ok {
			fault("/key", "format", "must be the key of a row")
		}
		where += " and " + condition
	}
	if b.After != "" {
		condition, ok := after(b.After, named)
		if !ok {
			fault("/after", "cursor", "must be what a page gave as next")
		}
		where += " and " + condition
	}
	if len(faults) > 0 {
		return "", faults
	}
	var shown strings.Builder
	for _, c := range append(slices.Clip(f.measures), f.record...) {
		shown.WriteString(", " + c.Name + "::text")
	}
	// The key is part of the place: a record can count in several rows, such as an order in two targets.
	return `
select kind, id::text, key::text, currency` + shown.String() + `,
	json_build_array(id, seq, coalesce(key::text, ''))::text
from (` + f.sql + `
) f
where ` + where + `
order by id desc, seq desc, coalesce(key::text, '') desc
limit ` + strconv.Itoa(limitOf(b.Limit)+1), nil
}

func (f facts) measureNames() []string {
	names := make([]string, len(f.measures))
	for i, m := range f.measures {
		names[i] = m.Name
	}
	return names
}

// keyIs is the condition that a fact counts in the row of this key.
func (f facts) keyIs(key string, named pgx.NamedArgs) (string, bool) {
	if f.key == nil {
		return "true", key == ""
	}
	if key == "" {
		return "key is null", true
	}
	named["key"] = key
	switch f.key.Type {
	case TypeID:
		_, err := uuid.Parse(key)
		return "key = @key::text::uuid", err == nil && len(key) == 36
	case TypeDate:
		_, err := time.Parse(time.DateOnly, key)
		return "key = @key::text::date", err == nil
	case TypeMonth:
		_, err := time.Parse("2006-01", key)
		named["key"] = key + "-01"
		return "key = @key::text::date", err == nil
	default:
		return "key = @key::text", !strings.ContainsRune(key, 0)
	}
}

// after is the condition that a fact comes behind a cursor. It is opaque, not secret: whoever makes one up gets rows
// he may see anyway.
func after(cursor string, named pgx.NamedArgs) (string, bool) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", false
	}
	var at []json.RawMessage
	var id uuid.UUID
	var seq int32
	var key string
	if json.Unmarshal(text, &at) != nil || len(at) != 3 ||
		json.Unmarshal(at[0], &id) != nil || json.Unmarshal(at[1], &seq) != nil || json.Unmarshal(at[2], &key) != nil || strings.ContainsRune(key, 0) {
		return "", false
	}
	named["after_id"], named["after_seq"], named["after_key"] = id, seq, key
	return "(id, seq, coalesce(key::text, '')) < (@after_id::uuid, @after_seq::integer, @after_key::text)", true
}
