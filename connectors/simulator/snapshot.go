package simulator

import (
	"sync"

	"github.com/shopspring/decimal"
)

// Snapshot is what a system has really stored, whatever it answered: in the order of creation.
type Snapshot struct {
	Customers []Document // ERP: parties; finance: clients
	Products  []Document // ERP
	Orders    []Document // ERP
	Invoices  []Document // finance
	Payments  []Document // finance
	Faults    map[Fault]int
}

// Document is one stored record in the words of the hub.
type Document struct {
	ID        string
	Number    string // of invoices and payments, as people know them
	Reference string // the caller's; of an invoice the order's, of a payment the invoice's number
	State     string // "" where there is none
	Currency  string
	Total     decimal.Decimal // gross amount; zero where there is none
	Note      string          // of orders
}

// Snapshot tells what the ERP has stored.
func (e *ERP) Snapshot() Snapshot {
	return Snapshot{
		Customers: documents(&e.mu, e.parties, func(d *Document, p party) { d.Currency = p.Currency }),
		Products:  documents(&e.mu, e.articles, func(d *Document, a article) { d.Currency, d.State = a.Currency, a.Phase }),
		Orders: documents(&e.mu, e.orders, func(d *Document, o order) {
			d.Currency, d.State, d.Total, d.Note = o.Currency, string(o.State), o.Gross.Decimal, o.Note
		}),
		Faults: e.counted(),
	}
}

// Snapshot tells what the finance system has stored.
func (f *Finance) Snapshot() Snapshot {
	return Snapshot{
		Customers: documents(&f.mu, f.clients, func(d *Document, c client) { d.Currency = c.Currency }),
		Invoices: documents(&f.mu, f.invoices, func(d *Document, v invoice) {
			d.Number, d.Currency, d.State, d.Total = v.No, v.Currency, v.Status, v.Gross
		}),
		Payments: documents(&f.mu, f.receipts, func(d *Document, r receipt) {
			d.Number, d.Currency, d.Total = r.No, r.Currency, r.Amount
		}),
		Faults: f.counted(),
	}
}

func documents[T any](mu *sync.RWMutex, t *table[T], fill func(*Document, T)) []Document {
	mu.RLock()
	defer mu.RUnlock()
	found := make([]Document, len(t.rows))
	for i, r := range t.rows {
		found[i] = Document{ID: r.id, Reference: r.reference}
		fill(&found[i], r.data)
	}
	return found
}
