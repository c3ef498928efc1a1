package console

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/report"
	"crmhub/core/schema"
)

const targetsPath = "/targets"

// targetsPage is the data of the page that sets targets. What was achieved the report of that name says.
type targetsPage struct {
	Month  string
	Items  []targetRow
	New    []input
	Faults []string
	Report string // where what was achieved is, "" if the visitor reads no reports
}

// targetRow is a target as the page shows it.
type targetRow struct {
	report.Target
	Whose  string
	Shown  string // how much it asks for
	Amount input
}

func (c *Console) listTargets(ctx context.Context, v *visit) error {
	return v.writeTargets(ctx, nil)
}

func (v *visit) writeTargets(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	p := targetsPage{Month: v.r.FormValue("month")}
	if _, err := time.Parse("2006-01", p.Month); err != nil {
		today, err := get(ctx, v, func(tx pgx.Tx) (time.Time, error) { return v.today(ctx, tx) })
		if err != nil {
			return err
		}
		p.Month = today.Format("2006-01")
	}
	if v.who.May(access.Reports, access.Read) != "" {
		p.Report = "/reports/targets?month=" + p.Month
	}
	departments, err := v.console.Access.Departments(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	o := order{departments: departments}
	err = v.as(ctx, func(tx pgx.Tx) error {
		known, err := v.everybody(ctx, tx)
		if err != nil {
			return err
		}
		targets, err := v.console.reports.Targets(ctx, tx, p.Month, nil)
		if err != nil {
			return err
		}
		fresh := &questions{visit: v}
		for _, t := range targets {
			r := targetRow{Target: t, Whose: v.say("target.everybody"), Shown: group(t.Amount.String())}
			switch {
			case t.OwnerID != nil:
				r.Whose = known.people[t.OwnerID.String()]
			case t.DepartmentID != nil:
				r.Whose = o.place(*t.DepartmentID)
			}
			if t.Currency != "" {
				r.Shown = formatAmount(t.Amount, t.Currency)
			}
			r.Amount = fresh.must("amount", v.say("target.amount"), "number", t.Amount.String())
			r.Amount.ID = "amount-" + t.ID.String()
			p.Items = append(p.Items, r)
		}
		whose := []option{{"", v.say("target.everybody"), false}}
		for _, d := range departments {
			whose = append(whose, option{Value: "department:" + d.ID.String(), Label: o.place(d.ID)})
		}
		for _, person := range people(known.persons, "") {
			whose = append(whose, option{Value: "user:" + person.Value, Label: person.Label})
		}
		var measures []option
		for _, m := range report.Measures() {
			measures = append(measures, option{Value: string(m), Label: v.say("target.measure." + string(m))})
		}
		currency := q.ask("currency", v.say("target.currency"), "text", "")
		currency.Max, currency.Hint = 3, v.say("target.currency_hint")
		p.New = []input{
			q.must("month", v.say("target.month"), "month", p.Month), q.choose("whose", v.say("target.whose"), "", whose),
			q.choose("measure", v.say("target.measure"), string(report.MeasureRevenue), measures), q.must("amount", v.say("target.amount"), "number", ""), currency,
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.Faults = q.rest()
	v.here = targetsPath
	return v.writeForm("targets", p, wrong)
}

// targetAmount reads what a target asks for.
func (v *visit) targetAmount() (decimal.Decimal, error) {
	d, err := decimal.NewFromString(ungrouped(v.r.PostFormValue("amount")))
	if err != nil || d.Exponent() < -4 || d.NumDigits() > 20 {
		return d, schema.Violations{{Pointer: "/amount", Rule: "format", Message: "must be a decimal number"}}
	}
	return d, nil
}

func (c *Console) addTarget(ctx context.Context, v *visit) error {
	t := report.NewTarget{
		Month: v.r.PostFormValue("month"), Measure: report.Measure(v.r.PostFormValue("measure")), Currency: strings.ToUpper(strings.TrimSpace(v.r.PostFormValue("currency"))),
	}
	if kind, s, ok := strings.Cut(v.r.PostFormValue("whose"), ":"); ok {
		id, err := uuid.Parse(s)
		if err != nil {
			return errAddress
		}
		if kind == "user" {
			t.OwnerID = &id
		} else {
			t.DepartmentID = &id
		}
	}
	amount, err := v.targetAmount()
	if err == nil {
		t.Amount = amount
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := c.reports.AddTarget(ctx, tx, t)
			return err
		})
	}
	return v.targetDone(ctx, err, "target_set")
}

func (c *Console) changeTarget(ctx context.Context, v *visit) error {
	id, err := v.id(report.ErrNoTarget)
	if err != nil {
		return err
	}
	amount, err := v.targetAmount()
	if err == nil {
		err = v.as(ctx, func(tx pgx.Tx) error {
			_, err := c.reports.UpdateTarget(ctx, tx, id, amount)
			return err
		})
	}
	return v.targetDone(ctx, err, "saved")
}

func (c *Console) removeTarget(ctx context.Context, v *visit) error {
	id, err := v.id(report.ErrNoTarget)
	if err != nil {
		return err
	}
	err = v.as(ctx, func(tx pgx.Tx) error { return c.reports.RemoveTarget(ctx, tx, id) })
	return v.targetDone(ctx, err, "target_removed")
}

func (v *visit) targetDone(ctx context.Context, err error, notice string) error {
	if err != nil {
		return v.writeTargets(ctx, err)
	}
	return v.done(targetsPath+"?month="+v.r.PostFormValue("month"), notice)
}
