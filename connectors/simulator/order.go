package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// order is a sales order. The caller gives what is sold to whom; the ERP adds number, state and amounts.
type order struct {
	OrderID   int64      `json:"order_id,omitempty"`
	Rev       int64      `json:"rev,omitempty"`
	Changed   stamp      `json:"changed,omitzero"`
	State     state      `json:"state,omitempty"`
	Ref       string     `json:"external_ref"`
	PartyNo   string     `json:"party_no"`
	DocDate   string     `json:"doc_date"`            // 20060102
	WishDate  string     `json:"wish_date,omitempty"` // 20060102
	Currency  string     `json:"currency"`
	YourRef   string     `json:"your_ref,omitempty"`
	Terms     string     `json:"terms,omitempty"`
	Note      string     `json:"note,omitempty"`
	BillTo    *address   `json:"bill_to,omitempty"`
	DeliverTo *address   `json:"deliver_to,omitempty"`
	Positions []position `json:"positions"`
	Net       number     `json:"net"`
	VAT       number     `json:"vat"`
	Gross     number     `json:"gross"`
}

type position struct {
	ArticleNo string `json:"article_no,omitempty"`
	Text      string `json:"text"`
	UOM       string `json:"uom,omitempty"`
	Quantity  number `json:"quantity"`
	Price100  number `json:"price_per_100"`
	Rebate    number `json:"rebate"` // a fraction
	VATRate   number `json:"vat_rate"`
	Shipped   number `json:"shipped"`
	Billed    number `json:"billed"`
	Net       number `json:"net"`
	VAT       number `json:"vat"`
}

// state is how far an order has come.
type state string

const (
	parked    state = "parked"   // a caller's draft: it waits until the caller sends another state
	offered   state = "offered"  // likewise
	received  state = "received" // the first of those that follow each other by themselves
	confirmed state = "confirmed"
	shipped   state = "shipped"
	invoiced  state = "invoiced" // the last
	blocked   state = "blocked"  // by a caller, until it sends received
	cancelled state = "cancelled"
	closed    state = "closed" // by a caller: what is not billed yet never will be
)

// next is what an order's state becomes when a caller wants another; false if that is not the caller's to say.
// A state that the order had already is no wish: the caller has only not seen yet how far it has come.
func (s state) next(wanted state) (state, bool) {
	way := []state{parked, offered, received, confirmed, shipped, invoiced}
	at, to := slices.Index(way, s), slices.Index(way, wanted)
	early := s == "" || s == parked || s == offered
	switch {
	case wanted == s:
		return s, true
	case to >= 0 && to <= at:
		return s, true
	case wanted == received && (early || s == blocked), early && (wanted == parked || wanted == offered):
		return wanted, true
	case wanted == cancelled && (early || s == received || s == confirmed || s == blocked):
		return wanted, true
	case wanted == blocked && (s == received || s == confirmed), wanted == closed && s == shipped:
		return wanted, true
	}
	return s, false
}

func (e *ERP) createOrder(r *http.Request) answer {
	var o order
	if bad := decode(r, &o); bad != nil {
		return *bad
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if bad := e.checkOrder(o); bad != nil {
		return *bad
	}
	begin, ok := state("").next(cmp.Or(o.State, received))
	if !ok {
		return badState("", o.State)
	}
	id := int64(500000 + e.orders.next())
	made := &row[order]{id: strconv.FormatInt(id, 10)}
	o.OrderID, o.State = id, begin
	o.calculate()
	e.storeOrder(made, o, e.clock.next())
	e.open = append(e.open, made)
	return answer{status: http.StatusCreated, body: made.data}
}

func (e *ERP) updateOrder(r *http.Request) answer {
	var o order
	if bad := decode(r, &o); bad != nil {
		return *bad
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.orders.byID[r.PathValue("id")]
	if old == nil {
		return notFound(r)
	}
	if bad := stale(r, old.rev); bad != nil {
		return *bad
	}
	before := old.data.State
	after, ok := before.next(cmp.Or(o.State, before))
	if before == after && slices.Contains([]state{shipped, invoiced, cancelled, closed}, before) {
		if same(o, old.data) {
			return answer{status: http.StatusOK, body: old.data}
		}
		return refuse(http.StatusLocked, "ORDER_CLOSED", "state", "the order is "+string(before)+" and cannot be changed any more")
	}
	if !ok {
		return badState(before, o.State)
	}
	if bad := e.checkOrder(o); bad != nil {
		return *bad
	}
	if after == closed {
		o = old.data // the goods are with the customer
	} else {
		o.calculate()
	}
	o.OrderID, o.State = old.data.OrderID, after
	e.storeOrder(old, o, e.clock.next())
	return answer{status: http.StatusOK, body: old.data}
}

// same reports whether a caller says of an order what is stored already: that is no change, and never refused.
func same(said, stored order) bool {
	a, errA := json.Marshal(said.content())
	b, errB := json.Marshal(stored.content())
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// content is the order without what only the ERP sets.
func (o order) content() order {
	o.OrderID, o.Rev, o.Changed, o.State = 0, 0, stamp{}, ""
	o.Net, o.VAT, o.Gross = number{}, number{}, number{}
	o.Positions = slices.Clone(o.Positions)
	for i := range o.Positions {
		p := &o.Positions[i]
		p.Shipped, p.Billed, p.Net, p.VAT = number{}, number{}, number{}, number{}
	}
	return o
}

func badState(from, to state) answer {
	return refuse(http.StatusLocked, "BAD_STATE", "state", fmt.Sprintf("an order cannot be brought from %q to %q from outside", from, to))
}

func (e *ERP) storeOrder(to *row[order], o order, at time.Time) {
	o.Rev, o.Changed = to.rev+1, stamp(at)
	to.data = o
	e.orders.put(to, o.Ref, at)
}

// checkOrder refuses an order of which the ERP does not know all parts.
func (e *ERP) checkOrder(o order) *answer {
	refusal := func(code, field, text string) *answer {
		a := refuse(http.StatusUnprocessableEntity, code, field, text)
		return &a
	}
	party := e.parties.byID[o.PartyNo]
	switch {
	case party == nil:
		return refusal("UNKNOWN", "party_no", "there is no party "+o.PartyNo)
	case party.data.Blocked:
		return refusal("PARTY_BLOCKED", "party_no", "party "+o.PartyNo+" is blocked")
	case len(o.Currency) != 3:
		return refusal("BAD_VALUE", "currency", "it must be a currency")
	case len(o.Positions) == 0:
		return refusal("REQUIRED", "positions", "an order needs positions")
	}
	for name, date := range map[string]string{"doc_date": o.DocDate, "wish_date": o.WishDate} {
		if _, err := time.Parse("20060102", date); err != nil && (date != "" || name == "doc_date") {
			return refusal("BAD_VALUE", name, "it must be a date like 20060102")
		}
	}
	for i, p := range o.Positions {
		at := fmt.Sprintf("positions[%d].", i)
		switch {
		case p.ArticleNo != "" && e.articles.byID[p.ArticleNo] == nil:
			return refusal("UNKNOWN", at+"article_no", "there is no article "+p.ArticleNo)
		case !p.Quantity.IsPositive():
			return refusal("BAD_VALUE", at+"quantity", "it must be positive")
		case p.Price100.IsNegative():
			return refusal("BAD_VALUE", at+"price_per_100", "it must not be negative")
		case !isFraction(p.Rebate):
			return refusal("BAD_VALUE", at+"rebate", "it must be a fraction, such as 0.05")
		case !isFraction(p.VATRate):
			return refusal("BAD_VALUE", at+"vat_rate", "it must be a fraction, such as 0.2")
		}
	}
	return nil
}

// calculate sets the amounts as the ERP sees them: it believes no sums of others.
func (o *order) calculate() {
	digits := digitsOf(o.Currency)
	lines := make([]taxed, len(o.Positions))
	for i, p := range o.Positions {
		share := decimal.NewFromInt(1).Sub(p.Rebate.Decimal)
		lines[i] = taxed{net: p.Quantity.Mul(p.Price100.Shift(-2)).Mul(share).Round(digits), rate: p.VATRate.Decimal}
	}
	net, vat := addTaxes(lines, digits)
	for i, l := range lines {
		p := &o.Positions[i]
		p.Net, p.VAT, p.Shipped, p.Billed = number{l.net}, number{l.tax}, number{}, number{}
	}
	o.Net, o.VAT, o.Gross = number{net}, number{vat}, number{net.Add(vat)}
}

// tick lets every open order that goes by itself go one step further. A new one waits until the finance system knows its client.
func (e *ERP) tick() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) == 0 {
		return
	}
	at := e.clock.next()
	e.open = slices.DeleteFunc(e.open, func(r *row[order]) bool {
		o := r.data
		switch o.State {
		case received:
			if !e.finance.enter(o, e.parties.byID[o.PartyNo].data) {
				return false
			}
			o.State = confirmed
		case confirmed:
			o.State = shipped
			o.Positions = slices.Clone(o.Positions)
			for i := range o.Positions {
				o.Positions[i].Shipped = o.Positions[i].Quantity
			}
		case shipped:
			e.finance.bill(o)
			o.State = invoiced
			o.Positions = slices.Clone(o.Positions)
			for i := range o.Positions {
				o.Positions[i].Billed = o.Positions[i].Quantity
			}
		case cancelled, closed:
			return true
		default:
			return false
		}
		e.storeOrder(r, o, at)
		return o.State == invoiced
	})
}
