package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

const (
	currencyForm = `^[A-Z]{3}$`
	listForm     = `^[^\x00-\x1f\x7f]{1,64}$`
	quantityForm = `^[0-9]{1,14}(\.[0-9]{1,6})?$`
)

// foundPrice is what a product costs, and why.
type foundPrice struct {
	Amount   string      `json:"amount" doc:"What one unit costs, untaxed." example:"9.5"`
	Currency string      `json:"currency" example:"EUR"`
	On       string      `json:"on" format:"date" doc:"The day it was looked up for."`
	Quantity string      `json:"quantity" example:"12" doc:"The quantity it was looked up for."`
	Source   priceSource `json:"source" enum:"price,standard_price,list_price" doc:"price: one of the price list asked for. standard_price: one of the list standard, since that list has none. list_price: the product's own, since neither has."`
	PriceID  *uuid.UUID  `json:"price_id,omitempty" doc:"The price that applies: of those of the list and currency that are valid on the day and begin at the quantity or below, the one that begins highest."`
	List     string      `json:"price_list,omitempty" doc:"Its price list."`
	MinQty   string      `json:"min_qty,omitempty" doc:"From which quantity on it applies."`
	From     string      `json:"valid_from,omitempty" format:"date" doc:"Its first day."`
	To       string      `json:"valid_to,omitempty" format:"date" doc:"Its last day; open if absent."`
}

type priceSource string

// getPrice answers what a product costs.
func (e entities) getPrice() operation {
	example := crm.PriceQuestion{List: crm.StandardList, Currency: "EUR", Quantity: decimal.NewFromInt(12), On: exampleDay()}
	id := uuid.MustParse(exampleID)
	shown := &crm.Price{Head: crm.Head{ID: id}, PriceList: crm.StandardList, Amount: decimal.RequireFromString("9.5"), MinQty: decimal.NewFromInt(10), ValidFrom: exampleDay()}
	return operation{
		id: "get-product-price", needs: may(e.resource(), access.Read), tag: "entities", summary: "Say what a product costs",
		description: "Needs the permission price:read too. 404 also where the product has no price for what is asked: none is converted from another currency.",
		parameters: []*huma.Param{
			dayParameter("at", "On which day; today if left out."),
			queryParameter("quantity", "For how many; 1 if left out.", &huma.Schema{Type: huma.TypeString, Pattern: quantityForm}, "12"),
			queryParameter("currency", "In which currency; if left out the customer's, else the product's, else the organization's own.", &huma.Schema{Type: huma.TypeString, Pattern: currencyForm}, "EUR"),
			queryParameter("price_list", "Of which price list; standard if left out.", &huma.Schema{Type: huma.TypeString, Pattern: listForm}, crm.StandardList),
			idParameter("customer_id", "For whom: in this customer's currency, if none is given."),
		},
		status: http.StatusOK, result: jsonBody(e.document, priceFound(example, shown, "price")),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			if err := c.permitPrices(); err != nil {
				return answer{}, err
			}
			var faults parameterFaults
			q := crm.PriceQuestion{
				Product: id, List: cmp.Or(c.formIn("price_list", listForm, &faults), crm.StandardList), Currency: c.formIn("currency", currencyForm, &faults), On: c.dayIn("at", &faults),
			}
			q.Quantity, _ = decimal.NewFromString(cmp.Or(c.formIn("quantity", quantityForm, &faults), "1"))
			customer := c.idIn("customer_id", &faults)
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			return ok(postgres.Get(ctx, e.DB, c.who.Principal, func(tx pgx.Tx) (_ foundPrice, err error) {
				if q.On.IsZero() {
					if q.On, err = e.CRM.Today(ctx, tx); err != nil {
						return foundPrice{}, err
					}
				}
				return e.findPrice(ctx, tx, c, q, customer)
			}))
		},
	}
}

// permitPrices refuses whom a rule keeps from what prices are made of.
func (c *call) permitPrices() error {
	if err := c.permit(crm.KindPrice, access.Read); err != nil {
		return err
	}
	for _, f := range []struct {
		kind  crm.Kind
		field string
	}{{crm.KindPrice, "amount"}, {crm.KindProduct, "list_price"}} {
		if c.who.Hides(access.Resource(f.kind), f.field) {
			return forbidden(c.route.needs, fmt.Sprintf("You do not see the field %s of %s.", f.field, f.kind.Plural()))
		}
	}
	return nil
}

func (e entities) findPrice(ctx context.Context, tx pgx.Tx, c *call, q crm.PriceQuestion, customer uuid.UUID) (foundPrice, error) {
	found, err := e.CRM.Get(ctx, tx, crm.KindProduct, []uuid.UUID{q.Product})
	if err != nil {
		return foundPrice{}, err
	}
	entity, err := e.present(found, q.Product)
	if err != nil {
		return foundPrice{}, err
	}
	product, _ := entity.(*crm.Product)
	theirs, err := e.currencyOf(ctx, tx, c, customer)
	if err != nil {
		return foundPrice{}, err
	}
	base, err := e.CRM.BaseCurrency(ctx, tx)
	if err != nil {
		return foundPrice{}, err
	}
	q.Currency = cmp.Or(q.Currency, theirs, product.Currency, base)
	source := priceSource("price")
	price, err := e.CRM.PriceFor(ctx, tx, q)
	if errors.Is(err, crm.ErrNotFound) && q.List != crm.StandardList {
		standard := q
		standard.List, source = crm.StandardList, "standard_price"
		price, err = e.CRM.PriceFor(ctx, tx, standard)
	}
	if err == nil {
		return priceFound(q, price, source), nil
	}
	if !errors.Is(err, crm.ErrNotFound) {
		return foundPrice{}, err
	}
	if product.ListPrice == nil || cmp.Or(product.Currency, base) != q.Currency {
		return foundPrice{}, &Problem{
			Type: problemType("no-price"), Title: "There is no price", Status: http.StatusNotFound,
			Detail: fmt.Sprintf("The product has no price in %s for %s on %s.", q.Currency, q.Quantity, q.On),
		}
	}
	return foundPrice{Amount: product.ListPrice.String(), Currency: q.Currency, On: q.On.String(), Quantity: q.Quantity.String(), Source: "list_price"}, nil
}

// currencyOf is a customer's currency; "" where no customer is named, or none of his that the caller sees.
func (e entities) currencyOf(ctx context.Context, tx pgx.Tx, c *call, customer uuid.UUID) (string, error) {
	if customer == uuid.Nil {
		return "", nil
	}
	if err := c.permit(crm.KindCustomer, access.Read); err != nil {
		return "", err
	}
	found, err := e.CRM.Get(ctx, tx, crm.KindCustomer, []uuid.UUID{customer})
	if err != nil {
		return "", err
	}
	of, ok := found[customer].(*crm.Customer)
	if !ok || of.DeletedAt != nil {
		return "", parameterFault("customer_id", "exists", "must be the id of a customer here")
	}
	if c.who.Hides(access.Resource(crm.KindCustomer), "currency") {
		return "", nil
	}
	return of.Currency, nil
}

func priceFound(q crm.PriceQuestion, p *crm.Price, source priceSource) foundPrice {
	found := foundPrice{
		Amount: p.Amount.String(), Currency: q.Currency, On: q.On.String(), Quantity: q.Quantity.String(), Source: source,
		PriceID: &p.ID, List: p.PriceList, MinQty: p.MinQty.String(), From: p.ValidFrom.String(),
	}
	if p.ValidTo != nil {
		found.To = p.ValidTo.String()
	}
	return found
}

// foundRate is what a currency is worth in another, and why.
type foundRate struct {
	From  string     `json:"from" example:"USD"`
	To    string     `json:"to" example:"EUR"`
	On    string     `json:"on" format:"date" doc:"The day it was looked up for."`
	Rate  string     `json:"rate" doc:"What one unit of the first is worth in the second, to ten decimals." example:"0.9"`
	Rates []usedRate `json:"rates" nullable:"false" doc:"The rates it is made of, each to the organization's own currency: those of the day or the latest before."`
}

type usedRate struct {
	ID       uuid.UUID `json:"id"`
	Currency string    `json:"currency" example:"USD"`
	Date     string    `json:"date" format:"date"`
	Rate     string    `json:"rate" example:"0.9"`
}

// getRate answers what a currency is worth in another.
func (e entities) getRate() operation {
	on := exampleDay().String()
	needs := may(e.resource(), access.Read)
	return operation{
		id: "get-rate", needs: needs, tag: "entities", summary: "Say what a currency is worth",
		description: "By way of the organization's own currency, so two others are made of two rates. 404 where there is none on that day or before.",
		parameters: []*huma.Param{
			{Name: "from", In: "query", Required: true, Description: "Which currency.", Schema: &huma.Schema{Type: huma.TypeString, Pattern: currencyForm}, Example: "USD"},
			queryParameter("to", "In which; in the organization's own if left out.", &huma.Schema{Type: huma.TypeString, Pattern: currencyForm}, "EUR"),
			dayParameter("at", "On which day; today if left out."),
		},
		status: http.StatusOK, result: jsonBody(e.document, foundRate{
			From: "USD", To: "EUR", On: on, Rate: "0.9", Rates: []usedRate{{ID: uuid.MustParse(exampleID), Currency: "USD", Date: on, Rate: "0.9"}},
		}), problems: []int{http.StatusNotFound},
		serve: func(ctx context.Context, c *call) (answer, error) {
			if c.who.Hides(e.resource(), "rate") {
				return answer{}, forbidden(needs, "You do not see the field rate of currency_rates.")
			}
			var faults parameterFaults
			from, to, on := c.formIn("from", currencyForm, &faults), c.formIn("to", currencyForm, &faults), c.dayIn("at", &faults)
			if !c.query.Has("from") {
				faults.add("from", "required", "is required")
			}
			if err := faults.err(); err != nil {
				return answer{}, err
			}
			var found crm.Conversion
			err := e.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
				if to == "" {
					if to, err = e.CRM.BaseCurrency(ctx, tx); err != nil {
						return err
					}
				}
				if on.IsZero() {
					if on, err = e.CRM.Today(ctx, tx); err != nil {
						return err
					}
				}
				found, err = e.CRM.Convert(ctx, tx, from, to, on)
				return err
			})
			if errors.Is(err, crm.ErrNotFound) {
				return answer{}, &Problem{
					Type: problemType("no-rate"), Title: "There is no rate", Status: http.StatusNotFound,
					Detail: fmt.Sprintf("There is no rate of %s in %s on %s or before.", from, to, on),
				}
			}
			if err != nil {
				return answer{}, err
			}
			shown := foundRate{From: from, To: to, On: on.String(), Rate: found.Rate.String(), Rates: []usedRate{}}
			for _, r := range found.Rates {
				shown.Rates = append(shown.Rates, usedRate{ID: r.ID, Currency: r.Currency, Date: r.Date.String(), Rate: r.Rate.String()})
			}
			return respond(http.StatusOK, shown)
		},
	}
}

// formIn reads a text of a form in the query; "" if it is not there.
func (c *call) formIn(name, form string, faults *parameterFaults) string {
	given := c.query.Get(name)
	if c.query.Has(name) && !regexp.MustCompile(form).MatchString(given) {
		faults.add(name, "format", "must match "+form)
	}
	return given
}

// dayIn reads a day in the query; zero, for the organization's today, if it is not there.
func (c *call) dayIn(name string, faults *parameterFaults) crm.Date {
	if !c.query.Has(name) {
		return crm.Date{}
	}
	day, err := crm.ParseDate(c.query.Get(name))
	if err != nil || day.Time().Year() < 1 {
		faults.add(name, "format", "must be a date like 2006-01-02")
	}
	return day
}

func dayParameter(name, description string) *huma.Param {
	return queryParameter(name, description, &huma.Schema{Type: huma.TypeString, Format: "date"}, "2026-09-01")
}

func exampleDay() crm.Date {
	day, _ := crm.ParseDate("2026-09-01")
	return day
}
