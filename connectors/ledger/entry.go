package ledger

import (
	"time"

	"github.com/shopspring/decimal"
)

// entry is a transaction. Its postings are of one currency and add up to zero.
type entry struct {
	date     time.Time
	payee    string
	text     string
	id       string // the document's
	tags     []tag
	currency string
	digits   int32 // decimals the currency counts in
	postings []posting
}

// tag is a fact beside an entry: a date or an id, no text of a document's.
type tag struct{ name, value string }

type posting struct {
	account string
	amount  decimal.Decimal
	invoice string // the id of the invoice that it is about, "" for none
}

// add adds an amount, to the posting of the same account and invoice if there is one.
func (e *entry) add(account, invoice string, amount decimal.Decimal) {
	if amount.IsZero() {
		return
	}
	for i, p := range e.postings {
		if p.account == account && p.invoice == invoice {
			e.postings[i].amount = p.amount.Add(amount)
			return
		}
	}
	e.postings = append(e.postings, posting{account, amount, invoice})
}

// reversed is the entry that takes e back, on a day.
func (e entry) reversed(on time.Time) entry {
	back := e
	back.date, back.text = on, "Cancelled: "+e.text
	back.postings = make([]posting, len(e.postings))
	for i, p := range e.postings {
		back.postings[i] = posting{p.account, p.amount.Neg(), p.invoice}
	}
	return back
}

// price says what one unit of a currency is worth in another.
type price struct {
	date     time.Time
	currency string
	base     string
	rate     decimal.Decimal
}

// number is an amount with at least the currency's decimals: all that it has, for an entry must add up.
func (e entry) number(amount decimal.Decimal) string {
	return amount.StringFixed(max(e.digits, -amount.Exponent()))
}
