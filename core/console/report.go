package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/report"
	"crmhub/core/schema"
)

// reportGroup are the reports that answer questions of one sort.
type reportGroup struct {
	Key     string // of its title in the catalogue
	Reports []reportEntry
}

// reportEntry leads to a report; the catalogue has the question it answers, by its name.
type reportEntry struct{ Name, Title, To string }

// reportGroups are the names of all reports, in the order people look for them.
func reportGroups() []struct {
	key   string
	names []string
} {
	return []struct {
		key   string
		names []string
	}{
		{"report.group.sales", []string{"overview", "booked", "invoiced", "targets"}},
		{"report.group.customers", []string{"rfm", "abc", "customer-value", "potential-customers", "at-risk-customers"}},
		{"report.group.opportunities", []string{"funnel", "stage-conversion", "win-rate", "lost-reasons", "forecast", "sales-velocity"}},
		{"report.group.campaigns", []string{"campaign-response", "campaign-return"}},
		{"report.group.money", []string{"receivables-aging", "dso", "expected-cash", "payments-received"}},
		{"report.group.service", []string{"service-times", "satisfaction"}},
	}
}

// listReports lists the reports that the visitor's field rules let him see.
func (c *Console) listReports(_ context.Context, v *visit) error {
	var groups []reportGroup
	for _, g := range reportGroups() {
		shown := reportGroup{Key: g.key}
		for _, name := range g.names {
			r, err := report.Find(name)
			if err != nil {
				return err
			}
			if v.reportRefused(r) == "" {
				shown.Reports = append(shown.Reports, reportEntry{name, v.wordsOf(r.Title), reportPath(name)})
			}
		}
		if len(shown.Reports) > 0 {
			groups = append(groups, shown)
		}
	}
	return v.show("reports", groups)
}

// reportPage is the data of a report's page.
type reportPage struct {
	Name, Title, Definition string
	Refused                 string   // why the visitor may not see it
	Faults                  []string // what is wrong with what was asked for, where no input stands beside it
	Files                   *reportFiles
	Inputs                  []reportInput
	Table                   *reportTable // nil where it was not reckoned
	Chart                   *chart
}

// reportPath is where a report is.
func reportPath(name string) string { return "/reports/" + name }

// wordsOf is a text in the visitor's language.
func (v *visit) wordsOf(t report.Text) string {
	if v.lang == "zh-CN" {
		return t.Zh
	}
	return t.En
}

// reportRefused says which field the visitor would have to see for a report; "" if he may have it.
func (v *visit) reportRefused(r report.Report) string {
	return v.refusedBy(r.Hidden(v.blind))
}

// blind are the fields of a kind that the visitor does not see plainly.
func (v *visit) blind(k crm.Kind) []string { return v.who.Blind(access.Resource(k)) }

func (v *visit) refusedBy(h report.HiddenField, hidden bool) string {
	if !hidden {
		return ""
	}
	field := v.label(string(h.Kind) + "." + h.Field)
	if h.Amount {
		return v.say("report.refused_amount", field, v.say("kinds."+string(h.Kind)))
	}
	return v.say("report.refused_field", field, v.say("kinds."+string(h.Kind)))
}

func (c *Console) showReport(ctx context.Context, v *visit) error {
	r, err := report.Find(v.r.PathValue("name"))
	if err != nil {
		return err
	}
	p := reportPage{Name: r.Name, Title: v.wordsOf(r.Title), Definition: v.wordsOf(r.Definition)}
	asked := v.readParameters(r)
	if p.Refused = v.refusedBy(r.HiddenBy(asked.given, v.blind)); p.Refused != "" {
		return v.write(http.StatusForbidden, "report", p)
	}
	status := http.StatusOK
	err = v.as(ctx, func(tx pgx.Tx) error {
		if err := asked.find(ctx, tx); err != nil {
			return err
		}
		result, err := report.Result{Parameters: asked.given}, error(nil)
		if !asked.wrong() {
			result, err = c.reports.Run(ctx, tx, r, asked.given)
		}
		if vs := schema.Violations(nil); errors.As(err, &vs) {
			asked.blame(vs)
			result.Parameters, err = asked.given, nil
		}
		if err != nil {
			return err
		}
		if asked.wrong() {
			status = http.StatusUnprocessableEntity
		} else if p.Table, err = v.reportTable(ctx, tx, r, result); err != nil {
			return err
		} else {
			p.Chart = v.reportChart(result, p.Table)
			p.Files = v.reportFiles(r, result.Parameters)
		}
		p.Inputs, err = asked.inputs(ctx, tx, result.Parameters)
		return err
	})
	if err != nil {
		return err
	}
	if asked.found && !asked.wrong() { // the address says what was found, not what was written
		http.Redirect(v.w, v.r, addressOf(reportPath(r.Name), asked.given, nil), http.StatusSeeOther)
		return nil
	}
	return v.write(status, "report", p)
}

// addressOf is a page with the parameters of a report, and more of its own.
func addressOf(path string, given report.Parameters, more url.Values) string {
	q := url.Values{}
	for name, value := range given {
		q.Set(name, value)
	}
	maps.Copy(q, more)
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
