package inbox

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/duplicate"
)

// Candidate is a customer who may be the buyer, and why.
type Candidate struct {
	ID      uuid.UUID `json:"id"`
	Name    string    `json:"name"`
	Score   int       `json:"score" doc:"100 and more is surely the buyer, 60 to 99 possibly."`
	Reasons []Fact    `json:"reasons" nullable:"false" doc:"What the score is made of."`
}

// Fact is something that buyer and customer share, and what it counts.
type Fact struct {
	Kind  string `json:"kind" enum:"code,uscc,tax_id,phone,email,domain,name,similar_name,city" doc:"What is the same: code is the customer's, as the file names the buyer's number or electronic address."`
	Score int    `json:"score"`
}

// sure is from which score on a customer is the buyer; see package match.
const sure = 100

// OneIsSure reports whether the first of some candidates, the surest first, is the buyer, and no other could be.
func OneIsSure(found []Candidate) bool {
	return len(found) > 0 && found[0].Score >= sure && (len(found) == 1 || found[1].Score < sure)
}

// Candidates are the customers who may be the buyer of a file, the surest first, of those whom the caller sees.
func (s *Store) Candidates(ctx context.Context, tx pgx.Tx, item Item) ([]Candidate, error) {
	b := item.Buyer
	probe, _ := crm.New(crm.KindCustomer).(*crm.Customer)
	probe.Name, probe.TaxID, probe.Email, probe.Phone = b.Name, b.VATNumber, b.Email, b.Phone
	if len(b.Registration) == usccLength {
		probe.USCC = b.Registration
	} else {
		probe.TaxID = cmp.Or(probe.TaxID, b.Registration)
	}
	if b.City != "" {
		probe.Addresses = []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{City: b.City}}}
	}
	probe.Normalize()
	alike, err := duplicate.Check(ctx, tx, s.CRM, probe)
	if err != nil {
		return nil, err
	}
	found := []Candidate{}
	for _, m := range alike {
		if m.ID == nil {
			continue // the caller does not see him
		}
		c := Candidate{ID: *m.ID, Name: m.Title, Score: m.Score, Reasons: []Fact{}}
		for _, r := range m.Reasons {
			c.Reasons = append(c.Reasons, Fact(r))
		}
		found = append(found, c)
	}
	var codes []string
	for _, code := range []string{b.ID, b.Endpoint} {
		if code != "" {
			codes = append(codes, code)
		}
	}
	if len(codes) > 0 {
		page, err := s.CRM.List(ctx, tx, crm.KindCustomer, crm.Query{Filter: []crm.Condition{{Field: "code", Op: crm.OpIn, Value: codes}}, Limit: len(codes)})
		if err != nil {
			return nil, err
		}
		for _, e := range page.Items {
			customer, _ := e.(*crm.Customer)
			i := slices.IndexFunc(found, func(c Candidate) bool { return c.ID == customer.ID })
			if i < 0 {
				i, found = len(found), append(found, Candidate{ID: customer.ID, Name: customer.Name})
			}
			found[i].Score += sure
			found[i].Reasons = append([]Fact{{"code", sure}}, found[i].Reasons...)
		}
	}
	slices.SortStableFunc(found, func(a, b Candidate) int { return b.Score - a.Score })
	return found, nil
}

// usccLength is how many characters a 统一社会信用代码 has.
const usccLength = 18
