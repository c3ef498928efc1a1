package console

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

// learn completes lines whose product was chosen, by what is known of the product: those that are not described yet, or every one.
func (f *form) learn(ctx context.Context, tx pgx.Tx, every bool) error {
	i := slices.IndexFunc(f.fields, func(fd field) bool { return fd.Name == "lines" })
	if i < 0 || f.who.May(access.Resource(crm.KindProduct), access.Read) == "" {
		return nil
	}
	lacks := func(line map[string]any, name string) bool {
		has := slices.ContainsFunc(f.fields[i].fields, func(fd field) bool { return fd.Name == name })
		return has && (line[name] == nil || line[name] == "")
	}
	items, _ := f.doc["lines"].([]any)
	bare := map[uuid.UUID][]map[string]any{}
	for _, item := range items {
		line, _ := item.(map[string]any)
		id, err := uuid.Parse(fmt.Sprint(line["product_id"]))
		if description, _ := line["description"].(string); err == nil && (every || description == "") {
			bare[id] = append(bare[id], line)
		}
	}
	products, err := f.console.CRM.Get(ctx, tx, crm.KindProduct, slices.Collect(maps.Keys(bare)))
	if err != nil {
		return err
	}
	for id, e := range products {
		doc, err := f.document(e)
		if err != nil {
			return err
		}
		for _, line := range bare[id] {
			if old, _ := line["description"].(string); old == "" {
				line["description"] = doc["name"]
			}
			for _, name := range []string{"unit", "tax_rate"} {
				if known := doc[name]; known != nil && lacks(line, name) {
					line[name] = known
				}
			}
			if !lacks(line, "price") {
				continue
			}
			price, err := f.price(ctx, tx, id, doc, line)
			if err != nil {
				return err
			}
			if price != nil {
				line["price"] = price
			}
		}
	}
	return nil
}

// price is what a line's product costs in the form's currency: by the standard price list, for the line's quantity, on the form's day, else the
// product's own. It is nil where there is none that the visitor may see.
func (f *form) price(ctx context.Context, tx pgx.Tx, id uuid.UUID, product, line map[string]any) (any, error) {
	q := crm.PriceQuestion{Product: id, List: crm.StandardList, On: f.day}
	q.Currency, _ = f.doc["currency"].(string)
	var err error
	if q.Quantity, err = decimal.NewFromString(fmt.Sprint(line["qty"])); err != nil {
		q.Quantity = decimal.NewFromInt(1)
	}
	r := access.Resource(crm.KindPrice)
	if f.who.May(r, access.Read) != "" && !f.who.Hides(r, "amount") {
		switch p, err := f.console.CRM.PriceFor(ctx, tx, q); {
		case err == nil:
			return p.Amount.String(), nil
		case !errors.Is(err, crm.ErrNotFound):
			return nil, err
		}
	}
	if product["currency"] == q.Currency {
		return product["list_price"], nil
	}
	return nil, nil //nolint:nilnil // there is none
}

// unpriced are the lines that somebody filled in but for the price: the store would take it for nothing.
func (f *form) unpriced() (vs schema.Violations) {
	i := slices.IndexFunc(f.fields, func(fd field) bool { return fd.Name == "lines" })
	if i < 0 || !slices.ContainsFunc(f.fields[i].fields, func(fd field) bool { return fd.Name == "price" }) {
		return nil
	}
	items, _ := f.doc["lines"].([]any)
	for n, item := range items {
		if line, _ := item.(map[string]any); line["price"] == nil {
			vs = append(vs, schema.Violation{Pointer: "/lines/" + strconv.Itoa(n) + "/price", Rule: "required", Message: "is missing", Said: schema.Say("price_missing")})
		}
	}
	return vs
}
