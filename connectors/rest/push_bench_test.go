package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"crmhub/core/connector"
)

// BenchmarkPush creates records one by one at a remote that answers at once, eight at a time.
func BenchmarkPush(b *testing.B) {
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id": 1}`)
	}))
	defer remote.Close()
	s := &stub{Server: remote}
	c := s.open(b, parse(b, shop), "good")
	lines := make([]any, 5)
	for i := range lines {
		lines[i] = map[string]any{"product": "1", "quantity": "2.5", "price": "12.3456", "description": "something useful"}
	}
	b.ReportAllocs()
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range work {
				w := connector.Write{Op: connector.OpCreate, Reference: "a", Data: map[string]any{"title": "a", "customer": "17", "lines": lines}}
				results, err := c.Push(b.Context(), "order", []connector.Write{w})
				if err != nil || results[0].Outcome != connector.Done {
					b.Errorf("%+v, %v", results, err)
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
