package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmhub/core/firmtest"
	"crmhub/core/postgres"
)

const (
	clients    = 32 // who ask at the same time
	loadLength = 10 * time.Second
)

// load lets many ask at the same time, what people ask in a day: half of it records, a third lists, a sixth searches; and one write meanwhile.
// It says how many answers there were a second, how long each kind of them took, and how long the writes.
func (f *largeFirm) load(b *testing.B) {
	day := time.Now().AddDate(0, 0, -30).Format(time.DateOnly)
	mix := []struct{ name, path string }{
		{"read", "/customers/{id}"},
		{"read", "/customers/{id}"},
		{"read", "/customers/{id}"},
		{"list", "/orders?limit=20"},
		{"list", "/customers?lifecycle=lead&sort=name"},
		{"list", "/invoices?payment_status=unpaid&sort=due_date"},
		{"list", "/activities?sort=-at&at[ge]=" + day + "T00:00:00Z"},
		{"read", "/customers/{id}"},
		{"list", "/orders?customer_id={id}&limit=10"},
		{"read", "/customers/{id}?expand=owner"},
		{"search", "/search?q=" + url.QueryEscape("northwind 12")},
		{"search", "/search?q=C-0000123"},
	}
	tokens := make([]string, clients)
	for client := range tokens {
		tokens[client] = f.firm.Token(b, firmtest.Reader(postgres.Scopes()[client%4]))
	}
	f.storm(b, "load", func(client, n int) (kind, token, path string) {
		next := mix[(client*5+n)%len(mix)]
		return next.name, tokens[client], f.about(next.path, client+n)
	})
}

// flood lets one caller ask what takes the longest, as often as he can, while others read.
func (f *largeFirm) flood(b *testing.B) {
	f.storm(b, "flood", func(client, n int) (kind, token, path string) {
		if client >= 4 {
			return "slow", f.tokens[postgres.ScopeDepartmentTree], fmt.Sprintf("/customers?name[contains]=zz%d&limit=1", n)
		}
		return "read", f.tokens[postgres.ScopeOrganization], f.about("/customers/{id}", client+n)
	})
}

// storm lets clients ask until the time is over, and a writer write. What is out of a caller's reach is not there, and what takes too long is given up.
func (f *largeFirm) storm(b *testing.B, name string, next func(client, n int) (kind, token, path string)) {
	b.Helper()
	var mu sync.Mutex
	took := map[string][]time.Duration{}
	note := func(kind string, began time.Time) {
		mu.Lock()
		defer mu.Unlock()
		took[kind] = append(took[kind], time.Since(began))
	}
	over := time.Now().Add(loadLength)
	var answered atomic.Int64
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for n := 0; time.Now().Before(over); n++ {
				kind, token, path := next(client, n)
				began := time.Now()
				f.ask(http.MethodGet, path, token, nil, http.StatusOK, http.StatusNotFound, http.StatusServiceUnavailable)
				note(kind, began)
				answered.Add(1)
			}
		})
	}
	chief := f.firm.Token(b, firmtest.Admin)
	wg.Go(func() {
		for n := 0; time.Now().Before(over); n++ {
			began := time.Now()
			f.ask(http.MethodPatch, f.about("/customers/{id}", n), chief, fmt.Appendf(nil, `{"remark":"written %d"}`, n), http.StatusOK)
			note("write", began)
		}
	})
	wg.Wait()
	b.ReportMetric(float64(answered.Load())/loadLength.Seconds(), name+"/s")
	for kind, all := range took {
		slices.Sort(all)
		b.ReportMetric(ms(all[len(all)/2]), name+"-"+kind+"-p50-ms")
		b.ReportMetric(ms(all[len(all)*99/100]), name+"-"+kind+"-p99-ms")
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
