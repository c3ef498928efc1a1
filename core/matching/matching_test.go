package matching_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/matching"
	"crmhub/core/schema"
)

// Both sides hold data: a matching proposes, nothing is doubled meanwhile, and what people decide holds.
func TestTwoSystemsThatBothHoldDataAreMatched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alpha := &crm.Customer{Code: "C-1", Name: "Alpha Ltd"}
	beta := &crm.Customer{Code: "C-2", Name: "Beta GmbH", Phone: "13912345678", Remark: "ours alone"}
	gamma := &crm.Customer{Code: "C-3", Name: "Gamma Inc"}
	delta := &crm.Customer{Code: "C-4", Name: "Delta AG", Phone: "13912345679"}
	lone := &crm.Customer{Code: "C-5", Name: "Nobody else knows them"}
	w.Save(alpha, beta, gamma, delta, lone)
	for id, data := range map[string]map[string]any{
		"1": {"code": "C-1", "name": "Alpha, as they write it"},                   // the mapping's key
		"2": {"code": "X-2", "name": "Beta", "phone": "+86 139 1234 5678"},        // name and phone
		"3": {"code": "X-3", "name": "Gamma Ltd"},                                 // the name only
		"4": {"code": "X-4", "name": "Four is new"},                               // nothing
		"5": {"code": "X-5", "name": "Delta AG", "phone": "139-1234-5679"},        // two records ...
		"6": {"code": "X-6", "name": "Dexter", "phone": "139-1234-5679"},          // ... of one entity
		"7": {"code": "X-7", "name": "Seven", "phone": map[string]any{"no": "1"}}, // what the mapping cannot read
	} {
		w.remote.Put("party", id, data)
	}

	// A pull that is asked for at the same time waits, and then takes in nothing that is asked about. The matching itself goes
	// on where it was paused.
	w.remote.Script(func(call int) error {
		if call == 1 {
			w.Tx(func(tx pgx.Tx) error {
				runs, err := job.ListRuns(t.Context(), tx, job.RunFilter{Limit: 10})
				for _, r := range runs.Items {
					if r.Status == job.Running {
						_, err = job.RequestPause(t.Context(), tx, r.ID)
					}
				}
				return err
			})
		}
		return nil
	})
	m := w.start(false)
	pulled := w.Enqueue(job.Pull, "customer", job.ByHand)
	w.Eventually("the matching is paused", func() bool { return w.Get(job.Run{ID: m.RunID}).Status == job.Held })
	w.remote.Script(nil)
	w.Tx(func(tx pgx.Tx) error { _, err := job.ResumeRun(t.Context(), tx, m.RunID); return err })
	if m = w.ended(m); m.Status != matching.Finished {
		t.Fatalf("it ended %s: %s", m.Status, m.Message)
	}
	if want := (matching.Counts{Read: 7, Certain: 2, Review: 3, None: 1, Unreadable: 1}); m.Counts != want {
		t.Fatalf("got %+v, want %+v", m.Counts, want)
	}
	if r := w.Ended(pulled); r.Status != job.Succeeded || r.Created != 0 {
		t.Errorf("the pull ended %s and created %d", r.Status, r.Created)
	}
	if n := w.Number("select count(*) from customers"); n != 5 {
		t.Fatalf("there are %d customers", n)
	}
	classes := map[string]string{}
	for _, p := range w.proposals(m, "") {
		classes[p.RemoteID] = fmt.Sprintf("%s %d", p.Class, p.Score)
	}
	want := map[string]string{"1": "certain 100", "2": "certain 120", "3": "review 60", "4": "none 0", "5": "review 120", "6": "review 60", "7": "unreadable 0"}
	if diff := cmp.Diff(want, classes); diff != "" {
		t.Errorf("classes (-want +got):\n%s", diff)
	}

	// What may be there already is not sent as new; what is surely not there is.
	w.push(lone.ID)
	if l := w.LinkOf(beta.ID); l.RemoteID != "" || l.State != link.Parked || l.Cause.Class != link.ClassMatching {
		t.Errorf("a candidate's link is %+v", l)
	}

	// What changes there meanwhile is not lost.
	w.remote.Put("party", "2", map[string]any{"code": "X-2", "name": "Beta", "phone": "+86 139 1234 5678", "note": "newer"})
	w.Run(job.Pull, "customer")

	if done := w.settle(m, matching.Decision{Action: matching.Accept, Class: link.Certain}); done.Done != 2 || len(done.Refused) != 0 {
		t.Fatalf("accept all certain: %+v", done)
	}
	if c := w.customer(beta.ID); c.Remark != "newer" || c.Name != "Beta GmbH" { // the mapping's authority
		t.Errorf("merged into %q, %q", c.Name, c.Remark)
	}
	if l := w.LinkOf(alpha.ID); l.RemoteID != "1" || l.State != link.Linked {
		t.Errorf("the accepted link is %+v", l)
	}

	// A rejected pair is not proposed again, though all speaks for it as before.
	three := w.proposal(m, "3")
	w.settle(m, matching.Decision{Action: matching.Reject, IDs: []uuid.UUID{three.ID}})
	again := w.ended(w.start(true))
	if p := w.proposal(again, "3"); p.Class != link.None || len(p.Candidates) != 0 {
		t.Errorf("after its rejection it is %s, %v", p.Class, p.Candidates)
	}

	// Once a rival has its record, the other is nobody's. It can still be said to be somebody.
	five, six := w.proposal(again, "5"), w.proposal(again, "6")
	w.settle(again, matching.Decision{Action: matching.Accept, IDs: []uuid.UUID{five.ID}})
	if p := w.proposal(again, "6"); p.Class != link.None {
		t.Errorf("without a rival's entity it is %s", p.Class)
	}
	refused := w.settle(again, matching.Decision{Action: matching.Accept, IDs: []uuid.UUID{six.ID}, EntityID: delta.ID})
	if refused.Done != 0 || len(refused.Refused) != 1 {
		t.Errorf("an entity with a record was given another: %+v", refused)
	}
	w.settle(again, matching.Decision{Action: matching.Accept, IDs: []uuid.UUID{six.ID}, EntityID: gamma.ID})

	if done := w.settle(again, matching.Decision{Action: matching.Create, Class: link.None}); done.Done != 2 {
		t.Errorf("create what has no counterpart: %+v", done)
	}
	seven := w.proposal(again, "7")
	if done := w.settle(again, matching.Decision{Action: matching.Create, IDs: []uuid.UUID{seven.ID}}); done.Done != 0 || len(done.Refused) != 1 {
		t.Errorf("what cannot be read: %+v", done)
	}
	w.remote.Put("party", "7", map[string]any{"code": "X-7", "name": "Seven"})
	w.Run(job.Pull, "customer")
	if p := w.proposal(again, "7"); p.State != link.ProposalOpen {
		t.Errorf("nobody decided, and it is %s", p.State)
	}
	w.settle(again, matching.Decision{Action: matching.Create, IDs: []uuid.UUID{seven.ID}})

	// From now on they are as any other: a pull finds all of them known.
	if r := w.Run(job.Pull, "customer"); r.Created != 0 || r.Failed != 0 {
		t.Errorf("the last pull created %d, failed %d", r.Created, r.Failed)
	}
	if n := w.Number("select count(*) from links where remote_id is not null"); n != 8 {
		t.Errorf("%d links", n)
	}
	last := w.ended(w.start(false))
	if last.Counts != (matching.Counts{Read: 8, Known: 8}) {
		t.Errorf("the last matching found %+v", last.Counts)
	}
}

func TestWrongDecisionsAreRefused(t *testing.T) {
	t.Parallel()
	one := []uuid.UUID{uuid.New()}
	for name, in := range map[string]matching.Decision{
		"/action":    {Action: "burn", IDs: one},
		"/ids":       {Action: matching.Accept},
		"/class":     {Action: matching.Accept, Class: link.Review},
		"/entity_id": {Action: matching.Create, IDs: one, EntityID: uuid.New()},
	} {
		_, err := (&matching.Matcher{}).Settle(t.Context(), nil, uuid.New(), in, "")
		var pointers []string
		if vs, ok := err.(schema.Violations); ok { //nolint:errorlint // it is the error itself
			for _, v := range vs {
				pointers = append(pointers, v.Pointer)
			}
		}
		if diff := cmp.Diff([]string{name}, pointers); diff != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
