package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/report"
	"crmhub/core/schema"
)

// reportRowsPage is the data of the page of the records behind a number.
type reportRowsPage struct {
	pager
	Title   string // of the report
	To      string // where that is, asked for the same
	Measure string
	About   []fact // which number it is
	Table   *reportTable
}

func (c *Console) showReportRows(ctx context.Context, v *visit) error {
	r, err := report.Find(v.r.PathValue("name"))
	if err != nil {
		return err
	}
	given := v.readParameters(r).given
	if refused := v.refusedBy(r.HiddenBy(given, v.blind)); refused != "" {
		return v.write(http.StatusForbidden, "report", reportPage{Name: r.Name, Title: v.wordsOf(r.Title), Definition: v.wordsOf(r.Definition), Refused: refused})
	}
	q := v.r.URL.Query()
	delete(given, "limit")
	behind := report.Behind{Measure: q.Get("measure"), After: q.Get("after"), Limit: pageSize}
	own := url.Values{"measure": {behind.Measure}}
	if q.Has("key") {
		key := q.Get("key")
		behind.Key = &key
		own.Set("key", key)
	}
	at := reportPath(r.Name) + "/rows"
	p := reportRowsPage{Title: v.wordsOf(r.Title), To: addressOf(reportPath(r.Name), given, nil)}
	err = v.as(ctx, func(tx pgx.Tx) error {
		page, err := c.reports.Rows(ctx, tx, r, given, behind)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(page.Columns, func(c report.Column) bool { return c.Name == behind.Measure })
		if i < 0 {
			return errAddress
		}
		p.Measure = v.wordsOf(page.Columns[i].Title)
		if p.Table, err = v.recordTable(ctx, tx, page, behind); err != nil {
			return err
		}
		p.pager = pagerOf(func(after string) string {
			to := maps.Clone(own)
			if after != "" {
				to.Set("after", after)
			}
			return addressOf(at, given, to)
		}, behind.After, page.Next)
		p.About, err = v.aboutNumber(ctx, tx, r, given, page, behind.Key)
		return err
	})
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		return errAddress
	}
	if err != nil {
		return err
	}
	return v.show("report-rows", p)
}

// recordTable lists records: what each is, what the report shows of it, and what it contributes to the number.
func (v *visit) recordTable(ctx context.Context, tx pgx.Tx, page report.Page, behind report.Behind) (*reportTable, error) {
	kinds := map[string]bool{}
	for _, row := range page.Items {
		kind, _ := row["kind"].(string)
		kinds[kind] = true
	}
	measure := slices.IndexFunc(page.Columns, func(c report.Column) bool { return c.Name == behind.Measure })
	t := &reportTable{}
	t.add(v, report.Column{Name: "id", Type: report.TypeText, Title: report.Text{En: v.say("report.record"), Zh: v.say("report.record")}})
	t.add(v, page.Columns[measure])
	key := slices.IndexFunc(page.Columns, func(c report.Column) bool { return c.Name == "key" })
	if behind.Key == nil && page.Columns[key].Of != "" {
		t.add(v, page.Columns[key])
	}
	for _, c := range page.Columns {
		if c.Record && !titles(c.Name, kinds) {
			t.add(v, c)
		}
	}
	t.Currency = onlyCurrency(page.Items, t.columns)
	rows := make([]report.Row, len(page.Items))
	columns := slices.Clone(t.columns)
	for kind := range kinds {
		columns = append(columns, report.Column{Name: kind, Type: report.TypeID})
	}
	for i, row := range page.Items { // by the name of its kind a record's id refers to it
		kind, _ := row["kind"].(string)
		rows[i] = maps.Clone(row)
		rows[i][kind] = row["id"]
	}
	n, err := v.reportNames(ctx, tx, columns, rows)
	if err != nil {
		return nil, err
	}
	for _, row := range page.Items {
		kind, _ := row["kind"].(string)
		cells := make([]cell, len(t.columns))
		for i, c := range t.columns {
			switch {
			case i == 0:
				cells[i] = v.recordCell(row, n)
			case c.Name == "key":
				cells[i] = v.keyCell(c, row, page.Labels, n)
			case c.Record && v.who.Hides(access.Resource(kind), c.Name):
				cells[i].Text = "–"
			case c.Type == report.TypeID:
				id, _ := row[c.Name].(string)
				cells[i].Text, cells[i].Link = n.of(field{Field: crm.Field{Refers: referredBy(c)}}, id)
			default:
				cells[i] = v.figure(c, row, t.Currency, page.Labels)
			}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t, nil
}

// titles reports whether a field is what records of all the kinds are called.
func titles(name string, kinds map[string]bool) bool {
	for kind := range kinds {
		if k, err := crm.ParseKind(kind); err != nil || crm.TitleField(k) != name {
			return false
		}
	}
	return true
}

// recordCell is a record as a link to it.
func (v *visit) recordCell(row report.Row, n *names) cell {
	kind, _ := row["kind"].(string)
	id, _ := row["id"].(string)
	k, err := crm.ParseKind(kind)
	if err != nil {
		return cell{Text: v.say("report.target")} // the only thing that counts and is no entity
	}
	if title, link := n.of(field{Field: crm.Field{Refers: k}}, id); title != "" {
		return cell{Text: title, Link: link}
	}
	c := cell{Text: v.say("state.entity." + kind)}
	if v.who.May(access.Resource(k), access.Read) != "" {
		c.Link = pathOf(k) + "/" + id
	}
	return c
}

// aboutNumber says which number it is: of which row, and what the report was asked for.
func (v *visit) aboutNumber(ctx context.Context, tx pgx.Tx, r report.Report, given report.Parameters, page report.Page, key *string) ([]fact, error) {
	var about []fact
	i := slices.IndexFunc(page.Columns, func(c report.Column) bool { return c.Name == "key" })
	if c := page.Columns[i]; key != nil && c.Of != "" {
		row := report.Row{"key": *key}
		n, err := v.reportNames(ctx, tx, []report.Column{c}, []report.Row{row})
		if err != nil {
			return nil, err
		}
		label := v.wordsOf(c.Title)
		if word, ok := v.words()["report.choice.by."+c.Of]; ok {
			label = word
		}
		about = append(about, fact{label, v.keyCell(c, row, page.Labels, n)})
	}
	for _, p := range r.Parameters {
		value, ok := given[p.Name]
		if !ok || p.Name == "by" {
			continue
		}
		shown := cell{Text: value}
		switch p.Type {
		case "choice":
			shown.Text = v.say("report.choice." + p.Name + "." + value)
		case "boolean":
			shown.Text = v.say(map[bool]string{true: "yes", false: "no"}[value == "true"])
		case "date":
			shown = v.figure(report.Column{Name: p.Name, Type: report.TypeDate}, report.Row{p.Name: value}, "", nil)
		case "id":
			f := field{Field: crm.Field{Name: p.Name, Type: "id", Refers: refersTo(p.Name)}}
			n, err := v.name(ctx, tx, []field{f}, map[string]any{p.Name: value})
			if err != nil {
				return nil, err
			}
			if shown.Text, shown.Link = n.of(f, value); shown.Text == "" {
				shown.Text = value[:8]
			}
		}
		about = append(about, fact{v.say("report.parameter." + p.Name), shown})
	}
	return about, nil
}
