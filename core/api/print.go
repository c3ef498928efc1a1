package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/language"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/paper"
	"crmhub/core/privacy"
)

// printed are the kinds that can be had as documents, and what these show of an entity: nothing for whom a field of it is
// hidden or masked, since a document with holes would be taken for the whole.
var printed = map[crm.Kind][]string{ //nolint:gochecknoglobals // a table
	crm.KindOrder: {
		"number", "customer_id", "client_ref", "date", "promised_date", "currency", "payment_term", "status", "untaxed", "tax", "total", "bill_address", "ship_address", "lines", "instalments",
	},
	crm.KindInvoice: {
		"number", "kind", "fapiao_type", "customer_id", "order_id", "issue_date", "due_date", "currency", "untaxed", "tax", "total", "residual", "status", "lines",
	},
}

const (
	languageParameter = "lang"
	pdfType           = "application/pdf"
)

func (e entities) print() operation {
	choices := paper.Languages()
	names := make([]any, len(choices))
	for i, l := range choices {
		names[i] = string(l)
	}
	return operation{
		id: "print-" + slug(string(e.kind)), needs: may(e.resource(), access.Read), tag: "entities", summary: "Get " + article(e.kind) + " as PDF",
		description: "A4, to be printed or sent. Refused to whom a field that it shows is hidden; of the customer it shows what the caller sees.",
		parameters: []*huma.Param{
			queryParameter(languageParameter, "The language; what Accept-Language asks for if left out, else the caller's own.", &huma.Schema{Type: huma.TypeString, Enum: names}, string(paper.English)),
		},
		status: http.StatusOK, result: fileContent("%PDF-1.7", pdfType),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			lang, err := c.language()
			if err != nil {
				return answer{}, err
			}
			if err := c.permitPrint(e.kind); err != nil {
				return answer{}, err
			}
			organization, err := e.Access.Organization(ctx, c.who.Organization)
			if err != nil {
				return answer{}, err
			}
			var b bytes.Buffer
			var number string
			err = e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) error {
				found, err := e.CRM.Get(ctx, tx, e.kind, []uuid.UUID{id})
				if err != nil {
					return err
				}
				entity, err := e.present(found, id)
				if err != nil {
					return err
				}
				number, err = e.printEntity(ctx, tx, c, &b, entity, paper.Parties{Organization: organization.Name}, lang)
				return err
			})
			if err != nil {
				return answer{}, err
			}
			return answer{Status: http.StatusOK, file: &file{
				name: fmt.Sprintf("%s %s.pdf", slug(string(e.kind)), number), mediaType: pdfType,
				send: func(w io.Writer) error {
					_, err := b.WriteTo(w)
					return err
				},
			}}, nil
		},
	}
}

// printEntity writes an order or an invoice and returns its number.
func (e entities) printEntity(ctx context.Context, tx pgx.Tx, c *call, w io.Writer, entity crm.Entity, p paper.Parties, lang paper.Language) (number string, err error) {
	switch entity := entity.(type) {
	case *crm.Order:
		if p.Customer, err = e.customerSeen(ctx, tx, c, entity.CustomerID); err != nil {
			return "", err
		}
		return entity.Number, paper.Order(w, entity, p, lang)
	case *crm.Invoice:
		if p.Customer, err = e.billedSeen(ctx, tx, c, entity); err != nil {
			return "", err
		}
		order, err := e.orderNumberSeen(ctx, tx, c, entity.OrderID)
		if err != nil {
			return "", err
		}
		return entity.Number, paper.Invoice(w, entity, order, p, lang)
	default:
		return "", fmt.Errorf("print %s: there is no document of this kind", entity.Kind())
	}
}

// permitPrint refuses a document to whom a field rule hides something that it shows.
func (c *call) permitPrint(k crm.Kind) error {
	for _, field := range c.who.Blind(access.Resource(k)) {
		if slices.Contains(printed[k], field) {
			return forbidden(c.route.needs, fmt.Sprintf("The document shows the field %s, which you do not see.", field))
		}
	}
	return nil
}

// billedSeen is customerSeen of an invoice. Once issued it shows who was billed, even if he is erased since.
func (e entities) billedSeen(ctx context.Context, tx pgx.Tx, c *call, v *crm.Invoice) (*crm.Customer, error) {
	customer, err := e.customerSeen(ctx, tx, c, v.CustomerID)
	if err != nil || customer == nil || v.Status == "draft" || len(c.who.Blind(access.Resource(crm.KindCustomer))) > 0 {
		return customer, err
	}
	return customer, privacy.Party(ctx, tx, customer)
}

// customerSeen returns the customer with what the caller sees of him; nil if that is nothing.
func (e entities) customerSeen(ctx context.Context, tx pgx.Tx, c *call, id uuid.UUID) (*crm.Customer, error) {
	resource := access.Resource(crm.KindCustomer)
	if c.who.May(resource, access.Read) == "" {
		return nil, nil //nolint:nilnil // none is an answer
	}
	found, err := e.CRM.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	customer, ok := found[id].(*crm.Customer)
	if !ok {
		return nil, nil //nolint:nilnil // as above
	}
	for _, field := range c.who.Blind(resource) {
		switch field {
		case "name":
			customer.Name = ""
		case "uscc":
			customer.USCC = ""
		case "tax_id":
			customer.TaxID = ""
		case "addresses":
			customer.Addresses = nil
		case "invoice_profiles":
			customer.InvoiceProfiles = nil
		}
	}
	return customer, nil
}

// orderNumberSeen returns the number of an order, "" if the caller does not see it.
func (e entities) orderNumberSeen(ctx context.Context, tx pgx.Tx, c *call, id *uuid.UUID) (string, error) {
	resource := access.Resource(crm.KindOrder)
	if id == nil || c.who.May(resource, access.Read) == "" || slices.Contains(c.who.Blind(resource), "number") {
		return "", nil
	}
	found, err := e.CRM.Get(ctx, tx, crm.KindOrder, []uuid.UUID{*id})
	if err != nil {
		return "", err
	}
	if o, ok := found[*id].(*crm.Order); ok {
		return o.Number, nil
	}
	return "", nil
}

// language is the one asked for, else the first of the browser's that there is, else the caller's own.
func (c *call) language() (paper.Language, error) {
	all := paper.Languages()
	names := make([]string, len(all))
	tags := make([]language.Tag, len(all))
	for i, l := range all {
		names[i], tags[i] = string(l), language.MustParse(string(l))
	}
	var faults parameterFaults
	chosen := c.choiceIn(languageParameter, names, &faults)
	if err := faults.err(); err != nil || chosen != "" {
		return paper.Language(chosen), err
	}
	asked, _, err := language.ParseAcceptLanguage(c.request.Header.Get("Accept-Language"))
	if err == nil && len(asked) > 0 {
		if _, i, confidence := language.NewMatcher(tags).Match(asked...); confidence != language.No {
			return all[i], nil
		}
	}
	return paper.Language(c.who.Locale), nil
}
