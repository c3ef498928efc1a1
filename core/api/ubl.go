package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/paper"
	"crmhub/core/schema"
)

const ublType = "application/xml"

// billed is what an electronic invoice says of a customer: it is refused to whom a field of it is hidden, since it must say
// all of it.
var billed = []string{"name", "uscc", "tax_id", "addresses", "invoice_profiles"} //nolint:gochecknoglobals // a table

func (e entities) electronic() operation {
	return operation{
		id: "get-invoice-ubl", needs: may(e.resource(), access.Read), tag: "entities", summary: "Get an invoice as an electronic one",
		description: "UBL 2.1 under EN 16931, of an issued invoice or credit note. It says of the seller what /seller knows. " +
			"409 where the data are not enough for one: each violation names the field, in the invoice or below /seller and /customer, and the rule of EN 16931. " +
			"Refused to whom a field that it says is hidden, of the invoice or of the customer.",
		status: http.StatusOK, result: fileContent("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:Invoice-2\"/>", ublType),
		problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if err := c.permitPrint(e.kind); err != nil {
				return answer{}, err
			}
			if err := c.permitBilled(); err != nil {
				return answer{}, err
			}
			organization, err := e.Access.Organization(ctx, c.who.Organization)
			if err != nil {
				return answer{}, err
			}
			var b bytes.Buffer
			var v *crm.Invoice
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				found, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
				if err != nil {
					return err
				}
				entity, err := e.present(found, id)
				if err != nil {
					return err
				}
				v, _ = entity.(*crm.Invoice)
				billing, err := e.billing(ctx, tx, c, v, organization)
				if err != nil {
					return err
				}
				return paper.UBL(&b, v, billing)
			})
			if missing, ok := errors.AsType[schema.Violations](err); ok {
				return answer{}, &Problem{
					Type: problemType("incomplete"), Title: "The data are not enough for an electronic invoice", Status: http.StatusConflict,
					Detail: "Add what is missing, or mend what is wrong, where the violations point.", Violations: invalid(missing).Violations,
				}
			}
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: fmt.Sprintf("%s %s.xml", slug(string(e.kind)), v.Number), mediaType: ublType,
				send: func(w io.Writer) error {
					_, err := b.WriteTo(w)
					return err
				},
			}}, nil
		},
	}
}

// permitBilled refuses what must say all of a customer to whom something of him is hidden.
func (c *call) permitBilled() error {
	resource := access.Resource(crm.KindCustomer)
	need := may(resource, access.Read)
	if c.who.May(resource, access.Read) == "" {
		return forbidden(need, "The document says who the customer is, whom you do not see.")
	}
	for _, field := range c.who.Blind(resource) {
		if slices.Contains(billed, field) {
			return forbidden(need, fmt.Sprintf("The document shows the customer's field %s, which you do not see.", field))
		}
	}
	return nil
}

// billing gathers what an electronic invoice says besides the invoice. The order and the invoice that is corrected are
// named as far as the caller sees them.
func (e entities) billing(ctx context.Context, tx pgx.Tx, c *call, v *crm.Invoice, o access.Organization) (b paper.Billing, err error) {
	seller, err := e.Access.Seller(ctx, tx)
	if err != nil {
		return b, err
	}
	if seller.Name == "" {
		seller.Name = o.Name
	}
	b = paper.Billing{Seller: paper.Seller(seller), BaseCurrency: o.BaseCurrency}
	if b.Customer, err = e.billedSeen(ctx, tx, c, v); err != nil {
		return b, err
	}
	if order := access.Resource(crm.KindOrder); v.OrderID != nil && c.who.May(order, access.Read) != "" && len(c.who.Blind(order)) == 0 {
		found, err := e.CRM.Get(ctx, tx, crm.KindOrder, []uuid.UUID{*v.OrderID})
		if err != nil {
			return b, err
		}
		b.Order, _ = found[*v.OrderID].(*crm.Order)
	}
	if v.ReversesID != nil {
		found, err := e.CRM.Get(ctx, tx, crm.KindInvoice, []uuid.UUID{*v.ReversesID})
		if err != nil {
			return b, err
		}
		b.Reversed, _ = found[*v.ReversesID].(*crm.Invoice)
	}
	return b, nil
}
