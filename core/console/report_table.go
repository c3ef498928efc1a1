package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/report"
)

// reportTable is a report's numbers, or the records behind one.
type reportTable struct {
	Columns   []reportColumn
	Rows      [][]cell
	Totals    [][]cell
	Currency  string // of all amounts; "" if each says its own, or there is none
	Truncated bool   // there are more rows

	columns []report.Column // those shown
}

type reportColumn struct{ Label, Class string }

// reportTable writes a result as people read it. Each number that has records behind it leads to them.
func (v *visit) reportTable(ctx context.Context, tx pgx.Tx, r report.Report, result report.Result) (*reportTable, error) {
	t := &reportTable{Truncated: result.Truncated}
	for _, c := range result.Columns {
		if c.Name != "label" && c.Name != "currency" { // the key has its label, an amount its currency
			t.add(v, c)
		}
	}
	t.Currency = onlyCurrency(append(slices.Clone(result.Totals), result.Rows...), t.columns)
	n, err := v.reportNames(ctx, tx, t.columns, result.Rows)
	if err != nil {
		return nil, err
	}
	// A row a currency has only that currency's records behind it, if the report can be asked for one.
	narrows := slices.ContainsFunc(r.Parameters, func(p report.Parameter) bool { return p.Name == "currency" })
	several := len(result.Totals) != 1 // where nobody asked, there may be
	link := func(c report.Column, row report.Row, total bool) string {
		if c.Name == "key" || c.Derived || c.Type == report.TypeReasons || several && total && !narrows {
			return ""
		}
		more := url.Values{"measure": {c.Name}}
		if !total && t.columns[0].Name == "key" {
			key, _ := row["key"].(string)
			more.Set("key", key)
		}
		if currency, _ := row["currency"].(string); several && narrows {
			more.Set("currency", currency)
		}
		given := maps.Clone(result.Parameters)
		delete(given, "limit")
		return addressOf(reportPath(r.Name)+"/rows", given, more)
	}
	write := func(row report.Row, total bool) []cell {
		cells := make([]cell, len(t.columns))
		for i, c := range t.columns {
			switch {
			case c.Name == "key" && total:
				cells[i] = cell{Text: v.say("report.total")}
			case c.Name == "key":
				cells[i] = v.keyCell(c, row, result.Labels, n)
			default:
				cells[i] = v.figure(c, row, t.Currency, result.Labels)
				if row[c.Name] != nil {
					cells[i].Link = link(c, row, total)
				}
			}
		}
		return cells
	}
	for _, row := range result.Rows {
		t.Rows = append(t.Rows, write(row, false))
	}
	if first := t.columns[0]; first.Name == "key" && first.Of != "figure" { // unlike figures do not add up
		for _, row := range result.Totals {
			t.Totals = append(t.Totals, write(row, true))
		}
	}
	return t, nil
}

// add shows a column.
func (t *reportTable) add(v *visit, c report.Column) {
	class := ""
	if numeric(c) {
		class = "num"
	}
	t.columns = append(t.columns, c)
	t.Columns = append(t.Columns, reportColumn{v.wordsOf(c.Title), class})
}

func numeric(c report.Column) bool {
	return slices.Contains([]report.Type{report.TypeInteger, report.TypeDecimal, report.TypePercent, report.TypeAmount}, c.Type)
}

// onlyCurrency is the currency of all amounts, "" if there are several or none.
func onlyCurrency(rows []report.Row, columns []report.Column) string {
	if !slices.ContainsFunc(columns, func(c report.Column) bool { return c.Type == report.TypeAmount }) {
		return ""
	}
	only := ""
	for _, row := range rows {
		currency, _ := row["currency"].(string)
		if only != "" && currency != only {
			return ""
		}
		only = currency
	}
	return only
}

// reportNames reads what the ids in the rows of a report are called, as far as the visitor may know.
func (v *visit) reportNames(ctx context.Context, tx pgx.Tx, columns []report.Column, rows []report.Row) (*names, error) {
	var fields []field
	for _, c := range columns {
		if k := referredBy(c); k != "" {
			fields = append(fields, field{Field: crm.Field{Name: c.Name, Type: "id", Refers: k}})
		}
	}
	docs := make([]map[string]any, len(rows))
	for i, row := range rows {
		docs[i] = row
	}
	return v.name(ctx, tx, fields, docs...)
}

// referredBy is the kind that the ids of a column refer to; "" if they refer to nothing that has pages.
func referredBy(c report.Column) crm.Kind {
	switch {
	case c.Type != report.TypeID:
		return ""
	case c.Name == "key":
		return refersTo(c.Of)
	default:
		return refersTo(c.Name)
	}
}

// keyCell is what a row is about.
func (v *visit) keyCell(c report.Column, row report.Row, labels map[string]report.Text, n *names) cell {
	key, _ := row["key"].(string)
	label, _ := row["label"].(string)
	if key == "" {
		return cell{Text: v.say("report.without")}
	}
	if c.Type != report.TypeID {
		if label != "" {
			return cell{Text: label}
		}
		c.Name = c.Of
		return v.figure(c, report.Row{c.Of: key}, "", labels)
	}
	k := referredBy(c)
	if title, link := n.of(field{Field: crm.Field{Refers: k}}, key); title != "" {
		return cell{Text: title, Link: link}
	}
	if k != "" && k != user && (v.who.May(access.Resource(k), access.Read) == "" || v.who.Hides(access.Resource(k), crm.TitleField(k))) || label == "" {
		label = key[:8]
	}
	return cell{Text: label}
}

// figure writes the value of a column. Amounts say their currency unless all have the same.
func (v *visit) figure(c report.Column, row report.Row, only string, labels map[string]report.Text) cell {
	shown := cell{Numeric: numeric(c)}
	switch value := row[c.Name].(type) {
	case nil:
		shown.Text = "–"
	case int64:
		shown.Text = group(strconv.FormatInt(value, 10))
	case json.RawMessage:
		shown.Texts = v.reasons(value, labels)
	case string:
		shown.Text = v.figureText(c, value, row, only, labels)
	default:
		shown.Text = fmt.Sprint(value)
	}
	return shown
}

func (v *visit) figureText(c report.Column, s string, row report.Row, only string, labels map[string]report.Text) string {
	switch c.Type {
	case report.TypeAmount:
		d, err := decimal.NewFromString(s)
		currency, _ := row["currency"].(string)
		switch {
		case err != nil:
			return s
		case only != "":
			return formatPrice(d, only)
		default:
			return formatAmount(d, currency)
		}
	case report.TypeDecimal:
		return group(s)
	case report.TypePercent:
		if d, err := decimal.NewFromString(s); err == nil {
			s = d.StringFixed(2) // one below the other they compare
		}
		return group(s) + "%"
	case report.TypeMonth:
		if at, err := time.Parse("2006-01", s); err == nil && v.lang == "en" {
			return at.Format("Jan 2006")
		}
	case report.TypeDate:
		if d, err := crm.ParseDate(s); err == nil {
			s, _ = formatDate(v.lang, d)
		}
	default:
		if t, ok := labels[s]; ok {
			return v.wordsOf(t)
		}
		kind, _ := row["kind"].(string)
		return v.word(field{Field: crm.Field{Name: c.Name}, vocabulary: kind + "." + c.Name}, s)
	}
	return s
}

// reasons are what a score is made of.
func (v *visit) reasons(raw json.RawMessage, labels map[string]report.Text) []string {
	var all []struct {
		Reason string `json:"reason"`
		Points int    `json:"points"`
	}
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var texts []string
	for _, one := range all {
		name := one.Reason
		if t, ok := labels[name]; ok {
			name = v.wordsOf(t)
		}
		texts = append(texts, fmt.Sprintf("%s +%d", name, one.Points))
	}
	return texts
}
