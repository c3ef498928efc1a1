//go:build system

package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmhub/connectors/simulator"
)

// A hub that is killed at random moments, again and again, brings every order to the ERP exactly once.
func TestKilledHubBringsEveryOrderOnce(t *testing.T) {
	n := number(t, "CRMHUB_TEST_ORDERS", 500)
	sim := startSimulator(t, simulator.Config{ERP: simulator.Faults{Seed: 2, Latency: 20 * time.Millisecond}})
	w := newWorld(t)
	w.connectSimulator(sim)
	kills := w.enterAndKill(n, 20, 1500*time.Millisecond)
	t.Logf("entered %d orders through %d kills", len(w.orders), kills)
	w.eventually(5*time.Minute, "every order is in the ERP once", func() error { return w.inERP(sim.ERP.Snapshot().Orders) })
}

// enterAndKill enters orders while the hub is killed and started again, at least the given number of times. Between
// a start and a kill the hub has a moment, of random length, to work.
func (w *world) enterAndKill(n, kills int, longest time.Duration) int {
	w.t.Helper()
	random := rand.New(rand.NewPCG(3, 0))
	entered := make(chan error, 1)
	go func() { entered <- w.enter(n) }()
	for killed := 0; ; killed++ {
		select {
		case err := <-entered:
			w.must(err)
			entered = nil
		case <-time.After(50*time.Millisecond + time.Duration(random.Int64N(int64(longest)))):
		}
		if killed >= kills && entered == nil {
			return killed
		}
		w.kill()
		w.start()
	}
}

// A hub that is killed again and again while it imports, takes the import back and merges does each of them whole, once.
func TestKilledHubImportsAndMergesOnce(t *testing.T) {
	const n = 3000
	h := newHub(t)
	h.start()
	var file strings.Builder
	file.WriteString("code,name,kind\n")
	for i := range n {
		fmt.Fprintf(&file, "K%d,Customer %d,company\n", i, i)
	}
	// killed asks for the import's state, and kills the hub in between, until it has the status; at least the given times.
	killed := func(path, status string, kills int) (got struct {
		Status                         string
		Created, Refused, Undone, Kept int
	},
	) {
		t.Helper()
		n := 0
		h.eventually(4*time.Minute, "the import is "+status, func() error {
			if _, err := h.call(http.MethodGet, path, nil, &got); err != nil {
				return err
			}
			if got.Status != status {
				if n < kills && got.Created+got.Undone > 0 {
					n++
					h.kill()
					h.start()
				}
				return fmt.Errorf("%+v", got)
			}
			return nil
		})
		t.Logf("%s after %d kills: %+v", status, n, got)
		return got
	}
	post := func(path string, in, out any) {
		t.Helper()
		if _, err := h.call(http.MethodPost, path, in, out); err != nil {
			t.Fatal(err)
		}
	}
	var made struct{ ID string }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.addr+"/api/v1/imports?entity=customer&name=c.csv", strings.NewReader(file.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	req.Header.Set("Content-Type", "text/csv")
	r, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if err := json.NewDecoder(r.Body).Decode(&made); err != nil || made.ID == "" {
		t.Fatal(err, r.Status)
	}
	path := "/imports/" + made.ID
	post(path+"/run", nil, nil)
	if got := killed(path, "done", 3); got.Created != n || got.Refused != 0 {
		t.Errorf("imported %+v, want %d", got, n)
	}

	var two struct{ Items []struct{ ID string } }
	if _, err := h.call(http.MethodGet, "/customers?limit=40&sort=code", nil, &two); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(9, 0))
	for i := 0; i+1 < len(two.Items); i += 2 {
		merged := make(chan error, 1)
		go func() {
			merged <- h.create(t.Context(), "/customers/"+two.Items[i].ID+"/merge", fmt.Sprint("merge-", i), map[string]any{
				"loser_id": two.Items[i+1].ID, "loser_version": 1,
			}, nil, "If-Match", `"1"`)
		}()
		if i%8 == 0 {
			<-time.After(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
			h.kill()
			h.start()
		}
		if err := <-merged; err != nil {
			t.Fatal(err)
		}
	}
	var merges struct{ Items []any }
	if _, err := h.call(http.MethodGet, "/merges", nil, &merges); err != nil || len(merges.Items) != 20 {
		t.Errorf("%d merges, %v", len(merges.Items), err)
	}

	post(path+"/undo", nil, nil)
	if got := killed(path, "undone", 3); got.Undone+got.Kept != n || got.Kept < 20 {
		t.Errorf("undone %+v, want %d", got, n)
	}
}
