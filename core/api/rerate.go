package api

import (
	"context"
	"net/http"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// rerateAtOnce is how many documents one request gives rates: each has a version and a change.
const rerateAtOnce = 1000

// unratedDocuments are documents that count at 1, by kind, currency and the rate they would get.
type unratedDocuments struct {
	Entity    string `json:"entity" enum:"order,invoice,opportunity"`
	Currency  string `json:"currency" example:"USD"`
	Rate      string `json:"rate" doc:"What is kept for their days by now: what one unit is worth in the organization's own currency." example:"0.9"`
	From      string `json:"from" format:"date" doc:"The first of their days."`
	To        string `json:"to" format:"date" doc:"The last of their days."`
	Documents int64  `json:"documents" doc:"How many there are."`
}

type unratedList struct {
	Items []unratedDocuments `json:"items" nullable:"false"`
}

// listUnrated is the dry run of rerate.
func (e entities) listUnrated() operation {
	return operation{
		id: "list-unrated-documents", needs: may(e.resource(), access.Update), tag: "entities", summary: "Say which documents a rate came too late for",
		description: "Documents in another currency than the organization's own that count at 1, since no rate was kept for their day when they were entered, and that have one by now. " +
			"Of the whole organization; /currency-rates/apply gives it to them.",
		status: http.StatusOK, result: jsonBody(e.document, unratedList{Items: []unratedDocuments{{Entity: "order", Currency: "USD", Rate: "0.9", From: "2026-09-01", To: "2026-09-12", Documents: 12}}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			if c.who.Hides(e.resource(), "rate") {
				return answer{}, forbidden(c.route.needs, "You do not see the field rate of currency_rates.")
			}
			var found []crm.Unrated
			err := e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				found, err = e.CRM.Unrated(ctx, tx)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			shown := unratedList{Items: make([]unratedDocuments, len(found))}
			for i, u := range found {
				shown.Items[i] = unratedDocuments{string(u.Kind), u.Currency, u.Rate.String(), u.First.String(), u.Last.String(), u.Documents}
			}
			return respond(http.StatusOK, shown)
		},
	}
}

type rerated struct {
	Orders        int  `json:"orders"`
	Invoices      int  `json:"invoices"`
	Opportunities int  `json:"opportunities"`
	More          bool `json:"more" doc:"There are more: ask again."`
}

// rerate gives documents the rate that came later.
func (e entities) rerate() operation {
	return operation{
		id: "apply-currency-rates", needs: may(e.resource(), access.Update), tag: "entities", summary: "Give documents the rates that came later",
		description: "Gives up to 1,000 of the documents that /currency-rates/missing tells the rate of their day, each with a version and an entry in the audit trail, issued invoices and won opportunities too: " +
			"what they say stays, and reports in the organization's own currency count them at what they are worth.",
		status: http.StatusOK, result: jsonBody(e.document, rerated{Orders: 12}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				done, more, err := e.CRM.Rerate(ctx, tx, c.author().By, rerateAtOnce)
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, rerated{done[crm.KindOrder], done[crm.KindInvoice], done[crm.KindOpportunity], more})
			})
		},
	}
}
