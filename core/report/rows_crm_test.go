package report_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// drawSales adds pipelines, campaigns with their members, and opportunities with the stages they went through, and notes
// the ids that parameters may name.
func (b *books) drawSales(t *testing.T, rt *rapid.T, ids map[string][]uuid.UUID) {
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
	perhaps := func(name string, of []uuid.UUID) any {
		if rapid.Bool().Draw(rt, "has "+name) {
			return rapid.SampledFrom(of).Draw(rt, name)
		}
		return nil
	}
	moments := []string{"2025-05-31T23:59:59Z", "2025-12-31T23:30:00Z", "2026-01-01T00:00:00Z", "2026-01-20T08:00:00Z", "2026-02-20T23:59:59Z", "2026-03-15T09:00:00Z"}
	for i := range 2 {
		id := newID()
		pipeline, stages := pipelineRows(id, i == 0)
		b.insert(t, "pipelines", pipeline)
		b.insert(t, "pipeline_stages", stages...)
		ids["pipeline_id"] = append(ids["pipeline_id"], id)
	}
	var campaigns, members, events, opportunities, log []map[string]any
	for i := range 3 {
		row := entity(map[string]any{
			"code": fmt.Sprintf("K%d", i), "name": fmt.Sprintf("Campaign %d", i), "kind": one("kind of campaign", "email", "event"), "status": "active",
			"owner_id": perhaps("owner of the campaign", ids["owner_id"]),
		})
		if rapid.Bool().Draw(rt, "begins") {
			row["start_date"] = one("begins on", "2025-06-01", "2026-01-20", "2026-04-01")
		}
		if rapid.Bool().Draw(rt, "costs") {
			row["currency"], row["actual_cost"] = one("currency of the campaign", "EUR", "USD", "JPY"), "100.50"
		}
		campaigns, ids["campaign_id"] = append(campaigns, row), append(ids["campaign_id"], row["id"].(uuid.UUID))
		for _, customer := range ids["customer_id"] {
			if rapid.Bool().Draw(rt, "targeted") {
				continue
			}
			member := entity(map[string]any{
				"campaign_id": row["id"], "customer_id": customer,
				"status": one("status of the member", "targeted", "sent", "clicked", "responded", "converted", "opted_out", "bounced"),
			})
			if rapid.Bool().Draw(rt, "responded") {
				member["responded_at"] = one("responded at", moments...)
				events = append(events, map[string]any{"campaign_id": row["id"], "id": newID(), "member_id": member["id"], "at": member["responded_at"], "by": "system", "type": "responded"})
			}
			members = append(members, member)
		}
	}
	for range rapid.IntRange(0, 10).Draw(rt, "opportunities") {
		pipeline, stage := rapid.SampledFrom(ids["pipeline_id"]).Draw(rt, "pipeline"), one("stage", "qualify", "proposal", "contract", "won", "lost")
		currency := one("currency of the opportunity", "EUR", "USD", "JPY")
		row := with(opportunityRow(pipeline, rapid.SampledFrom(ids["customer_id"]).Draw(rt, "customer of the opportunity"), stage, one("amount", "0", "99.99", "1234.56")), map[string]any{
			"currency": currency, "rate_to_base": map[string]string{"EUR": "1", "USD": "0.9137", "JPY": "0.0061234567"}[currency],
			"owner_id": perhaps("owner", ids["owner_id"]), "campaign_id": perhaps("campaign", ids["campaign_id"]),
		})
		if rapid.Bool().Draw(rt, "has a source") {
			row["source"] = one("source", "", "fair", "web")
		}
		if rapid.Bool().Draw(rt, "is expected") {
			row["expected_close"] = one("expected close", "2026-01-31", "2026-03-20", "2026-05-01")
		}
		if row["status"] == "open" {
			row["forecast_category"] = one("category", "pipeline", "best_case", "commit", "omitted")
		} else {
			row["closed_at"] = one("closed at", moments...)
		}
		opportunities = append(opportunities, row)
		var from any
		for version, to := range append(rapid.SliceOfN(rapid.SampledFrom([]string{"qualify", "proposal", "contract", "won", "lost", "gone"}), 0, 5).Draw(rt, "stages"), stage) {
			log = append(log, map[string]any{
				"opportunity_id": row["id"], "version": version + 1, "at": moments[min(version, len(moments)-1)], "by": "system", "pipeline_id": pipeline, "from_stage": from, "to_stage": to,
			})
			from = to
		}
	}
	b.insert(t, "campaigns", campaigns...)
	b.insert(t, "campaign_members", members...)
	b.insert(t, "campaign_events", events...)
	b.insert(t, "opportunities", opportunities...)
	b.insert(t, "opportunity_stage_log", log...)
	if rapid.Bool().Draw(rt, "knows a rate") {
		b.insert(t, "currency_rates", entity(map[string]any{"currency": "USD", "base": "EUR", "date": "2025-01-01", "rate": "0.9"}))
	}
}

// drawService adds tickets and feedback.
func (b *books) drawService(t *testing.T, rt *rapid.T, ids map[string][]uuid.UUID) {
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, name) }
	var tickets, feedback []map[string]any
	for range rapid.IntRange(0, 8).Draw(rt, "tickets") {
		row := with(ticketRow(rapid.SampledFrom(ids["customer_id"]).Draw(rt, "customer of the ticket"), one("came in", "2025-05-31T23:59:59Z", "2026-01-20T08:00:00Z", "2026-03-14T08:00:00Z")), map[string]any{
			"kind": one("kind of ticket", "question", "complaint"), "priority": one("priority", "low", "urgent"), "status": one("status", "new", "pending", "closed", "rejected", "duplicate"),
			"owner_id": rapid.SampledFrom(ids["owner_id"]).Draw(rt, "owner of the ticket"), "reopened": rapid.IntRange(0, 2).Draw(rt, "reopened"),
		})
		if rapid.Bool().Draw(rt, "answered") {
			row["first_responded_at"] = one("answered at", "2026-01-20T08:10:01Z", "2026-03-14T23:00:00Z")
		}
		if rapid.Bool().Draw(rt, "settled") {
			row["resolved_at"] = one("settled at", "2026-01-23T08:00:00Z", "2026-03-15T08:00:00Z")
		}
		tickets = append(tickets, row)
	}
	for range rapid.IntRange(0, 8).Draw(rt, "feedback") {
		row := entity(map[string]any{"customer_id": rapid.SampledFrom(ids["customer_id"]).Draw(rt, "who says"), "at": one("said at", "2025-12-31T23:59:59Z", "2026-02-20T12:00:00Z"), "text": "so"})
		if len(tickets) > 0 && rapid.Bool().Draw(rt, "of a ticket") {
			row["ticket_id"] = rapid.SampledFrom(tickets).Draw(rt, "ticket")["id"]
		}
		if rapid.Bool().Draw(rt, "scores") {
			row["score"] = rapid.IntRange(1, 5).Draw(rt, "score")
		}
		if rapid.Bool().Draw(rt, "recommends") {
			row["nps"] = rapid.IntRange(0, 10).Draw(rt, "nps")
		}
		feedback = append(feedback, row)
	}
	b.insert(t, "tickets", tickets...)
	b.insert(t, "feedback", feedback...)
}
