package console

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// origins are what something new may be made of: the kind, the field that refers to it, and what is taken over, those of the new one first.
var origins = map[crm.Kind][]struct { //nolint:gochecknoglobals // a table
	of     crm.Kind
	by     string
	fields map[string]string
}{
	crm.KindOrder: {
		{crm.KindOpportunity, "opportunity_id", map[string]string{"customer_id": "customer_id", "contact_id": "primary_contact_id", "currency": "currency", "lines": "lines"}},
	},
	crm.KindContract: {
		{crm.KindOrder, "order_id", map[string]string{"name": "number", "customer_id": "customer_id", "opportunity_id": "opportunity_id", "currency": "currency", "amount": "total"}},
		{crm.KindOpportunity, "opportunity_id", map[string]string{"name": "name", "customer_id": "customer_id", "currency": "currency", "amount": "amount"}},
	},
}

// inherit completes a form for something new by what it is about, as far as the visitor may see that: an order has the customer and the lines
// of its opportunity, a contract what was sold, and whatever is of a customer is in his currency.
func (f *form) inherit(ctx context.Context, tx pgx.Tx) error {
	for _, o := range origins[f.view.kind] {
		from, err := f.origin(ctx, tx, o.of, o.by)
		if err != nil {
			return err
		}
		if from != nil {
			f.inheritFields(o.of, from, o.fields)
			return f.learn(ctx, tx, true)
		}
	}
	from, err := f.origin(ctx, tx, crm.KindCustomer, "customer_id")
	if err != nil {
		return err
	}
	f.inheritFields(crm.KindCustomer, from, ofCustomer)
	return nil
}

// ofCustomer are the fields that something new takes over from its customer.
var ofCustomer = map[string]string{"currency": "currency", "payment_term": "payment_term"} //nolint:gochecknoglobals // a table

// What a form for something new took over, and of which customer, goes along with it, so that another customer's can replace it.
const (
	takenOf   = "taken~of"
	takenMark = "taken~"
)

// follow takes over what the customer says who was chosen within the form, into fields that stand as the form gave them out. Once there
// is an amount the currency stays: the amount was written in it.
func (f *form) follow(ctx context.Context, tx pgx.Tx) error {
	id, _ := f.doc["customer_id"].(string)
	if id == "" || id == f.r.PostFormValue(takenOf) || !f.r.Form.Has(takenOf) {
		return nil
	}
	from, err := f.origin(ctx, tx, crm.KindCustomer, "customer_id")
	if err != nil || from == nil {
		return err
	}
	names := maps.Clone(ofCustomer)
	maps.DeleteFunc(names, func(name, _ string) bool {
		now, _ := f.doc[name].(string)
		return now != f.r.PostFormValue(takenMark+name) || name == "currency" && f.priced()
	})
	f.inheritFields(crm.KindCustomer, from, names)
	for name := range names {
		f.gave[name], _ = f.doc[name].(string)
	}
	return nil
}

// priced reports whether an amount was written that is in the form's currency.
func (f *form) priced() bool {
	written := func(in map[string]any, name string) bool {
		amount, _ := in[name].(string)
		return !isZero(amount)
	}
	items, _ := f.doc["lines"].([]any)
	return written(f.doc, "amount") || slices.ContainsFunc(items, func(item any) bool {
		line, _ := item.(map[string]any)
		return written(line, "price")
	})
}

// taken is what goes along with a form for something new that a customer's choice may still change.
func (f *form) taken() []option {
	var all []option
	for _, fd := range f.fields {
		if _, ok := ofCustomer[fd.Name]; ok {
			value, ok := f.gave[fd.Name]
			if posted := f.r.Form[takenMark+fd.Name]; !ok && len(posted) > 0 {
				value = posted[0]
			} else if !ok {
				value, _ = f.doc[fd.Name].(string)
			}
			all = append(all, option{Label: takenMark + fd.Name, Value: value})
		}
	}
	if all == nil || !slices.ContainsFunc(f.fields, func(fd field) bool { return fd.Name == "customer_id" }) {
		return nil
	}
	id, _ := f.doc["customer_id"].(string)
	return append(all, option{Label: takenOf, Value: id})
}

// origin is the document that a reference of the form leads to; nil if it leads nowhere, or where the visitor may not look.
func (f *form) origin(ctx context.Context, tx pgx.Tx, k crm.Kind, name string) (map[string]any, error) {
	id, err := uuid.Parse(fmt.Sprint(f.doc[name]))
	if err == nil && f.who.May(access.Resource(k), access.Read) != "" {
		found, err := f.console.CRM.Get(ctx, tx, k, []uuid.UUID{id})
		if err != nil || found[id] == nil {
			return nil, err
		}
		return f.document(found[id])
	}
	return nil, nil
}

// inheritFields takes what a document says into fields that the form asks for and the address says nothing of. The names of the
// document's fields stand behind those of the form's.
func (f *form) inheritFields(k crm.Kind, from map[string]any, names map[string]string) {
	given := f.r.URL.Query()
	for _, fd := range f.fields {
		source, ok := names[fd.Name]
		value := from[source]
		if !ok || value == nil || value == "" || given.Has(fd.Name) || f.who.Hides(access.Resource(k), source) {
			continue
		}
		if items, list := value.([]any); list {
			value = linesOf(fd, items)
		}
		f.doc[fd.Name] = value
	}
}

// linesOf are lines of another document, as far as a list asks for the same.
func linesOf(fd field, items []any) []any {
	lines := []any{}
	for _, item := range items {
		m, _ := item.(map[string]any)
		line := map[string]any{}
		for _, inner := range fd.fields {
			if value := m[inner.Name]; value != nil && !inner.carried() {
				line[inner.Name] = value
			}
		}
		lines = append(lines, line)
	}
	return lines[:min(len(lines), longestList)]
}

// invite gives a new order its first line to be filled in; left as it is, it costs nothing.
func (f *form) invite() {
	if f.view.kind != crm.KindOrder {
		return
	}
	i := slices.IndexFunc(f.fields, func(fd field) bool { return fd.Name == "lines" })
	if items, _ := f.doc["lines"].([]any); i >= 0 && len(items) == 0 {
		f.doc["lines"] = []any{f.blankRow(f.fields[i])}
	}
}

// untouched reports whether a row says no more than a new one does.
func (f *form) untouched(fd field, row any) bool {
	m, ok := row.(map[string]any)
	return ok && len(fd.fields) > 0 && sameMembers(fd.fields, m, f.blankRow(fd))
}
