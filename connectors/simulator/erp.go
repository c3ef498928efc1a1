package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// ERP keeps parties (customers), articles (products) and sales orders. A repeated create of a party or an article with
// the same Idempotency-Key is dropped; one of an order is not: it makes a second order, as most real systems would.
type ERP struct {
	mu       sync.RWMutex
	clock    clock
	parties  *table[party]
	articles *table[article]
	orders   *table[order]
	open     []*row[order] // not at their end yet, by number
	finance  *Finance
	*trouble
}

func newERP(config Config, finance *Finance) *ERP {
	return &ERP{
		clock: clock{now: config.Now}, parties: newTable[party](), articles: newTable[article](), orders: newTable[order](),
		finance: finance, trouble: newTrouble(config.ERP),
	}
}

// SetFaults changes the faults from now on.
func (e *ERP) SetFaults(f Faults) { e.set(f) }

func (e *ERP) routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) { mux.Handle(pattern, e.around(h)) }
	handle("GET /erp/v2/ping", func(*http.Request) answer {
		return answer{status: http.StatusOK, body: map[string]string{"system": "Simulated ERP", "release": "2"}}
	})
	handle("GET /erp/v2/parties", list(&e.mu, erpPage, e.parties))
	handle("GET /erp/v2/parties/{id}", get(&e.mu, e.parties))
	handle("POST /erp/v2/parties", e.createParty)
	handle("PUT /erp/v2/parties/{id}", e.updateParty)
	handle("GET /erp/v2/articles", list(&e.mu, erpPage, e.articles))
	handle("GET /erp/v2/articles/{id}", get(&e.mu, e.articles))
	handle("POST /erp/v2/articles", e.createArticle)
	handle("PUT /erp/v2/articles/{id}", e.updateArticle)
	handle("GET /erp/v2/orders", list(&e.mu, erpPage, e.orders))
	handle("GET /erp/v2/orders/{id}", get(&e.mu, e.orders))
	handle("POST /erp/v2/orders", e.createOrder)
	handle("PUT /erp/v2/orders/{id}", e.updateOrder)
	return mux
}

func get[T any](mu *sync.RWMutex, t *table[T]) handler {
	return func(r *http.Request) answer {
		mu.RLock()
		defer mu.RUnlock()
		found := t.byID[r.PathValue("id")]
		if found == nil {
			return notFound(r)
		}
		return answer{status: http.StatusOK, body: found.data}
	}
}

func notFound(r *http.Request) answer {
	return refuse(http.StatusNotFound, "NOT_FOUND", "", "there is no "+r.PathValue("id"))
}

// stale refuses a change whose writer had not seen the last one. A writer that says nothing (no If-Match) is let through.
func stale(r *http.Request, rev int64) *answer {
	seen := strings.Trim(r.Header.Get("If-Match"), `"`)
	if seen == "" || seen == strconv.FormatInt(rev, 10) {
		return nil
	}
	a := refuse(http.StatusPreconditionFailed, "STALE", "rev", "the record has changed: it has rev "+strconv.FormatInt(rev, 10))
	return &a
}

// repeated returns what an earlier create with the same Idempotency-Key made.
func repeated[T any](r *http.Request, t *table[T]) *answer {
	made := t.byKey[r.Header.Get("Idempotency-Key")]
	if made == nil {
		return nil
	}
	return &answer{status: http.StatusOK, body: made.data}
}

func remember[T any](r *http.Request, t *table[T], made *row[T]) {
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		t.byKey[key] = made
	}
}
