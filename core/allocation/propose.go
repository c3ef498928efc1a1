package allocation

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
)

// Invoice is a document with something open, as far as proposals look at it.
type Invoice struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	Number     string
	Currency   string
	Total      decimal.Decimal
	Open       decimal.Decimal // still to be paid; negative on a credit note
	Due        *crm.Date
	References []string // what else the payer may call it: its payment reference, its order's number, the buyer's order
}

// Payment is money of which a part pays nothing yet.
type Payment struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	Currency   string
	Date       crm.Date
	Open       decimal.Decimal // not allocated; negative for money paid back
	Texts      []string        // where the payer says what he pays: the bank's reference, the end-to-end id
}

// Certainty says what a person has to do about a proposal.
type Certainty string

// The certainties.
const (
	Certain Certainty = "certain" // the payer names each invoice, and they come to the payment to the cent
	Likely  Certainty = "likely"  // to the cent, and nothing else of the customer comes to it; but nothing names them
	Differs Certainty = "differs" // it does not come out even: a person decides
)

// Certainties are all of them, the surest first.
func Certainties() []Certainty { return []Certainty{Certain, Likely, Differs} }

// Reason is why invoices are proposed.
type Reason string

// The reasons.
const (
	Number    Reason = "number"     // the payer names the invoice's number
	Reference Reason = "reference"  // he names its payment reference or its order
	Amount    Reason = "amount"     // one invoice is open with exactly that amount
	Sum       Reason = "sum"        // several together are
	Near      Reason = "near"       // it lacks no more than a cash discount or a bank's fee
	Customers Reason = "same_payer" // they are the payer's
)

// Proposal is what a payment may pay.
type Proposal struct {
	PaymentID   uuid.UUID
	Allocations []crm.PaymentAllocation
	Certainty   Certainty
	Reasons     []Reason
	// Difference is the payment less what is open of the invoices: below zero stays open on an invoice, above zero stays
	// unallocated on the payment. It is zero unless the proposal [Differs].
	Difference decimal.Decimal
}

// A payment that lacks this much of an invoice, or brings this much more, is worth a look: cash discounts are 2 or 3 %, and banks
// on the way take a few euros.
var (
	nearPercent = decimal.NewFromInt(3) //nolint:gochecknoglobals // a constant
	nearFee     = decimal.NewFromInt(5) //nolint:gochecknoglobals // a constant
)

// mostSummed is up to how many open invoices of a payer are tried in every combination: 4096 sums.
const mostSummed = 12

// Propose says of each payment what it may pay; payments about which nothing is known are left out. All proposals together
// allocate no more than is open on either side, so each may be accepted whatever becomes of the others. The same input in
// another order gives the same proposals.
//
// Money of one currency pays invoices of that currency and of the same customer only; money paid back pays credit notes.
func Propose(payments []Payment, invoices []Invoice) []Proposal {
	desks := map[desk]*group{}
	at := func(customer uuid.UUID, currency string, open decimal.Decimal) *group {
		d := desk{customer, currency, open.IsNegative()}
		if desks[d] == nil {
			desks[d] = &group{}
		}
		return desks[d]
	}
	for _, v := range invoices {
		if !v.Open.IsZero() {
			g := at(v.CustomerID, v.Currency, v.Open)
			g.invoices = append(g.invoices, &claim{Invoice: v, left: v.Open.Abs()})
		}
	}
	for _, p := range payments {
		if !p.Open.IsZero() {
			g := at(p.CustomerID, p.Currency, p.Open)
			g.payments = append(g.payments, p)
		}
	}
	var all []Proposal
	for _, g := range desks {
		all = append(all, g.propose()...)
	}
	slices.SortFunc(all, func(a, b Proposal) int {
		return cmp.Or(slices.Index(Certainties(), a.Certainty)-slices.Index(Certainties(), b.Certainty), bytes.Compare(a.PaymentID[:], b.PaymentID[:]))
	})
	return all
}

// desk is where payments and invoices meet.
type desk struct {
	customer uuid.UUID
	currency string
	refund   bool
}

type group struct {
	payments []Payment
	invoices []*claim
}

// claim is an invoice with what no proposal has taken yet, as a positive amount.
type claim struct {
	Invoice
	left decimal.Decimal
}

// propose goes over the payments by certainty, so that what is certain is never taken by a guess.
func (g *group) propose() (found []Proposal) {
	slices.SortFunc(g.payments, func(a, b Payment) int {
		return cmp.Or(a.Date.Time().Compare(b.Date.Time()), bytes.Compare(a.ID[:], b.ID[:]))
	})
	slices.SortFunc(g.invoices, func(a, b *claim) int { return cmp.Or(cmp.Compare(dueOf(a), dueOf(b)), bytes.Compare(a.ID[:], b.ID[:])) })
	for _, rule := range []func(Payment) *Proposal{g.named, g.exact, g.summed, g.uneven} {
		g.payments = slices.DeleteFunc(g.payments, func(p Payment) bool {
			proposal := rule(p)
			if proposal != nil {
				found = append(found, *proposal)
			}
			return proposal != nil
		})
	}
	return found
}

// dueOf orders invoices by their day, those without one behind the others.
func dueOf(c *claim) string {
	if c.Due == nil {
		return "none"
	}
	return c.Due.String()
}

// named: the payer names invoices, and they come to what he paid.
func (g *group) named(p Payment) *Proposal {
	named, reasons := g.mentioned(p)
	if len(named) == 0 || !leftOf(named).Equal(p.Open.Abs()) {
		return nil
	}
	return g.take(p, named, Certain, append(reasons, comesTo(named)))
}

// comesTo is the reason that invoices come to what was paid.
func comesTo(claims []*claim) Reason {
	if len(claims) > 1 {
		return Sum
	}
	return Amount
}

// exact: one invoice alone has that amount, and the payer names no other.
func (g *group) exact(p Payment) *Proposal {
	if named, _ := g.mentioned(p); len(named) > 0 {
		return nil
	}
	var same []*claim
	for _, c := range g.open() {
		if c.left.Equal(p.Open.Abs()) {
			same = append(same, c)
		}
	}
	if len(same) != 1 {
		return nil
	}
	return g.take(p, same, Likely, []Reason{Amount, Customers})
}

// summed: one combination of invoices alone comes to that amount.
func (g *group) summed(p Payment) *Proposal {
	open := g.open()
	if named, _ := g.mentioned(p); len(named) > 0 || len(open) < 2 {
		return nil
	}
	if slices.ContainsFunc(open, func(c *claim) bool { return c.left.Equal(p.Open.Abs()) }) {
		return nil // one of several, or one of them and a combination: nobody knows which
	}
	if len(open) > mostSummed {
		if leftOf(open).Equal(p.Open.Abs()) {
			return g.take(p, open, Likely, []Reason{Sum, Customers})
		}
		return nil
	}
	var only []*claim
	for set := 1; set < 1<<len(open); set++ {
		var some []*claim
		for i, c := range open {
			if set&(1<<i) != 0 {
				some = append(some, c)
			}
		}
		if !leftOf(some).Equal(p.Open.Abs()) {
			continue
		}
		if only != nil {
			return nil
		}
		only = some
	}
	if only == nil {
		return nil
	}
	return g.take(p, only, Likely, []Reason{Sum, Customers})
}

// uneven: the payer names invoices that come to something else, or one is nearly paid.
func (g *group) uneven(p Payment) *Proposal {
	if named, reasons := g.mentioned(p); len(named) > 0 {
		if leftOf(named).Equal(p.Open.Abs()) { // now that another payment, by a guess, took what he names besides
			return g.take(p, named, Likely, append(reasons, comesTo(named)))
		}
		return g.take(p, named, Differs, reasons)
	}
	var near []*claim
	for _, c := range g.open() {
		lacks := c.left.Sub(p.Open.Abs()).Abs()
		if !lacks.IsZero() && (lacks.LessThanOrEqual(nearFee) && lacks.LessThan(c.left) || lacks.Mul(decimal.NewFromInt(100)).LessThanOrEqual(c.left.Mul(nearPercent))) {
			near = append(near, c)
		}
	}
	if len(near) != 1 {
		return nil
	}
	return g.take(p, near, Differs, []Reason{Near, Customers})
}

// take allocates a payment to invoices in their order, as far as it goes.
func (g *group) take(p Payment, to []*claim, certainty Certainty, reasons []Reason) *Proposal {
	sign, money := decimal.NewFromInt(1), p.Open.Abs()
	if p.Open.IsNegative() {
		sign = sign.Neg()
	}
	made := &Proposal{PaymentID: p.ID, Certainty: certainty, Reasons: reasons, Difference: money.Sub(leftOf(to)).Mul(sign)}
	for _, c := range to {
		amount := decimal.Min(money, c.left)
		if amount.IsZero() {
			break
		}
		c.left, money = c.left.Sub(amount), money.Sub(amount)
		made.Allocations = append(made.Allocations, crm.PaymentAllocation{InvoiceID: c.ID, Amount: amount.Mul(sign)})
	}
	return made
}

// open are the invoices of which something is left.
func (g *group) open() []*claim {
	var open []*claim
	for _, c := range g.invoices {
		if !c.left.IsZero() {
			open = append(open, c)
		}
	}
	return open
}

func leftOf(claims []*claim) (sum decimal.Decimal) {
	for _, c := range claims {
		sum = sum.Add(c.left)
	}
	return sum
}

// mentioned are the open invoices that the payer names, and how. By their numbers if he names one, else by what they refer to.
func (g *group) mentioned(p Payment) (named []*claim, reasons []Reason) {
	known := map[string]bool{}
	for _, c := range g.invoices {
		for _, name := range append([]string{c.Number}, c.References...) {
			known[key(name)] = true
		}
	}
	said := map[string]bool{}
	for _, text := range p.Texts {
		said = mention(text, known, said)
	}
	for _, way := range []struct {
		reason Reason
		names  func(c *claim) []string
	}{
		{Number, func(c *claim) []string { return []string{c.Number} }},
		{Reference, func(c *claim) []string { return c.References }},
	} {
		for _, c := range g.open() {
			if slices.ContainsFunc(way.names(c), func(name string) bool { return said[key(name)] }) {
				named = append(named, c)
			}
		}
		if len(named) > 0 {
			return named, []Reason{way.reason}
		}
	}
	return nil, nil
}

// key is what a number is recognized by, however it is written: RE-2026/0042 and re 2026 0042 are one. It is "" for what is
// too short to tell from a day or a house number.
func key(number string) string {
	k := strings.Join(tokens(number), "")
	digits := strings.Trim(k, "0123456789") == ""
	if !strings.ContainsAny(k, "0123456789") || digits && len(k) < 4 {
		return ""
	}
	return k
}

// tokens are the runs of letters and digits in a text, in capitals.
func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToUpper(text), func(r rune) bool {
		return r <= 0x7f && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
}

// longestName is of how many parts a number may be written.
const longestName = 8

// mention finds those of the known keys in a text that begin and end where its words do. Of keys that begin at one word the
// longest is meant: R-12 is not R-1.
func mention(text string, known, said map[string]bool) map[string]bool {
	words := tokens(text)
	for i := 0; i < len(words); {
		next := i + 1
		for n := min(longestName, len(words)-i); n > 0; n-- {
			if k := strings.Join(words[i:i+n], ""); k != "" && known[k] {
				said[k], next = true, i+n
				break
			}
		}
		i = next
	}
	return said
}
