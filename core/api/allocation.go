package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/allocation"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// openPayment is a payment of which something is left, and what it may pay.
type openPayment struct {
	PaymentID  uuid.UUID           `json:"payment_id"`
	Version    int64               `json:"version"`
	Number     string              `json:"number"`
	CustomerID uuid.UUID           `json:"customer_id"`
	Date       crm.Date            `json:"date"`
	Reference  string              `json:"reference,omitempty" doc:"What the payer wrote."`
	Currency   string              `json:"currency"`
	Amount     decimal.Decimal     `json:"amount"`
	Open       decimal.Decimal     `json:"open" doc:"What pays nothing yet."`
	Proposal   *allocationProposal `json:"proposal,omitempty" doc:"What it may pay; absent where nothing is known."`
}

type allocationProposal struct {
	Certainty   allocation.Certainty `json:"certainty" enum:"certain,likely,differs" doc:"certain: the payer names each invoice, and it is equal to the cent. likely: equal to the cent, and nothing else comes to it. differs: a person decides."`
	Reasons     []allocation.Reason  `json:"reasons" nullable:"false" enum:"number,reference,amount,sum,near,same_payer" doc:"Why these: their number or reference is named, the amount is one's or several ones', or nearly, they are the payer's."`
	Difference  decimal.Decimal      `json:"difference" doc:"The payment less what is open of the invoices: below zero stays open on an invoice, above zero stays unallocated."`
	Allocations []proposedAllocation `json:"allocations" nullable:"false"`
}

type proposedAllocation struct {
	InvoiceID uuid.UUID       `json:"invoice_id"`
	Number    string          `json:"number" doc:"The invoice's."`
	Open      decimal.Decimal `json:"open" doc:"What is open of the invoice."`
	Amount    decimal.Decimal `json:"amount" doc:"What of the payment would pay it."`
}

type allocationInput struct {
	Allocations []wantedAllocation `json:"allocations" minItems:"1" maxItems:"200" nullable:"false"`
}

type wantedAllocation struct {
	InvoiceID string `json:"invoice_id" format:"uuid"`
	Amount    string `json:"amount" pattern:"^-?[0-9]{1,16}(\\.[0-9]{1,4})?$" doc:"In the payment's currency; negative for money that was paid back." example:"238.00"`
}

type reversal struct {
	InvoiceID string `json:"invoice_id" format:"uuid" doc:"Which invoice the payment is to pay no more."`
}

type acceptedPayments struct {
	Payments []uuid.UUID `json:"payments" nullable:"false" doc:"Those that pay now."`
	Left     int         `json:"left" doc:"Open payments that need a person."`
}

// permitAllocating refuses who does not see plainly what allocating goes by.
func (c *call) permitAllocating(action access.Action) error {
	for _, k := range []crm.Kind{crm.KindPayment, crm.KindInvoice} {
		if err := c.permit(k, access.Read, action); err != nil {
			return err
		}
		for _, field := range c.who.Blind(access.Resource(k)) {
			if slices.Contains(allocation.Seen()[k], field) {
				return forbidden(may(access.Resource(k), action), "It goes by the field "+field+" of "+plural(k)+", which you do not see.")
			}
		}
	}
	return nil
}

func (s *server) listOpenPayments() operation {
	id := uuid.MustParse(exampleID)
	day, _ := crm.ParseDate("2026-09-01")
	amount := decimal.RequireFromString("238")
	example := openPayment{
		PaymentID: id, Version: 1, Number: "P-1", CustomerID: id, Date: day, Reference: "RE-2026-0042", Currency: "EUR", Amount: amount, Open: amount,
		Proposal: &allocationProposal{
			Certainty: allocation.Certain, Reasons: []allocation.Reason{allocation.Number, allocation.Amount},
			Allocations: []proposedAllocation{{InvoiceID: id, Number: "RE-2026-0042", Open: amount, Amount: amount}},
		},
	}
	return operation{
		id: "list-open-payments", needs: may(access.Resource(crm.KindPayment), access.Read), tag: "finance", summary: "List open payments",
		description: "Posted payments of which something pays no invoice yet, with what they may pay and why. The newest first. Nothing is proposed that is not the same customer's in the same currency. " +
			"Needs invoice:read besides.",
		parameters: append([]*huma.Param{idParameter("customer_id", "Those of this customer."), idParameter("payment_id", "This one.")}, pageParameters()...),
		status:     http.StatusOK, result: jsonBody(s.document, list[openPayment]{Items: []openPayment{example}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitAllocating(access.Read); err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			q := allocation.Query{
				Customer: c.idIn("customer_id", &faults), Payment: c.idIn("payment_id", &faults), After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (allocation.Page, error) { return s.allocations.Open(ctx, tx, q) })
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, page(c, showOpen(found), found.Next))
		},
	}
}

func showOpen(found allocation.Page) []openPayment {
	items := make([]openPayment, len(found.Items))
	for i, one := range found.Items {
		p := one.Payment
		items[i] = openPayment{
			PaymentID: p.ID, Version: p.Version, Number: p.Number, CustomerID: p.CustomerID, Date: p.Date, Reference: p.Reference, Currency: p.Currency, Amount: p.Amount, Open: one.Open,
		}
		if one.Proposal == nil {
			continue
		}
		shown := &allocationProposal{Certainty: one.Proposal.Certainty, Reasons: one.Proposal.Reasons, Difference: one.Proposal.Difference}
		for _, a := range one.Proposal.Allocations {
			v := found.Invoices[a.InvoiceID]
			shown.Allocations = append(shown.Allocations, proposedAllocation{InvoiceID: v.ID, Number: v.Number, Open: v.Residual, Amount: a.Amount})
		}
		items[i].Proposal = shown
	}
	return items
}

func (s *server) acceptCertain() operation {
	return operation{
		id: "accept-certain-payments", needs: may(access.Resource(crm.KindPayment), access.Update), tag: "finance", summary: "Let payments pay what they name",
		description: "Accepts the proposals that are certain, of the newest 500 open payments; nothing that differs, or is only likely. Needs invoice:update besides.",
		status:      http.StatusOK, result: jsonBody(s.document, acceptedPayments{Payments: []uuid.UUID{uuid.MustParse(exampleID)}, Left: 2}), keyed: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			if err := c.permitAllocating(access.Update); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				done, err := s.allocations.AcceptCertain(ctx, tx, c.author())
				if err != nil {
					return answer{}, err
				}
				shown := acceptedPayments{Payments: []uuid.UUID{}, Left: done.Left}
				for _, p := range done.Payments {
					shown.Payments = append(shown.Payments, p.ID)
				}
				return respond(http.StatusOK, shown)
			})
		},
	}
}

// allocating serves what changes what a payment pays.
func (e entities) allocating(o operation, do func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (*crm.Payment, error)) operation {
	o.needs, o.tag, o.status, o.result, o.versioned, o.keyed = may(e.resource(), access.Update), "finance", http.StatusOK, e.content(e.shown), true, true
	o.serve = func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		if err := c.permitAllocating(access.Update); err != nil {
			return answer{}, err
		}
		return e.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			p, err := do(ctx, tx, c, id)
			if err != nil {
				return answer{}, err
			}
			return e.answer(c, http.StatusOK, p)
		})
	}
	return o
}

func (e entities) allocate() operation {
	o := operation{
		id: "allocate-payment", summary: "Let a payment pay invoices",
		description: "Besides what it pays already. What is open of each invoice is lowered. Refused with field and rule: more than is open on either side, another customer or currency. Needs invoice:update besides.",
		body:        jsonBody(e.document, allocationInput{Allocations: []wantedAllocation{{InvoiceID: exampleID, Amount: "238.00"}}}),
	}
	return e.allocating(o, func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (*crm.Payment, error) {
		in, err := decode[allocationInput](c)
		if err != nil {
			return nil, err
		}
		add := make([]crm.PaymentAllocation, len(in.Allocations))
		for i, one := range in.Allocations {
			if add[i].InvoiceID, err = parseID("/allocations/"+strconv.Itoa(i)+"/invoice_id", one.InvoiceID); err != nil {
				return nil, err
			}
			if add[i].Amount, err = decimal.NewFromString(one.Amount); err != nil {
				return nil, err
			}
		}
		return e.allocations.Allocate(ctx, tx, c.author(), id, 0, add)
	})
}

func (e entities) reverseAllocation() operation {
	o := operation{
		id: "reverse-allocation", summary: "Let a payment pay an invoice no more",
		description: "What it paid of it is open again, on both. Refused where the finance system says that more of the invoice is open than its total would allow then. Needs invoice:update besides.",
		body:        jsonBody(e.document, reversal{InvoiceID: exampleID}),
	}
	return e.allocating(o, func(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (*crm.Payment, error) {
		in, err := decode[reversal](c)
		if err != nil {
			return nil, err
		}
		invoice, err := parseID("/invoice_id", in.InvoiceID)
		if err != nil {
			return nil, err
		}
		return e.allocations.Reverse(ctx, tx, c.author(), id, 0, invoice)
	})
}
