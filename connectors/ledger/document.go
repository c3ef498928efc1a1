package ledger

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/schema"
)

// document is what all records have; a record uses those fields that its schema names.
type document struct {
	UID         string       `json:"uid"`
	Code        string       `json:"code"`
	SKU         string       `json:"sku"`
	Number      string       `json:"number"`
	Name        string       `json:"name"`
	Category    string       `json:"category"`
	Kind        string       `json:"kind"`
	Customer    string       `json:"customer"`
	IssueDate   string       `json:"issue_date"`
	DueDate     string       `json:"due_date"`
	Date        string       `json:"date"`
	Currency    string       `json:"currency"`
	Rate        string       `json:"rate"`
	Untaxed     string       `json:"untaxed"`
	Tax         string       `json:"tax"`
	Total       string       `json:"total"`
	Amount      string       `json:"amount"`
	Status      string       `json:"status"`
	Reverses    string       `json:"reverses"`
	Method      string       `json:"method"`
	Reference   string       `json:"reference"`
	Lines       []line       `json:"lines"`
	Allocations []allocation `json:"allocations"`
}

type line struct {
	Product string `json:"product"`
	TaxRate string `json:"tax_rate"`
	Untaxed string `json:"untaxed"`
	Tax     string `json:"tax"`
}

type allocation struct {
	Invoice string `json:"invoice"`
	Amount  string `json:"amount"`
}

// reader reads fields and collects what is wrong with them. The engine checked the record against its schema; what
// becomes syntax of a journal is checked here all the same.
type reader struct{ faults schema.Violations }

func (r *reader) fault(pointer, rule, message string) {
	r.faults = append(r.faults, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
}

func (r *reader) date(pointer, text string) time.Time {
	d, err := time.Parse(time.DateOnly, text)
	if err != nil || d.Year() < 1970 || d.Year() > 9999 {
		r.fault(pointer, "format", "must be a date like 2026-05-04, from 1970 on")
	}
	return d
}

func (r *reader) amount(pointer, text string) decimal.Decimal {
	if !schema.IsDecimal(text) || len(text) > 40 {
		r.fault(pointer, "format", "must be an amount like 12.50")
		return decimal.Zero
	}
	d, err := decimal.NewFromString(text)
	if err != nil {
		r.fault(pointer, "format", "must be an amount like 12.50")
	}
	return d
}

func (r *reader) id(pointer, text string) string {
	if !idForm.MatchString(text) {
		r.fault(pointer, "pattern", "must be the id of a record in this ledger")
	}
	return text
}

func (r *reader) currency(pointer, code string) int32 {
	digits, err := money.Digits(code)
	if err != nil || len(code) != 3 || code[0] < 'A' || code[0] > 'Z' {
		r.fault(pointer, "format", "must be a currency of ISO 4217, such as EUR")
	}
	return digits
}

// parseDocument checks what every record needs.
func parseDocument(record string, data map[string]any) (*document, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, schema.Violations{{Rule: "type", Message: "the record has a field of another type than its schema says"}}
	}
	var r reader
	if _, err := uuid.Parse(d.UID); err != nil {
		r.fault("/uid", "format", "must be the id of the entity")
	}
	needs := map[string]map[string]string{
		customer: {"/code": d.Code, "/name": d.Name}, product: {"/sku": d.SKU}, invoice: {"/number": d.Number}, payment: {"/number": d.Number},
	}[record]
	for pointer, value := range needs {
		if value == "" {
			r.fault(pointer, "required", "is required")
		}
	}
	if record == invoice || record == payment {
		switch d.Status {
		case "draft", "posted", "cancelled":
		default:
			r.fault("/status", "enum", "must be draft, posted or cancelled")
		}
	}
	return &d, r.faults.Err()
}

// cards answer what invoices and payments refer to.
type cards interface {
	card(record, id string) (*document, error)
}

// invoiceEntry is receivable against revenue, by line, and tax, by rate.
func (a *accounts) invoiceEntry(d *document, id string, known cards) (entry, *price, error) {
	var r reader
	kind := "Invoice"
	if d.Kind == "credit_note" {
		kind = "Credit note"
	}
	e := entry{date: r.date("/issue_date", d.IssueDate), text: kind + " " + d.Number, id: id, currency: d.Currency, digits: r.currency("/currency", d.Currency)}
	if d.DueDate != "" {
		e.tags = append(e.tags, tag{"due", r.date("/due_date", d.DueDate).Format(time.DateOnly)})
	}
	if d.Reverses != "" {
		e.tags = append(e.tags, tag{"reverses", r.id("/reverses", d.Reverses)})
	}
	total, untaxed, tax := r.amount("/total", d.Total), r.amount("/untaxed", d.Untaxed), r.amount("/tax", d.Tax)
	e.postings = []posting{{a.Receivables + ":" + r.id("/customer", d.Customer), total, id}}
	rest := total
	post := func(account string, amount decimal.Decimal) {
		e.add(account, "", amount.Neg())
		rest = rest.Sub(amount)
	}
	products := make([]subject, len(d.Lines))
	for i, l := range d.Lines {
		at := "/lines/" + strconv.Itoa(i)
		rate := r.amount(at+"/tax_rate", l.TaxRate)
		products[i] = subject{rate: &rate}
		if l.Product != "" && len(r.faults) == 0 {
			p, err := known.card(product, r.id(at+"/product", l.Product))
			if err != nil {
				return e, nil, err
			}
			products[i].sku, products[i].category = p.SKU, p.Category
		}
		post(a.revenue(products[i]), r.amount(at+"/untaxed", l.Untaxed))
	}
	for i, l := range d.Lines {
		post(a.tax(products[i]), r.amount("/lines/"+strconv.Itoa(i)+"/tax", l.Tax))
	}
	if len(d.Lines) == 0 {
		post(a.revenue(subject{}), untaxed)
		post(a.tax(subject{}), tax)
	}
	most := decimal.New(int64(len(d.Lines)+1), -e.digits)
	if rest.Abs().GreaterThan(most) {
		r.fault("/total", "sum", "must be what the lines and their taxes add up to")
	}
	post(a.Rounding, rest)
	var p *price
	if a.Base != "" && a.Base != d.Currency && d.Rate != "" {
		p = &price{date: e.date, currency: d.Currency, base: a.Base, rate: r.amount("/rate", d.Rate)}
	}
	if err := r.faults.Err(); err != nil {
		return e, nil, err
	}
	c, err := known.card(customer, d.Customer)
	if err == nil {
		e.payee = c.Name
	}
	return e, p, err
}

// paymentEntry is money against the receivables of the invoices it pays; what pays none is a prepayment.
func (a *accounts) paymentEntry(d *document, id string, known cards) (entry, error) {
	var r reader
	e := entry{date: r.date("/date", d.Date), text: "Payment " + d.Number, id: id, currency: d.Currency, digits: r.currency("/currency", d.Currency)}
	if d.Reference != "" {
		e.text += ", " + d.Reference
	}
	who := r.id("/customer", d.Customer)
	rest := r.amount("/amount", d.Amount)
	e.postings = []posting{{a.money(subject{method: d.Method, currency: d.Currency}), rest, ""}}
	for i, part := range d.Allocations {
		at := "/allocations/" + strconv.Itoa(i)
		amount := r.amount(at+"/amount", part.Amount)
		e.add(a.Receivables+":"+who, r.id(at+"/invoice", part.Invoice), amount.Neg())
		rest = rest.Sub(amount)
	}
	e.add(a.Prepayments+":"+who, "", rest.Neg())
	if err := r.faults.Err(); err != nil {
		return e, err
	}
	c, err := known.card(customer, who)
	if err == nil {
		e.payee = c.Name
	}
	return e, err
}
