package report_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/report"
)

// fillCRM adds one of each that reports of the CRM look at.
func (b *books) fillCRM(t *testing.T, customer uuid.UUID) {
	t.Helper()
	id := newID()
	pipeline, stages := pipelineRows(id, true)
	b.insert(t, "pipelines", pipeline)
	b.insert(t, "pipeline_stages", stages...)
	campaign := entity(map[string]any{"code": "K", "name": "Fair", "kind": "event", "status": "active", "start_date": "2026-02-01"})
	b.insert(t, "campaigns", campaign)
	b.insert(t, "campaign_members", entity(map[string]any{"campaign_id": campaign["id"], "customer_id": customer, "status": "sent"}))
	open := opportunityRow(id, customer, "proposal", "10")
	b.insert(t, "opportunities", open, opportunityRow(id, customer, "won", "20"), opportunityRow(id, customer, "lost", "30"))
	b.insert(t, "opportunity_stage_log", map[string]any{"opportunity_id": open["id"], "version": 1, "at": "2026-02-01", "by": "system", "pipeline_id": id, "to_stage": "proposal"})
	b.insert(t, "tickets", ticketRow(customer, "2026-03-01T08:00:00Z"))
	b.insert(t, "feedback", entity(map[string]any{"customer_id": customer, "at": "2026-03-01", "score": 5}))
}

func TestFunnelShowsEachOpenStage(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c, id, other := newID(), newID(), newID()
	b.insert(t, "customers", customerRow(c, "C"))
	for _, p := range []uuid.UUID{id, other} {
		pipeline, stages := pipelineRows(p, p == id)
		b.insert(t, "pipelines", pipeline)
		b.insert(t, "pipeline_stages", stages...)
	}
	b.insert(t, "opportunities",
		opportunityRow(id, c, "qualify", "100"), with(opportunityRow(id, c, "qualify", "50"), map[string]any{"currency": "USD", "rate_to_base": "0.5", "stage_entered_at": "2026-03-10"}),
		opportunityRow(id, c, "contract", "10"), opportunityRow(id, c, "won", "1000"), opportunityRow(id, c, "lost", "1000"), opportunityRow(other, c, "proposal", "1000"))
	var got []string
	for _, given := range []report.Parameters{nil, {"per_currency": "true"}, {"pipeline_id": other.String(), "currency": "EUR"}} {
		result := b.run(t, "funnel", given)
		for _, row := range append(result.Rows, result.Totals...) {
			got = append(got, fmt.Sprint(row["label"], " ", row["currency"], " ", row["opportunities"], " ", row["amount"], " ", row["weighted"], " ", row["rotten"], " ", row["age"]))
		}
	}
	want := []string{
		"Stage qualify EUR 2 125 12.5 1 23.5", "Stage proposal EUR <nil> <nil> <nil> <nil> <nil>", "Stage contract EUR 1 10 9 1 42", "<nil> EUR 3 135 21.5 2 29.7",
		"Stage qualify EUR 1 100 10 1 42", "Stage qualify USD 1 50 5 <nil> 5", "Stage contract EUR 1 10 9 1 42", "<nil> EUR 2 110 19 2 42", "<nil> USD 1 50 5 <nil> 5",
		"Stage qualify EUR <nil> <nil> <nil> <nil> <nil>", "Stage proposal EUR 1 1000 500 1 42", "Stage contract EUR <nil> <nil> <nil> <nil> <nil>", "<nil> EUR 1 1000 500 1 42",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestReopenedOpportunityIsOpen sells through the store, which keeps the log, what is won, then lost, then open again.
func TestReopenedOpportunityIsOpen(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	at := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
	store := crm.Store{Now: func() time.Time { return at }}
	customer := &crm.Customer{Name: "C"}
	deal := &crm.Opportunity{Name: "Deal", Currency: "EUR", Amount: dec("80")}
	save := func(e crm.Entity) {
		t.Helper()
		if err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
			return store.Save(ctx, tx, crm.By{Actor: b.who.Actor, Origin: "crm"}, []crm.Entity{e})
		}); err != nil {
			t.Fatal(err)
		}
	}
	save(customer)
	deal.CustomerID = customer.ID
	save(deal)
	var got []string
	for _, step := range []string{"qualify", "contract", "won", "negotiation", "lost", "contract"} {
		if deal.Stage = step; step == "lost" {
			deal.LostReason = "price"
		}
		save(deal)
		at = at.Add(48 * time.Hour)
		rate := b.run(t, "win-rate", nil).Totals
		line := step + ": no end"
		if len(rate) > 0 {
			line = fmt.Sprint(step, ": won ", rate[0]["won_amount"], ", lost ", rate[0]["lost_amount"])
		}
		if open := b.run(t, "forecast", nil).Totals; len(open) > 0 {
			line += fmt.Sprint(", weighted ", open[0]["weighted"])
		}
		got = append(got, line)
	}
	for _, row := range b.run(t, "stage-conversion", nil).Rows {
		got = append(got, fmt.Sprint(row["key"], ": ", row["advanced"], " of ", row["entered"], ", ", row["stays"], " in ", row["days"], " days, lost ", row["lost"]))
	}
	want := []string{
		"qualify: no end, weighted 8", "contract: no end, weighted 72", "won: won 80, lost <nil>", "negotiation: no end, weighted 56", "lost: won <nil>, lost 80",
		"contract: no end, weighted 72",
		"qualify: 1 of 1, 1 in 2 days, lost <nil>", "negotiation: 1 of 1, 1 in 2 days, lost <nil>", "contract: 1 of 1, 1 in 2 days, lost <nil>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDepartmentsTargetCountsAllBelow(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	c, pipelineID := newID(), newID()
	company, sales, south, service := newID(), newID(), newID(), newID()
	path := func(ids ...uuid.UUID) string {
		s := "/"
		for _, id := range ids {
			s += id.String() + "/"
		}
		return s
	}
	b.insert(t, "departments", departmentRow(company, nil, path(company)), departmentRow(sales, &company, path(company, sales)),
		departmentRow(south, &sales, path(company, sales, south)), departmentRow(service, &company, path(company, service)))
	people := map[string]uuid.UUID{}
	for name, department := range map[string]any{"head": company, "seller": sales, "southerner": south, "server": service, "nowhere": nil} {
		people[name] = newID()
		b.insert(t, "users", map[string]any{"id": people[name], "login": name, "name": name, "department_id": department})
	}
	pipeline, stages := pipelineRows(pipelineID, true)
	b.insert(t, "customers", customerRow(c, "C"))
	b.insert(t, "pipelines", pipeline)
	b.insert(t, "pipeline_stages", stages...)
	for i, name := range []string{"head", "seller", "southerner", "server", "nowhere"} {
		worth := "1" + strings.Repeat("0", i) // a digit for each
		b.insert(t, "opportunities", with(opportunityRow(pipelineID, c, "won", worth), map[string]any{"owner_id": people[name]}),
			with(opportunityRow(pipelineID, c, "lost", worth), map[string]any{"owner_id": people[name]}),
			with(opportunityRow(pipelineID, c, "won", worth), map[string]any{"owner_id": people[name], "currency": "USD", "rate_to_base": "2"}),
			with(opportunityRow(pipelineID, c, "won", worth), map[string]any{"owner_id": people[name], "closed_at": "2026-04-01"}))
		b.insert(t, "orders", with(orderRow(c, "2026-03-31", worth), map[string]any{"owner_id": people[name]}))
	}
	b.insert(t, "opportunities", opportunityRow(pipelineID, c, "won", "100000"))
	add := func(in report.NewTarget) error {
		return b.as(t, func(ctx context.Context, tx pgx.Tx) error {
			in.Month, in.Amount = "2026-03", dec("10")
			_, err := b.store.AddTarget(ctx, tx, in)
			return err
		})
	}
	seller := people["seller"]
	for _, in := range []report.NewTarget{
		{Measure: "won"},
		{Measure: "won", DepartmentID: &company},
		{Measure: "won", DepartmentID: &sales},
		{Measure: "won", DepartmentID: &sales, Currency: "USD"},
		{Measure: "won", DepartmentID: &service},
		{Measure: "won", OwnerID: &seller},
		{Measure: "revenue", DepartmentID: &sales},
		{Measure: "orders", DepartmentID: &sales},
	} {
		if err := add(in); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]any{}
	for _, of := range []string{"won", "revenue", "orders"} {
		for _, row := range b.run(t, "targets", report.Parameters{"of": of, "to": "2026-03-31"}).Rows {
			label, _ := row["label"].(string)
			got[fmt.Sprint(of, strings.NewReplacer(company.String(), "company", sales.String(), "sales", service.String(), "service").Replace(label[7:]), " ", row["currency"])] = row["achieved"]
		}
	}
	want := map[string]any{
		"won EUR": "133333", "won company EUR": "3333", "won sales EUR": "330", "won sales USD": "110", "won service EUR": "3000", "won seller EUR": "30",
		"revenue sales EUR": "110", "orders sales <nil>": "2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	unknown := newID()
	for _, c := range []struct {
		in   report.NewTarget
		want []string
	}{
		{report.NewTarget{Measure: "won", DepartmentID: &sales}, []string{"/month unique"}},
		{report.NewTarget{Measure: "won", DepartmentID: &sales, OwnerID: &seller}, []string{"/department_id not"}},
		{report.NewTarget{Measure: "lost", DepartmentID: &unknown}, []string{"/measure enum", "/department_id exists"}},
	} {
		if diff := cmp.Diff(c.want, rules(add(c.in))); diff != "" {
			t.Error(diff)
		}
	}
}

// A deal that is closed in Shanghai on the first of March at six in the morning is one of March, though it is February in London.
func TestDaysBeginWhereTheOrganizationIs(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	ends := time.Date(2026, 2, 28, 22, 0, 0, 0, time.UTC)
	b.store.Now = func() time.Time { return ends.Add(time.Hour) }
	pipeline := entity(map[string]any{"name": "Sales", "is_default": true, "is_active": true})
	b.insert(t, "pipelines", pipeline)
	b.insert(t, "pipeline_stages", map[string]any{"pipeline_id": pipeline["id"], "seq": 0, "code": "won", "name": "Won", "kind": "won", "probability": 100})
	customer := entity(map[string]any{"code": "C", "name": "c", "kind": "company", "lifecycle": "lead"})
	b.insert(t, "customers", customer)
	b.insert(t, "opportunities", entity(map[string]any{
		"number": "O1", "name": "o", "customer_id": customer["id"], "pipeline_id": pipeline["id"], "stage": "won", "status": "won", "currency": "EUR", "amount": "100",
		"rate_to_base": "1", "probability": 100, "forecast_category": "closed", "stage_entered_at": ends, "closed_at": ends,
	}))
	for zone, want := range map[string]string{"": "2026-02", "Asia/Shanghai": "2026-03", "America/New_York": "2026-02"} {
		if zone != "" {
			if err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into pool_settings (time_zone) values ($1) on conflict (organization_id) do update set time_zone = $1", zone)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		by := report.Parameters{"by": "month"} // until today
		rows := b.run(t, "win-rate", by).Rows
		if len(rows) != 1 || rows[0]["key"] != want {
			t.Errorf("in %q it was won in %v, want %s", zone, rows, want)
		}
		if behind := b.behind(t, "win-rate", by, report.Behind{Key: &want, Measure: "won"}); len(behind) != 1 {
			t.Errorf("in %q %d records lie behind %s", zone, len(behind), want)
		}
	}
}
