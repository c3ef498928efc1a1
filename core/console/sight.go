package console

import (
	"github.com/shopspring/decimal"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// narrow asks of a list what the visitor may see of the kind.
func (v *visit) narrow(k crm.Kind, q *crm.Query) {
	r := access.Resource(k)
	q.Owners, q.Blind = v.who.Owners(r, access.Read), v.who.Blind(r)
}

// withheld is an amount that the visitor may not see, shown as a dash. No amount of the store has such an exponent.
var withheld = decimal.New(0, 127) //nolint:gochecknoglobals // a constant

// present returns an entity as the visitor sees it: hidden fields are empty, masked texts show their end.
func (v *visit) present(e crm.Entity) (crm.Entity, error) {
	r := access.Resource(e.Kind())
	if len(v.who.FieldRules(r)) == 0 {
		return e, nil
	}
	doc, err := crm.Document(e)
	if err != nil {
		return nil, err
	}
	seen, err := crm.FromDocument(e.Kind(), v.who.Present(r, doc))
	if err != nil {
		return nil, err
	}
	amounts := map[string]*decimal.Decimal{}
	switch e := seen.(type) {
	case *crm.Order:
		amounts = map[string]*decimal.Decimal{"untaxed": &e.Untaxed, "tax": &e.Tax, "total": &e.Total}
	case *crm.Invoice:
		amounts = map[string]*decimal.Decimal{"untaxed": &e.Untaxed, "tax": &e.Tax, "total": &e.Total, "residual": &e.Residual}
	}
	for field, amount := range amounts {
		if v.who.Hides(r, field) {
			*amount = withheld
		}
	}
	return seen, nil
}
