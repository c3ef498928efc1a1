package simulator

import (
	"fmt"
	"net/http"
	"sync"
)

// Finance keeps clients (customers), sales (orders), invoices and receipts (payments). Clients are given by callers; a
// client reference is unique, so a repeated create is refused with 409. Sales and invoices come from the ERP and receipts
// from the bank: nobody else makes them. Amounts are texts.
type Finance struct {
	mu       sync.RWMutex
	clock    clock
	clients  *table[client]
	sales    *table[sale]
	invoices *table[invoice]
	receipts *table[receipt]
	open     []*row[invoice] // not paid yet, by number
	*trouble
}

func newFinance(config Config) *Finance {
	return &Finance{
		clock: clock{now: config.Now}, clients: newTable[client](), sales: newTable[sale](), invoices: newTable[invoice](), receipts: newTable[receipt](),
		trouble: newTrouble(config.Finance),
	}
}

// SetFaults changes the faults from now on.
func (f *Finance) SetFaults(faults Faults) { f.set(faults) }

func (f *Finance) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) { mux.Handle(pattern, f.around(h)) }
	handle("GET /finance/api/ping", func(*http.Request) answer {
		return answer{status: http.StatusOK, body: map[string]string{"system": "Simulated finance", "release": "1"}}
	})
	handle("GET /finance/api/clients", list(&f.mu, financePage, f.clients))
	handle("GET /finance/api/clients/{id}", get(&f.mu, f.clients))
	handle("POST /finance/api/clients", f.createClient)
	handle("PUT /finance/api/clients/{id}", f.updateClient)
	handle("GET /finance/api/sales", list(&f.mu, financePage, f.sales))
	handle("GET /finance/api/sales/{id}", get(&f.mu, f.sales))
	handle("GET /finance/api/invoices", list(&f.mu, financePage, f.invoices))
	handle("GET /finance/api/invoices/{id}", get(&f.mu, f.invoices))
	handle("GET /finance/api/receipts", list(&f.mu, financePage, f.receipts))
	handle("GET /finance/api/receipts/{id}", get(&f.mu, f.receipts))
	return mux
}

// client is the finance system's customer.
type client struct {
	ID        string `json:"id,omitempty"`
	Rev       int64  `json:"rev,omitempty"`
	Changed   stamp  `json:"changed,omitzero"`
	Ref       string `json:"external_ref"`
	Company   string `json:"company"`
	VATNumber string `json:"vat_number,omitempty"`
	Currency  string `json:"currency,omitempty"`
	Email     string `json:"email,omitempty"`
	Phone     string `json:"phone,omitempty"`
}

func (c client) check() *answer {
	var bad answer
	switch {
	case c.Ref == "":
		bad = refuse(http.StatusUnprocessableEntity, "REQUIRED", "external_ref", "a client needs a reference")
	case c.Company == "":
		bad = refuse(http.StatusUnprocessableEntity, "REQUIRED", "company", "a client needs a company")
	default:
		return nil
	}
	return &bad
}

func (f *Finance) createClient(r *http.Request) answer {
	var c client
	if bad := decode(r, &c); bad != nil {
		return *bad
	}
	if bad := c.check(); bad != nil {
		return *bad
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.clients.byReference[c.Ref]) > 0 {
		return duplicate()
	}
	made := &row[client]{id: fmt.Sprintf("cl_%06d", f.clients.next())}
	f.storeClient(made, c)
	return answer{status: http.StatusCreated, body: made.data}
}

func duplicate() answer {
	return refuse(http.StatusConflict, "DUPLICATE", "external_ref", "there is a client with this reference")
}

func (f *Finance) updateClient(r *http.Request) answer {
	var c client
	if bad := decode(r, &c); bad != nil {
		return *bad
	}
	if bad := c.check(); bad != nil {
		return *bad
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.clients.byID[r.PathValue("id")]
	if old == nil {
		return notFound(r)
	}
	if bad := stale(r, old.rev); bad != nil {
		return *bad
	}
	if other := f.clients.byReference[c.Ref]; len(other) > 0 && other[0] != old {
		return duplicate()
	}
	f.storeClient(old, c)
	return answer{status: http.StatusOK, body: old.data}
}

func (f *Finance) storeClient(to *row[client], c client) {
	at := f.clock.next()
	c.ID, c.Rev, c.Changed = to.id, to.rev+1, stamp(at)
	to.data = c
	f.clients.put(to, c.Ref, at)
}
