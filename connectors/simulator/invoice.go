package simulator

import (
	"fmt"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// sale is an order the ERP has confirmed: invoices refer to it.
type sale struct {
	ID       string `json:"id"`
	Rev      int64  `json:"rev"`
	Changed  stamp  `json:"changed"`
	OrderRef string `json:"order_ref"` // the order's reference, as the customer knows it
	ClientID string `json:"client_id"`
	Ordered  string `json:"ordered"` // 2006-01-02
	Currency string `json:"currency"`
}

// invoice is a posted document: but for what is open on it, it never changes.
type invoice struct {
	ID       string          `json:"id"`
	Rev      int64           `json:"rev"`
	Changed  stamp           `json:"changed"`
	No       string          `json:"no"`
	ClientID string          `json:"client_id"`
	SaleID   string          `json:"sale_id"`
	Issued   string          `json:"issued"` // 2006-01-02
	Due      string          `json:"due"`
	Currency string          `json:"currency"`
	Items    []item          `json:"items"`
	Net      decimal.Decimal `json:"net"`
	Tax      decimal.Decimal `json:"tax"`
	Gross    decimal.Decimal `json:"gross"`
	Open     decimal.Decimal `json:"open"`
	Status   string          `json:"status"` // open, part_paid, paid
}

type item struct {
	Text     string          `json:"text"`
	Unit     string          `json:"unit,omitempty"`
	Quantity decimal.Decimal `json:"quantity"`
	Price    decimal.Decimal `json:"price"`
	Discount decimal.Decimal `json:"discount"` // percent
	TaxRate  decimal.Decimal `json:"tax_rate"` // percent
	Net      decimal.Decimal `json:"net"`
	Tax      decimal.Decimal `json:"tax"`
}

// receipt is money that came in.
type receipt struct {
	ID        string          `json:"id"`
	Rev       int64           `json:"rev"`
	Changed   stamp           `json:"changed"`
	No        string          `json:"no"`
	ClientID  string          `json:"client_id"`
	Booked    string          `json:"booked"` // 2006-01-02
	Method    string          `json:"method"`
	Purpose   string          `json:"purpose"`
	Currency  string          `json:"currency"`
	Amount    decimal.Decimal `json:"amount"`
	Allocated []allocation    `json:"allocated"`
}

type allocation struct {
	InvoiceID string          `json:"invoice_id"`
	Amount    decimal.Decimal `json:"amount"`
}

const paymentDays = 30

// enter makes a sale of an order the ERP confirmed. It reports false while the finance system does not know the client.
func (f *Finance) enter(o order, p party) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.clients.byReference[p.Ref]
	if len(known) == 0 {
		return false
	}
	at := f.clock.next()
	made := &row[sale]{id: fmt.Sprintf("so_%06d", f.sales.next())}
	made.data = sale{
		ID: made.id, Rev: 1, Changed: stamp(at), OrderRef: o.Ref, ClientID: known[0].id,
		Ordered: o.DocDate[:4] + "-" + o.DocDate[4:6] + "-" + o.DocDate[6:], Currency: o.Currency,
	}
	f.sales.put(made, strconv.FormatInt(o.OrderID, 10), at)
	return true
}

// bill makes the invoice of an order that was entered as a sale.
func (f *Finance) bill(o order) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sales.byReference[strconv.FormatInt(o.OrderID, 10)][0].data
	n := f.invoices.next()
	made := &row[invoice]{id: fmt.Sprintf("in_%06d", n)}
	at := f.clock.next()
	v := invoice{
		ID: made.id, No: fmt.Sprintf("RE-%06d", n), ClientID: s.ClientID, SaleID: s.ID,
		Issued: at.Format(time.DateOnly), Due: at.AddDate(0, 0, paymentDays).Format(time.DateOnly), Currency: o.Currency,
		Net: o.Net.Decimal, Tax: o.VAT.Decimal, Gross: o.Gross.Decimal, Open: o.Gross.Decimal, Status: "open",
	}
	for _, p := range o.Positions {
		v.Items = append(v.Items, item{
			Text: p.Text, Unit: p.UOM, Quantity: p.Quantity.Decimal, Price: p.Price100.Shift(-2),
			Discount: p.Rebate.Shift(2), TaxRate: p.VATRate.Shift(2), Net: p.Net.Decimal, Tax: p.VAT.Decimal,
		})
	}
	if v.Open.IsZero() {
		v.Status = "paid"
	} else {
		f.open = append(f.open, made)
	}
	f.storeInvoice(made, v, o.Ref, at)
}

func (f *Finance) storeInvoice(to *row[invoice], v invoice, reference string, at time.Time) {
	v.Rev, v.Changed = to.rev+1, stamp(at)
	to.data = v
	f.invoices.put(to, reference, at)
}

// tick lets the bank pay: each invoice whole, but every fifth in two parts.
func (f *Finance) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.open) == 0 {
		return
	}
	at := f.clock.next()
	still := f.open[:0]
	for _, r := range f.open {
		v := r.data
		amount := v.Open
		v.Status = "paid"
		if r.seq%5 == 0 && v.Open.Equal(v.Gross) {
			if half := v.Gross.DivRound(decimal.NewFromInt(2), digitsOf(v.Currency)); half.LessThan(v.Gross) {
				amount, v.Status = half, "part_paid"
				still = append(still, r)
			}
		}
		v.Open = v.Open.Sub(amount)
		f.storeInvoice(r, v, r.reference, at)
		f.receive(v, amount, at)
	}
	clear(f.open[len(still):])
	f.open = still
}

func (f *Finance) receive(v invoice, amount decimal.Decimal, at time.Time) {
	n := f.receipts.next()
	made := &row[receipt]{id: fmt.Sprintf("rc_%06d", n)}
	made.data = receipt{
		ID: made.id, Rev: 1, Changed: stamp(at), No: fmt.Sprintf("ZE-%06d", n), ClientID: v.ClientID, Booked: at.Format(time.DateOnly),
		Method: "transfer", Purpose: v.No, Currency: v.Currency, Amount: amount,
		Allocated: []allocation{{InvoiceID: v.ID, Amount: amount}},
	}
	f.receipts.put(made, v.No, at)
}
