package console

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
)

const sellerPath = organizationPath + "/seller"

// sellerPage is the data of the page that says how the organization stands on its papers and e-invoices.
type sellerPage struct {
	Groups  []sellerGroup
	CanEdit bool
	Faults  []string
}

// sellerGroup is a part of the form.
type sellerGroup struct {
	Key    string // of its title in the catalogue
	Inputs []input
}

// sellerField is a text of a seller, and which control asks for it.
type sellerField struct {
	name, form string
	to         *string
	hinted     bool // what it means is said below it
}

// sellerFields are the texts of a seller, in the groups in which people look for them.
func sellerFields(s *access.Seller) map[string][]sellerField {
	return map[string][]sellerField{
		"seller.company": {{"name", "text", &s.Name, true}, {"vat_number", "text", &s.VATNumber, true}, {"tax_number", "text", &s.TaxNumber, false}, {"registration", "text", &s.Registration, false}},
		"seller.address": {{"street", "text", &s.Street, false}, {"postcode", "text", &s.Postcode, false}, {"city", "text", &s.City, false}, {"province", "text", &s.Province, false}, {"country", "text", &s.Country, true}},
		"seller.reach": {
			{"contact", "text", &s.Contact, true},
			{"phone", "tel", &s.Phone, false},
			{"email", "email", &s.Email, false},
			{"endpoint", "text", &s.Endpoint, true},
			{"endpoint_scheme", "text", &s.EndpointScheme, true},
		},
		"seller.account": {{"bank_account", "text", &s.BankAccount, true}, {"bank", "text", &s.Bank, false}},
	}
}

// sellerGroups are the groups, in order.
var sellerGroups = []string{"seller.company", "seller.address", "seller.account", "seller.reach"} //nolint:gochecknoglobals // a constant list

func (c *Console) showSeller(ctx context.Context, v *visit) error {
	return v.writeSeller(ctx, nil)
}

func (v *visit) writeSeller(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	s, err := get(ctx, v, func(tx pgx.Tx) (access.Seller, error) { return v.console.Access.Seller(ctx, tx) })
	if err != nil {
		return err
	}
	p := sellerPage{CanEdit: v.who.May(access.Organizations, access.Update) != ""}
	fields := sellerFields(&s)
	for _, key := range sellerGroups {
		g := sellerGroup{Key: key}
		for _, f := range fields[key] {
			in := q.ask(f.name, v.say("seller."+f.name), f.form, *f.to)
			if f.hinted {
				in.Hint = v.say("seller." + f.name + "_hint")
			}
			g.Inputs = append(g.Inputs, in)
		}
		p.Groups = append(p.Groups, g)
	}
	p.Faults = q.rest()
	v.here = sellerPath
	return v.writeForm("seller", p, wrong)
}

func (c *Console) changeSeller(ctx context.Context, v *visit) error {
	var s access.Seller
	for _, group := range sellerFields(&s) {
		for _, f := range group {
			*f.to = strings.TrimSpace(v.r.PostFormValue(f.name))
		}
	}
	s.Country, s.EndpointScheme = strings.ToUpper(s.Country), strings.ToUpper(s.EndpointScheme)
	err := v.as(ctx, func(tx pgx.Tx) error { return c.Access.UpdateSeller(ctx, tx, s) })
	if err != nil {
		return v.writeSeller(ctx, err)
	}
	return v.done(sellerPath, "saved")
}
