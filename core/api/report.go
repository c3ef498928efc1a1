package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/report"
	"crmhub/core/schema"
	"crmhub/core/sheet"
)

// reportRoutes are three for each report: its numbers, the same as a file, and the records behind one of them.
func (s *server) reportRoutes() []route {
	routes := []route{{"GET /reports", s.listReports()}}
	for _, r := range report.All() {
		routes = append(routes,
			route{"GET /reports/" + r.Name, s.runReport(r)},
			route{"GET /reports/" + r.Name + "/file", s.reportFile(r)},
			route{"GET /reports/" + r.Name + "/rows", s.listReportRows(r)},
		)
	}
	return routes
}

func (s *server) listReports() operation {
	shown := report.All()[1]
	return operation{
		id: "list-reports", needs: may(access.Reports, access.Read), tag: "reports", summary: "List the reports", description: "Each with its definition in words and its parameters.",
		status: http.StatusOK, result: jsonBody(s.document, list[report.Report]{Items: []report.Report{shown}}),
		serve: func(_ context.Context, c *call) (answer, error) {
			return respond(http.StatusOK, page(c, report.All(), ""))
		},
	}
}

func (s *server) runReport(r report.Report) operation {
	return operation{
		id: "report-" + r.Name, needs: may(access.Reports, access.Read), tag: "reports", summary: r.Title.En, description: r.Definition.En,
		parameters: reportParameters(r.Parameters),
		status:     http.StatusOK, result: jsonBody(s.document, reportExample(r)),
		serve: func(ctx context.Context, c *call) (answer, error) {
			return ok(s.result(ctx, c, r, s.reports.Run))
		},
	}
}

// result is what a report says to the caller, as run makes it.
func (s *server) result(ctx context.Context, c *call, r report.Report,
	run func(context.Context, pgx.Tx, report.Report, report.Parameters) (report.Result, error),
) (result report.Result, err error) {
	given, err := c.reportParameters(r.Parameters)
	if err != nil {
		return result, err
	}
	if err := c.permitReport(r, given); err != nil {
		return result, err
	}
	err = s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		result, err = run(ctx, tx, r, given)
		return err
	})
	if err != nil {
		return report.Result{}, parametersAtFault(err)
	}
	result.Veil(c.blind)
	return result, nil
}

// reportFile is what runReport answers, as a table.
func (s *server) reportFile(r report.Report) operation {
	formats := []string{string(sheet.CSV), string(sheet.XLSX)}
	parameters := reportParameters(r.Parameters)
	for i, p := range r.Parameters {
		if p.Name == limitParameter {
			whole := *parameters[i].Schema
			whole.Default = nil
			parameters[i].Schema, parameters[i].Description = &whole, "How many rows at most; all if left out, and more than 10,000 are refused."
		}
	}
	return operation{
		id: "report-" + r.Name + "-file", needs: may(access.Reports, access.Export), tag: "reports", summary: "As a file: " + r.Title.En,
		description: "The rows of the report with the same parameters, without the totals; the columns by their names.",
		parameters:  append([]*huma.Param{choiceParameter("format", "Of the file; csv if left out.", formats)}, parameters...),
		status:      http.StatusOK, result: fileContent("key,currency,revenue\r\n2026-03,EUR,1250.5\r\n", csvType, xlsxType),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			format := sheet.Format(cmp.Or(c.choiceIn("format", formats, &faults), string(sheet.CSV)))
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			result, err := s.result(ctx, c, r, s.reports.Whole)
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: r.Name + "." + string(format), mediaType: tableType(format),
				send: func(w io.Writer) error {
					return result.Write(w, format, func(c report.Column) string { return c.Name }, nil)
				},
			}}, nil
		},
	}
}

// reportParameters reads what a report is asked for. A parameter that is there says something.
func (c *call) reportParameters(known []report.Parameter) (report.Parameters, error) {
	given := report.Parameters{}
	var faults parameterFaults
	for _, p := range known {
		if !c.query.Has(p.Name) {
			continue
		}
		given[p.Name] = c.query.Get(p.Name)
		if given[p.Name] == "" {
			faults.add(p.Name, "format", "must not be empty: leave it out")
		}
	}
	return given, faults.err()
}

// blind are the fields of a kind that the caller does not see plainly.
func (c *call) blind(k crm.Kind) []string { return c.who.Blind(access.Resource(k)) }

// permitReport refuses a report to whom a field rule hides amounts that it adds up, or what it shows or is asked by besides.
func (c *call) permitReport(r report.Report, given report.Parameters) error {
	h, hidden := r.HiddenBy(given, c.blind)
	switch {
	case !hidden:
		return nil
	case h.Amount:
		return forbidden(c.route.needs, fmt.Sprintf("The report adds up amounts, and you do not see the field %s of %s.", h.Field, h.Kind.Plural()))
	default:
		return forbidden(c.route.needs, fmt.Sprintf("The report shows the field %s of %s, which you do not see.", h.Field, h.Kind.Plural()))
	}
}

// reportRows are a page of the records behind a number.
type reportRows struct {
	list[report.Row]
	Columns []report.Column `json:"columns" nullable:"false" doc:"What the fields of the records are."`
}

func (s *server) listReportRows(r report.Report) operation {
	var parameters []report.Parameter
	for _, p := range r.Parameters {
		if p.Name != limitParameter {
			parameters = append(parameters, p)
		}
	}
	return operation{
		id: "report-" + r.Name + "-rows", needs: may(access.Reports, access.Read), tag: "reports", summary: "The records behind: " + r.Title.En,
		description: "Those behind one number of the report with the same parameters: that of the row with this key, in the column of this measure. " +
			"What they contribute adds up to the number. Of a row per currency, give the currency too. Newest first.",
		parameters: append(append(reportParameters(parameters),
			queryParameter("measure", "The column; the report's first measure if left out.", &huma.Schema{Type: huma.TypeString}, nil),
			queryParameter("key", "The row, by its key; empty is the row without one. If left out, the total.", &huma.Schema{Type: huma.TypeString}, nil),
		), pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, rowsExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			ask := report.Behind{Measure: c.query.Get("measure"), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults)}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			if c.query.Has("key") {
				key := c.query.Get("key")
				ask.Key = &key
			}
			given, err := c.reportParameters(parameters)
			if err != nil {
				return answer{}, err
			}
			if err := c.permitReport(r, given); err != nil {
				return answer{}, err
			}
			found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (report.Page, error) { return s.reports.Rows(ctx, tx, r, given, ask) })
			if err != nil {
				return answer{}, parametersAtFault(err)
			}
			found.Veil(c.blind)
			return respond(http.StatusOK, reportRows{page(c, found.Items, found.Next), found.Columns})
		},
	}
}

// parametersAtFault says of what the report found wrong which parameter it is.
func parametersAtFault(err error) error {
	var vs schema.Violations
	if !errors.As(err, &vs) {
		return err
	}
	var faults parameterFaults
	for _, v := range vs {
		faults.add(strings.TrimPrefix(v.Pointer, "/"), v.Rule, v.Message)
	}
	return faults
}

func reportParameters(of []report.Parameter) []*huma.Param {
	var parameters []*huma.Param
	for _, p := range of {
		s, example := &huma.Schema{Type: huma.TypeString}, any(nil)
		switch p.Type {
		case "date":
			s.Format, example = "date", "2026-03-31"
		case "id":
			s.Format, example = "uuid", exampleID
		case "currency":
			s.Pattern, example = "^[A-Z]{3}$", "EUR"
		case "boolean":
			s.Type, example = huma.TypeBoolean, true
		case "integer":
			least, most := float64(p.Min), float64(p.Max)
			s.Type, s.Minimum, s.Maximum, s.Default, example = huma.TypeInteger, &least, &most, p.Default, p.Default
		case "choice":
			for _, choice := range p.Choices {
				s.Enum = append(s.Enum, choice)
			}
			s.Default, example = p.Choices[0], p.Choices[0]
		}
		parameters = append(parameters, queryParameter(p.Name, p.Title.En, s, example))
	}
	return parameters
}

func reportExample(r report.Report) report.Result {
	return report.Result{
		Report: r.Name, Title: r.Title, Definition: r.Definition, Parameters: report.Parameters{"limit": "100"}, BaseCurrency: "EUR",
		Columns: []report.Column{{Name: "revenue", Type: report.TypeAmount, Title: report.Text{En: "Revenue", Zh: "销售额"}}},
		Rows:    []report.Row{{"key": "2026-03", "currency": "EUR", "revenue": "1250.5"}},
		Totals:  []report.Row{{"currency": "EUR", "revenue": "1250.5"}},
	}
}

func rowsExample() reportRows {
	return reportRows{
		list[report.Row]{Items: []report.Row{{"kind": "order", "id": exampleID, "key": "2026-03", "currency": "EUR", "revenue": "1250.5", "number": "SO-2026-0042"}}},
		[]report.Column{{Name: "revenue", Type: report.TypeAmount, Title: report.Text{En: "Revenue", Zh: "销售额"}}},
	}
}
