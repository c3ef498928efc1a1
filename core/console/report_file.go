package console

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/report"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// reportFiles are where a report is to be had as a file: all rows of it, whatever the page was limited to.
type reportFiles struct{ CSV, XLSX string }

// reportFiles leads to the files of a report asked for so; nil for whom may not have them.
func (v *visit) reportFiles(r report.Report, given report.Parameters) *reportFiles {
	if v.who.May(access.Reports, access.Export) == "" {
		return nil
	}
	given = maps.Clone(given)
	delete(given, "limit")
	at := func(f sheet.Format) string {
		return addressOf(reportPath(r.Name)+"/file", given, url.Values{"format": {string(f)}})
	}
	return &reportFiles{at(sheet.CSV), at(sheet.XLSX)}
}

// reportFile gives a report as a file, with headings and names in the visitor's language and numbers as numbers.
func (c *Console) reportFile(ctx context.Context, v *visit) error {
	r, err := report.Find(v.r.PathValue("name"))
	if err != nil {
		return err
	}
	format := sheet.Format(cmp.Or(v.r.URL.Query().Get("format"), string(sheet.CSV)))
	mediaType, ok := map[sheet.Format]string{
		sheet.CSV: "text/csv; charset=utf-8", sheet.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	}[format]
	if !ok {
		return errAddress
	}
	given := v.readParameters(r).given
	if refused := v.refusedBy(r.HiddenBy(given, v.blind)); refused != "" {
		return v.write(http.StatusForbidden, "report", reportPage{Name: r.Name, Title: v.wordsOf(r.Title), Definition: v.wordsOf(r.Definition), Refused: refused})
	}
	var result report.Result
	var n *names
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if result, err = c.reports.Whole(ctx, tx, r, given); err != nil {
			return err
		}
		n, err = v.reportNames(ctx, tx, result.Columns, result.Rows)
		return err
	})
	if vs := schema.Violations(nil); errors.As(err, &vs) {
		p := reportPage{Name: r.Name, Title: v.wordsOf(r.Title), Definition: v.wordsOf(r.Definition)}
		for _, broken := range vs {
			p.Faults = append(p.Faults, v.violation(broken, nil))
		}
		return v.write(http.StatusUnprocessableEntity, "report", p)
	}
	if err != nil {
		return err
	}
	heading := func(c report.Column) string {
		switch {
		case c.Name == "label": // the key has it
			return ""
		case c.Type == report.TypePercent:
			return v.wordsOf(c.Title) + " (%)"
		}
		return v.wordsOf(c.Title)
	}
	text := func(c report.Column, row report.Row) string {
		switch {
		case c.Name == "key" && c.Type == report.TypeMonth: // as it can be sorted by
			return row.Text(c)
		case c.Name == "key":
			return v.keyCell(c, row, result.Labels, n).Text
		case row[c.Name] == nil || c.Name == "currency" || c.Type == report.TypeMonth:
			return row.Text(c)
		}
		shown := v.figure(c, row, "", result.Labels)
		return cmp.Or(shown.Text, strings.Join(shown.Texts, "; "))
	}
	return v.give(download{name: r.Name + "." + string(format), mediaType: mediaType, send: func(w io.Writer) error {
		return result.Write(w, format, heading, text)
	}})
}
