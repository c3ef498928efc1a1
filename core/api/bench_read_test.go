package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"crmhub/core/postgres"
)

// How reads are measured: by turns, so that what else the machine does meets both sides, and in many of them, of which the middle counts.
const (
	readers     = 4
	readTurn    = time.Second
	readTurns   = 9
	readWarming = 500 * time.Millisecond
)

// reads returns how many customers a second are read by id, how many by the floor, and the ratio of the two: the medians of the turns.
func (f *largeFirm) reads() (read, bare, ratio float64) {
	floor := f.floor()
	defer floor.Close()
	sides := []string{f.server.URL + "/api/v1/customers/", floor.URL + "/?id="}
	for _, side := range sides {
		f.rate(readWarming, side)
	}
	var rates [2][]float64
	var ratios []float64
	for turn := range readTurns {
		for i := range sides {
			side := (turn + i) % 2 // who begins takes turns, too
			rates[side] = append(rates[side], f.rate(readTurn, sides[side]))
		}
		ratios = append(ratios, rates[0][turn]/rates[1][turn])
	}
	return median(rates[0]), median(rates[1]), median(ratios)
}

func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }

// floor answers with the same customers by a query of pgx behind net/http, and nothing else: no caller, no rules, no rows of a customer's parts.
func (f *largeFirm) floor() *httptest.Server {
	pool, err := pgxpool.New(f.b.Context(), f.firm.URL) // a connection for each reader
	if err != nil {
		f.b.Fatal(err)
	}
	f.b.Cleanup(pool.Close)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		err := pool.QueryRow(r.Context(), "select to_json(c) from customers c where organization_id = $1 and id = $2",
			f.principalA.Organization, r.URL.Query().Get("id")).Scan(&body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
}

// rate lets the readers ask as fast as they can.
func (f *largeFirm) rate(length time.Duration, prefix string) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: readers}}
	defer client.CloseIdleConnections()
	var n atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	for i := range readers {
		wg.Go(func() {
			for at := i; time.Since(began) < length; at++ {
				r, err := http.NewRequestWithContext(f.b.Context(), http.MethodGet, prefix+f.ids[at%len(f.ids)].String(), nil)
				if err != nil {
					f.b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+f.tokens[postgres.ScopeOrganization])
				a, err := client.Do(r)
				if err != nil {
					f.b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, a.Body)
				_ = a.Body.Close()
				if err != nil || a.StatusCode != http.StatusOK {
					f.b.Errorf("%d %v", a.StatusCode, err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(n.Load()) / time.Since(began).Seconds()
}
