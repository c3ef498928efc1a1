package push_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"crmhub/core/connector"
)

// remote is a system in memory that does to writes what a script says. It is the truth the tests check: what it holds,
// and how often each reference was created.
type remote struct {
	mu      sync.Mutex
	records map[string]*connector.Record // by id
	byRef   map[string][]string          // ids by reference
	creates map[string]int               // by reference
	calls   int
	flying  map[string]bool // entities whose call is under way
	overlap bool            // two calls for one entity were under way at a time
	down    *connector.Error
	refused int // calls while it was down
	script  func(call int, w connector.Write) fault
	lookup  func() *connector.Error // what becomes of a look-up; nil is fine
	checked func()
	pushed  func(w connector.Write)
}

// fault is what happens to a write.
type fault int

const (
	fine      fault = iota
	committed       // done, and the answer is lost
	halfDone        // created, and not all of it; the answer is lost
	vanished        // not done, and the answer is lost
	busy            // refused, transient
	throttled       // refused, quota
	rejected        // refused, data
	laterDone       // the answer is lost, and it is done a little later
	stale           // refused, conflict
)

// first is a script for the first writes; the others are fine.
func first(faults ...fault) func(int, connector.Write) fault {
	return func(call int, _ connector.Write) fault {
		if call <= len(faults) {
			return faults[call-1]
		}
		return fine
	}
}

func newRemote() *remote {
	return &remote{
		records: map[string]*connector.Record{}, byRef: map[string][]string{}, creates: map[string]int{}, flying: map[string]bool{},
		script: func(int, connector.Write) fault { return fine },
	}
}

func (r *remote) Check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checked != nil {
		r.checked()
	}
	if r.down != nil {
		return r.down
	}
	return nil
}

func (r *remote) Close() error { return nil }

func (r *remote) Push(_ context.Context, _ string, writes []connector.Write) ([]connector.Result, error) {
	r.mu.Lock()
	if r.down != nil {
		defer r.mu.Unlock()
		r.refused++
		return nil, r.down
	}
	for _, w := range writes {
		key := fmt.Sprint(w.Data["code"])
		r.overlap = r.overlap || r.flying[key]
		r.flying[key] = true
	}
	r.mu.Unlock()
	results := make([]connector.Result, len(writes))
	for i, w := range writes {
		results[i] = r.one(w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range writes {
		delete(r.flying, fmt.Sprint(w.Data["code"]))
	}
	return results, nil
}

func (r *remote) one(w connector.Write) connector.Result {
	if r.pushed != nil {
		r.pushed(w)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	what := r.script(r.calls, w)
	lost := &connector.Error{Class: connector.ClassTransient, Message: "timeout", Code: "504"}
	switch what {
	case vanished:
		return connector.Result{Outcome: connector.Unknown, Err: lost}
	case laterDone:
		time.AfterFunc(settle/2, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.do(w)
		})
		return connector.Result{Outcome: connector.Unknown, Err: lost}
	case busy:
		return connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassTransient, Message: "busy", Code: "503"}}
	case throttled:
		return connector.Result{Outcome: connector.Refused, Err: &connector.Error{
			Class: connector.ClassQuota, Message: "too many requests", Code: "429", RetryAfter: 30 * time.Millisecond,
		}}
	case stale:
		return connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassConflict, Message: "the record has changed"}}
	case rejected:
		return connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassData, Message: "name is not allowed"}}
	}
	record := r.do(w)
	if what == halfDone {
		r.records[record.ID].Data = map[string]any{"code": w.Data["code"]}
	}
	if what == committed || what == halfDone {
		return connector.Result{Outcome: connector.Unknown, Err: lost}
	}
	return connector.Result{Outcome: connector.Done, Record: record}
}

func (r *remote) do(w connector.Write) connector.Record {
	switch w.Op {
	case connector.OpCreate:
		r.creates[w.Reference]++
		rec := &connector.Record{ID: fmt.Sprint(len(r.records) + 1), Version: "1", Data: w.Data}
		r.records[rec.ID] = rec
		r.byRef[w.Reference] = append(r.byRef[w.Reference], rec.ID)
		return *rec
	case connector.OpUpdate:
		rec := r.records[w.ID]
		rec.Data = w.Data
		return *rec
	}
	r.records[w.ID].Deleted = true
	return *r.records[w.ID]
}

func (r *remote) Find(_ context.Context, _, reference string) (*connector.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down != nil {
		return nil, r.down
	}
	if r.lookup != nil {
		if err := r.lookup(); err != nil {
			return nil, err
		}
	}
	switch ids := r.byRef[reference]; len(ids) {
	case 0:
		return nil, nil
	case 1:
		rec := *r.records[ids[0]]
		return &rec, nil
	}
	return nil, &connector.Error{Class: connector.ClassConflict, Message: "several records with this reference"}
}

// names are what the remote holds, by code.
func (r *remote) names() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := map[string]string{}
	for _, rec := range r.records {
		if !rec.Deleted {
			names[fmt.Sprint(rec.Data["code"])] = fmt.Sprint(rec.Data["name"])
		}
	}
	return names
}

// fault is what went wrong over there that must never be.
func (r *remote) wrong() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for ref, n := range r.creates {
		if n > 1 {
			errs = append(errs, fmt.Errorf("%s was created %d times", ref, n))
		}
	}
	if r.overlap {
		errs = append(errs, errors.New("two calls for one entity were under way at a time"))
	}
	return errors.Join(errs...)
}

func (r *remote) lock(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}

// settle is how late the remote may still do what it was asked for.
const settle = 60 * time.Millisecond
