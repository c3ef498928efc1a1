// Package conformance holds what a connector declares against what it does, on a real system or a stub.
//
// [Tests] lists what there is to check for a connector; running one gives a [Result]: it passed, it failed, the connector
// declares that it cannot, or it was not asked for since nobody said what to write. connectortest makes Go tests of them,
// `crmhub connector test` a score card. What is written carries references that begin with kit-.
package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"crmhub/core/connector"
)

// Subject is a connector and the remote it is tested against.
type Subject struct {
	Connector connector.Connector
	Open      func() (connector.Session, error) // a new session; the test closes it
	OpenWrong func() (connector.Session, error) // one with wrong credentials; nil: not asked for
	Faults    Faults                            // nil: not asked for
}

// Stream says what a stream is fed. Without Data nothing is written.
type Stream struct {
	Record  string
	Data    func(reference string) map[string]any // a valid record
	Change  func(data map[string]any)             // makes it another version of the same record
	Invalid func(data map[string]any)             // makes it one that the remote refuses; nil leaves that check out
	// Refusals are further records that the remote refuses, by the class of the error.
	Refusals map[connector.Class]func(data map[string]any)
	// Same reports whether the record is what the data say.
	Same func(data, record map[string]any) bool
}

// Fault is a way in which a remote misbehaves.
type Fault string

// The faults.
const (
	RateLimit       Fault = "rate limit"        // it refuses unread: too many requests
	ServerError     Fault = "server error"      // it answers with an internal error
	HangAfterCommit Fault = "hang after commit" // it does the work and never answers
)

// Faults lets the remote misbehave at the next calls that change something. If it has a method RetryAfter() time.Duration,
// that is what the remote says with a RateLimit.
type Faults interface {
	Inject(f Fault) (stop func())
}

// Verdict is how a test ended.
type Verdict string

// The verdicts.
const (
	Passed   Verdict = "passed"
	Failed   Verdict = "failed"
	Cannot   Verdict = "cannot"    // the connector declares that it does not do this
	NotAsked Verdict = "not asked" // there is nothing to write, or no way to provoke it
)

// Result is what a test found.
type Result struct {
	Stream  string   `json:"stream,omitempty"` // "" for the connector itself
	Aspect  string   `json:"aspect"`
	Verdict Verdict  `json:"verdict"`
	Notes   []string `json:"notes,omitempty"` // what failed, or why it was not tested
}

// Test is one thing to check.
type Test struct {
	Stream string
	Aspect string
	able   func(*probe) (Verdict, string) // Passed: go ahead
	run    func(*probe)
	given  Stream
}

// Tests lists the checks of a connector's streams. A stream that the connector does not declare fails.
func Tests(c connector.Connector, streams []Stream) []Test {
	tests := []Test{
		{Aspect: "description", run: (*probe).description},
		{Aspect: "credentials", run: (*probe).credentials},
	}
	for _, s := range streams {
		for _, a := range aspects {
			tests = append(tests, Test{Stream: s.Record, Aspect: a.name, able: a.able, run: a.run, given: s})
		}
	}
	return tests
}

// patience is how long a test may take that must end.
const patience = 2 * time.Minute

// Run makes the test. It leaves nothing running.
func (t Test) Run(ctx context.Context, s Subject) (r Result) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := &probe{Subject: s, ctx: ctx, stream: t.given}
	r = Result{Stream: t.Stream, Aspect: t.Aspect, Verdict: Passed}
	defer func() {
		thrown := recover()
		if _, stopped := thrown.(stop); thrown != nil && !stopped {
			panic(thrown)
		}
		p.closeAll()
		if len(p.faults) > 0 {
			r.Verdict, r.Notes = Failed, p.faults
		}
	}()
	if t.Stream != "" {
		i := slices.IndexFunc(s.Connector.Streams, func(d connector.Stream) bool { return d.Record == t.Stream })
		if i < 0 {
			p.fatalf("the connector declares no stream %s", t.Stream)
		}
		p.declared = s.Connector.Streams[i]
	}
	if t.able != nil {
		if verdict, why := t.able(p); verdict != Passed {
			r.Verdict, r.Notes = verdict, []string{why}
			return r
		}
	}
	t.run(p)
	return r
}

// Card is the results of a connector.
type Card struct {
	Connector string   `json:"connector"`
	Results   []Result `json:"results"`
}

// Score counts the verdicts.
func (c Card) Score() map[Verdict]int {
	n := map[Verdict]int{}
	for _, r := range c.Results {
		n[r.Verdict]++
	}
	return n
}

func (c Card) String() string {
	var b strings.Builder
	for _, r := range c.Results {
		stream := r.Stream
		if stream == "" {
			stream = c.Connector
		}
		fmt.Fprintf(&b, "%-9s  %s: %s", r.Verdict, stream, r.Aspect)
		if r.Verdict != Failed && len(r.Notes) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(r.Notes, "; "))
		}
		b.WriteByte('\n')
		if r.Verdict == Failed {
			for _, note := range r.Notes {
				fmt.Fprintf(&b, "             %s\n", note)
			}
		}
	}
	n := c.Score()
	fmt.Fprintf(&b, "%s: %d passed, %d failed, %d it declares it cannot, %d not asked\n", c.Connector, n[Passed], n[Failed], n[Cannot], n[NotAsked])
	return b.String()
}

// stop is thrown to end a test that cannot go on.
type stop struct{}

// probe is a test under way.
type probe struct {
	Subject
	ctx      context.Context //nolint:containedctx // it lives for one test
	stream   Stream
	declared connector.Stream
	faults   []string
	open     []connector.Session
}

func (p *probe) errorf(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

func (p *probe) fatalf(format string, args ...any) {
	p.errorf(format, args...)
	panic(stop{})
}

func (p *probe) session() connector.Session {
	s, err := p.Open()
	if err != nil {
		p.fatalf("open: %v", err)
	}
	p.open = append(p.open, s)
	return s
}

func (p *probe) closeAll() {
	for _, s := range p.open {
		if err := s.Close(); err != nil {
			p.errorf("close: %v", err)
		}
	}
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (p *probe) description() {
	c := p.Connector
	if !namePattern.MatchString(c.Name) || c.Title == "" {
		p.errorf("name %q, title %q", c.Name, c.Title)
	}
	var config struct {
		Properties map[string]any
	}
	if err := json.Unmarshal(c.Config, &config); err != nil {
		p.fatalf("the configuration's schema: %v", err)
	}
	for _, name := range c.Secrets {
		if config.Properties[name] == nil {
			p.errorf("the secret %s is not in the configuration's schema", name)
		}
	}
	seen := map[string]bool{}
	for _, s := range c.Streams {
		if seen[s.Record] || s.Entity == "" {
			p.errorf("stream %q of entity %q is there twice, or of none", s.Record, s.Entity)
		}
		seen[s.Record] = true
		if !s.Pull && !s.Push {
			p.errorf("%s can neither be pulled nor pushed", s.Record)
		}
		// Without these nobody could find out what became of a write whose answer was lost.
		if s.Push && (!s.Get || !s.Find && !s.Idempotent) {
			p.errorf("%s is written, so it must be readable by id, and findable by reference or idempotent", s.Record)
		}
		if s.Incremental && !s.Pull {
			p.errorf("%s is incremental without being pulled", s.Record)
		}
	}
}

func (p *probe) credentials() {
	if err := p.session().Check(p.ctx); err != nil {
		p.errorf("good credentials: %v", err)
	}
	if p.OpenWrong == nil {
		return
	}
	wrong, err := p.OpenWrong()
	if err != nil {
		p.fatalf("open with wrong credentials: %v", err)
	}
	p.open = append(p.open, wrong)
	err = wrong.Check(p.ctx)
	if err == nil {
		p.errorf("wrong credentials were taken")
	} else if e := connector.AsError(err); e.Class != connector.ClassAuth || e.Remedy == "" {
		p.errorf("wrong credentials gave class %s, remedy %q", e.Class, e.Remedy)
	}
}
