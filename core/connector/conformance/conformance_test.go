package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"crmhub/core/connector"
	"crmhub/core/connector/conformance"
)

// store is a remote in memory, and a connector of it that can be broken in one way.
type store struct {
	mutex  sync.Mutex
	rows   []connector.Record
	refs   map[string]string // reference → id
	clock  int
	defect string
	again  int // how far behind its cursor a run begins
	fault  conformance.Fault
}

func (s *store) connector() connector.Connector {
	return connector.Connector{
		Name: "memory", Title: "Memory", Config: json.RawMessage(`{"properties": {}}`),
		Streams: []connector.Stream{{Entity: "order", Record: "order", Capabilities: connector.Capabilities{
			Pull: true, Incremental: true, Range: true, Push: true, Find: true, Get: true, Delete: true, Idempotent: true, Batch: 3,
		}}},
	}
}

func (s *store) Inject(f conformance.Fault) func() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.fault = f
	return func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.fault = ""
	}
}

func (s *store) RetryAfter() time.Duration { return time.Minute }

type session struct {
	*store
	key    string
	closed bool
}

func refusal(class connector.Class) *connector.Error {
	return &connector.Error{Class: class, Message: "no", Remedy: "Mend it."}
}

func (s *session) Check(ctx context.Context) error {
	switch {
	case s.closed:
		return refusal(connector.ClassTransient)
	case ctx.Err() != nil:
		return ctx.Err()
	case s.key != "good" && s.defect != "takes any key":
		return refusal(connector.ClassAuth)
	}
	return nil
}

func (s *session) Close() error {
	s.closed = s.defect != "works on closed"
	return nil
}

type place struct{ Since, From, Until, Limit int } // a run keeps to the size of its first page

func (s *session) Pull(ctx context.Context, r connector.PullRequest) (connector.Page, error) {
	if ctx.Err() != nil {
		return connector.Page{}, ctx.Err()
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	at := place{Until: s.clock}
	if r.Cursor != nil {
		if err := json.Unmarshal(r.Cursor, &at); err != nil {
			return connector.Page{}, refusal(connector.ClassConfig)
		}
	}
	if at.Until == 0 {
		at.Until = s.clock
	}
	if at.Limit == 0 {
		at.Limit = max(1, r.Limit)
	}
	page := connector.Page{}
	i := at.From
	for ; i < len(s.rows) && len(page.Records) < at.Limit; i++ {
		changed, err := strconv.Atoi(s.rows[i].Version)
		if err != nil {
			return page, err
		}
		inRange := !s.rows[i].UpdatedAt.Before(r.Since) && (r.Until.IsZero() || s.rows[i].UpdatedAt.Before(r.Until)) ||
			s.defect == "ignores where a range ends" && !s.rows[i].UpdatedAt.Before(r.Since)
		if s.defect == "begins a range too late" && !r.Since.IsZero() && s.rows[i].UpdatedAt.Equal(r.Since) {
			inRange = false
		}
		if !s.rows[i].Deleted && changed > at.Since && inRange {
			page.Records = append(page.Records, s.rows[i])
		}
	}
	if page.More = i < len(s.rows); page.More {
		at.From = i
		if s.defect == "skips at page ends" {
			at.From++
		}
		if s.defect == "repeats at page ends" {
			at.From--
		}
	} else {
		at = place{Since: at.Until - s.again}
		if s.defect == "forgets what changes behind it" {
			at.Since = s.clock
		}
	}
	cursor, err := json.Marshal(at)
	page.Cursor = cursor
	return page, err
}

func (s *session) Push(ctx context.Context, _ string, writes []connector.Write) ([]connector.Result, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	results := make([]connector.Result, len(writes))
	for i, w := range writes {
		results[i] = s.push(w)
	}
	return results, nil
}

func (s *session) push(w connector.Write) connector.Result {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch s.fault {
	case conformance.RateLimit:
		e := refusal(connector.ClassQuota)
		e.RetryAfter = time.Minute
		return connector.Result{Outcome: connector.Refused, Err: e}
	case conformance.ServerError:
		return connector.Result{Outcome: connector.Unknown, Err: refusal(connector.ClassTransient)}
	case conformance.HangAfterCommit:
		if s.defect != "loses what hung" {
			s.write(w)
		}
		outcome := connector.Unknown
		if s.defect == "claims what it does not know" {
			outcome = connector.Refused
		}
		return connector.Result{Outcome: outcome, Err: refusal(connector.ClassTransient)}
	}
	if w.Data["bad"] != nil {
		if s.defect == "keeps what it refuses" {
			s.write(w)
		}
		return connector.Result{Outcome: connector.Refused, Err: refusal(connector.ClassData)}
	}
	return connector.Result{Outcome: connector.Done, Record: s.write(w)}
}

func (s *session) write(w connector.Write) connector.Record {
	s.clock++
	version := strconv.Itoa(s.clock)
	if w.Op == connector.OpCreate {
		if id, again := s.refs[w.Reference]; again && s.defect != "creates twice" {
			return connector.Record{ID: id}
		}
		id := "r" + strconv.Itoa(len(s.rows)+1)
		s.refs[w.Reference] = id
		s.rows = append(s.rows, connector.Record{ID: id, Version: version, UpdatedAt: s.now(), Data: maps.Clone(w.Data)})
		return connector.Record{ID: id}
	}
	i := slices.IndexFunc(s.rows, func(r connector.Record) bool { return r.ID == w.ID })
	if w.Op == connector.OpDelete {
		s.rows[i].Deleted = s.defect != "does not delete"
	} else if s.defect != "drops updates" {
		s.rows[i].Data = maps.Clone(w.Data)
	}
	s.rows[i].Version, s.rows[i].UpdatedAt = version, s.now()
	return connector.Record{ID: w.ID}
}

func (s *session) now() time.Time { return time.Unix(int64(s.clock), 0).UTC() }

func (s *session) Get(_ context.Context, _, id string) (*connector.Record, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, r := range s.rows {
		if r.ID == id && !r.Deleted {
			return &r, nil
		}
	}
	if s.defect == "fails on what is not there" {
		return nil, errors.New("none")
	}
	return nil, nil //nolint:nilnil // the contract: no record, no error
}

func (s *session) Find(ctx context.Context, stream, reference string) (*connector.Record, error) {
	s.mutex.Lock()
	id, ok := s.refs[reference]
	s.mutex.Unlock()
	if !ok {
		return nil, nil //nolint:nilnil // the contract: no record, no error
	}
	return s.Get(ctx, stream, id)
}

// card runs the kit on a store with a defect.
func card(t *testing.T, defect string) conformance.Card {
	t.Helper()
	return cardOf(t, &store{refs: map[string]string{}, defect: defect}, defect)
}

func cardOf(t *testing.T, s *store, defect string) conformance.Card {
	t.Helper()
	c := s.connector()
	if defect == "declares what it is not" {
		c.Streams[0].Get = false
	}
	open := func(key string) func() (connector.Session, error) {
		return func() (connector.Session, error) { return &session{store: s, key: key}, nil }
	}
	streams := []conformance.Stream{{
		Record: "order",
		Data:   func(ref string) map[string]any { return map[string]any{"title": ref} },
		Change: func(data map[string]any) { data["title"] = "changed" },
		Invalid: func(data map[string]any) {
			data["bad"] = true
		},
		Same: func(data, record map[string]any) bool { return conformance.Contains(record, data) },
	}}
	made := conformance.Card{Connector: c.Name}
	for _, test := range conformance.Tests(c, streams) {
		made.Results = append(made.Results, test.Run(t.Context(), conformance.Subject{Connector: c, Open: open("good"), OpenWrong: open("bad"), Faults: s}))
	}
	return made
}

// A system that holds a thousand records already passes, too; also one whose changes all lie within what is read again.
func TestAConnectorOfASystemInUsePasses(t *testing.T) {
	t.Parallel()
	for _, again := range []int{0, 5000} {
		s := &store{refs: map[string]string{}, again: again}
		for range 1000 {
			(&session{store: s}).write(connector.Write{Op: connector.OpCreate, Reference: strconv.Itoa(s.clock), Data: map[string]any{"title": "old"}})
		}
		if c := cardOf(t, s, ""); c.Score()[conformance.Failed] > 0 {
			t.Errorf("with %d read again: %s", again, c)
		}
	}
}

func TestGoodConnectorPasses(t *testing.T) {
	t.Parallel()
	c := card(t, "")
	if n := c.Score(); n[conformance.Failed] > 0 || n[conformance.Passed] != len(c.Results) {
		t.Error(c)
	}
}

// A kit that cannot fail proves nothing.
func TestEveryDefectIsFoundByItsTest(t *testing.T) {
	t.Parallel()
	for defect, aspect := range map[string]string{
		"takes any key":                  "credentials",
		"declares what it is not":        "description",
		"skips at page ends":             "paging",
		"repeats at page ends":           "paging",
		"ignores where a range ends":     "range",
		"begins a range too late":        "range",
		"forgets what changes behind it": "changes behind a run",
		"drops updates":                  "equality",
		"creates twice":                  "idempotent create",
		"keeps what it refuses":          "refusals",
		"does not delete":                "deletion",
		"loses what hung":                "retry safety",
		"claims what it does not know":   "outcomes",
		"fails on what is not there":     "what is not there",
		"works on closed":                "closed sessions",
	} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			c := card(t, defect)
			failed := slices.ContainsFunc(c.Results, func(r conformance.Result) bool {
				return r.Aspect == aspect && r.Verdict == conformance.Failed && len(r.Notes) > 0
			})
			if !failed {
				t.Errorf("%s was not found by %s:\n%s", defect, aspect, c)
			}
			if !strings.Contains(c.String(), "failed") {
				t.Error("the card does not say so")
			}
		})
	}
}

func TestSampleFillsEachRecordsReference(t *testing.T) {
	t.Parallel()
	s, err := conformance.Sample("order", []byte(`{"data": {"no": "{{reference}}", "lines": [{"ref": "{{reference}}-1", "qty": 2}]}, "change": {"note": "x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	data := s.Data("kit-1")
	s.Change(data)
	if got := fmt.Sprint(data); got != "map[lines:[map[qty:2 ref:kit-1-1]] no:kit-1 note:x]" || s.Invalid != nil {
		t.Error(got)
	}
	if !s.Same(map[string]any{"qty": json.Number("2"), "gone": nil}, map[string]any{"qty": "2.00", "more": true}) {
		t.Error("2 and 2.00 are not the same")
	}
	for _, bad := range []string{`[]`, `{"data": {}}`, `{"data": 1, "change": {}}`, `{"data": {}, "change": {}, "other": {}}`} {
		if _, err := conformance.Sample("order", []byte(bad)); err == nil {
			t.Errorf("%s passed for a sample", bad)
		}
	}
}
