package telemetry

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Check finds out whether something the hub needs is there. It must end when its context does.
type Check func(ctx context.Context) error

// checkTimeout is less than what a prober usually waits (Kubernetes: 1 s by default is too short for a database under
// load, 5 s is common), so that the answer names the check that hangs.
const checkTimeout = 3 * time.Second

// AliveHandler answers 200 as long as the process answers at all; it checks nothing else, since a restart
// mends no database.
func AliveHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, health{Status: "ok"})
	})
}

// ReadyHandler runs the named checks at once and answers 200 when all that are needed pass, else 503. The body names each
// check with "ok" or its error, the reported ones too: its readers are operators, so mount it where they are.
func ReadyHandler(needed, reported map[string]Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		h, status := health{Status: "ok", Checks: map[string]string{}}, http.StatusOK
		var mu sync.Mutex
		var wg sync.WaitGroup
		run := func(name string, check Check, need bool) {
			err := check(ctx)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				h.Checks[name] = "ok"
			case need:
				h.Checks[name], h.Status, status = err.Error(), "unavailable", http.StatusServiceUnavailable
			default:
				h.Checks[name] = err.Error()
			}
		}
		for name, check := range needed {
			wg.Go(func() { run(name, check, true) })
		}
		for name, check := range reported {
			wg.Go(func() { run(name, check, false) })
		}
		wg.Wait()
		writeHealth(w, status, h)
	})
}

type health struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func writeHealth(w http.ResponseWriter, status int, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // the prober went away
}
