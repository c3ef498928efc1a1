// Package connectortest is the conformance kit: what every connector must do, checked against a remote.
//
// [Run] holds a connector's declared capabilities against its behaviour and leaves out what it does not declare. It is run
// against a stub in the connector's own tests and may be run against a real system.
package connectortest

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"crmhub/core/connector"
)

// Harness is a connector and the remote it is tested against.
type Harness struct {
	Connector connector.Connector
	Open      func(t *testing.T) connector.Session // a new session; the kit closes it
	OpenWrong func(t *testing.T) connector.Session // one with wrong credentials; nil leaves that check out
	Streams   []Stream                             // those that are checked
	Faults    Faults                               // nil leaves the checks of faults out
}

// Stream says what a stream is fed.
type Stream struct {
	Record  string
	Data    func(reference string) map[string]any // a valid record
	Change  func(data map[string]any)             // makes it another version of the same record
	Invalid func(data map[string]any)             // makes it one that the remote refuses; nil leaves that check out
	Same    func(data, record map[string]any) bool
}

// Fault is a way in which a remote misbehaves.
type Fault string

// The faults.
const (
	RateLimit       Fault = "rate limit"        // it refuses unread: too many requests
	ServerError     Fault = "server error"      // it answers with an internal error
	HangAfterCommit Fault = "hang after commit" // it does the work and never answers
)

// Faults lets the remote misbehave at the next calls that change something.
type Faults interface {
	Inject(f Fault) (stop func())
}

// patience is how long a call may take that must end.
const patience = 20 * time.Second

// Run runs the kit. It must not run beside parallel tests, as it looks for goroutines left behind.
func Run(t *testing.T, h Harness) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Run("description", func(t *testing.T) { checkDescription(t, h.Connector) })
	t.Run("check", func(t *testing.T) { checkCheck(t, h) })
	for _, s := range h.Streams {
		i := slices.IndexFunc(h.Connector.Streams, func(d connector.Stream) bool { return d.Record == s.Record })
		if i < 0 {
			t.Errorf("the connector declares no stream %s", s.Record)
			continue
		}
		k := kit{Harness: h, stream: s, declared: h.Connector.Streams[i]}
		t.Run(s.Record, k.run)
	}
	goleak.VerifyNone(t, before)
}

// kit checks one stream.
type kit struct {
	Harness
	stream   Stream
	declared connector.Stream
}

func (k kit) run(t *testing.T) {
	s := k.open(t)
	_, puller := s.(connector.Puller)
	_, pusher := s.(connector.Pusher)
	_, finder := s.(connector.Finder)
	_, getter := s.(connector.Getter)
	for _, c := range []struct {
		ability       string
		declared, has bool
	}{
		{"Pull", k.declared.Pull, puller}, {"Push", k.declared.Push, pusher}, {"Find", k.declared.Find, finder}, {"Get", k.declared.Get, getter},
	} {
		if c.declared && !c.has {
			t.Fatalf("%s is declared and not implemented", c.ability)
		}
	}
	if k.declared.Push {
		t.Run("write", k.write)
		t.Run("refuse", k.refuse)
		t.Run("faults", k.faults)
	}
	if k.declared.Pull {
		t.Run("read", k.read)
	}
	t.Run("cancel", k.cancel)
	t.Run("close", k.close)
}

func (k kit) open(t *testing.T) connector.Session {
	t.Helper()
	s := k.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func checkDescription(t *testing.T, c connector.Connector) {
	if !namePattern.MatchString(c.Name) || c.Title == "" {
		t.Errorf("name %q, title %q", c.Name, c.Title)
	}
	var config struct {
		Properties map[string]any
	}
	if err := json.Unmarshal(c.Config, &config); err != nil {
		t.Fatalf("the configuration's schema: %v", err)
	}
	for _, name := range c.Secrets {
		if config.Properties[name] == nil {
			t.Errorf("the secret %s is not in the configuration's schema", name)
		}
	}
	seen := map[string]bool{}
	for _, s := range c.Streams {
		if seen[s.Record] || s.Entity == "" {
			t.Errorf("stream %q of entity %q is there twice, or of none", s.Record, s.Entity)
		}
		seen[s.Record] = true
		if !s.Pull && !s.Push {
			t.Errorf("%s can neither be pulled nor pushed", s.Record)
		}
		// Without these nobody could find out what became of a write whose answer was lost.
		if s.Push && (!s.Get || !s.Find && !s.Idempotent) {
			t.Errorf("%s is written, so it must be readable by id, and findable by reference or idempotent", s.Record)
		}
		if s.Incremental && !s.Pull {
			t.Errorf("%s is incremental without being pulled", s.Record)
		}
	}
}

func checkCheck(t *testing.T, h Harness) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	good := h.Open(t)
	if err := good.Check(ctx); err != nil {
		t.Errorf("good credentials: %v", err)
	}
	if err := good.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if h.OpenWrong == nil {
		return
	}
	wrong := h.OpenWrong(t)
	err := wrong.Check(ctx)
	if err == nil {
		t.Error("wrong credentials were taken")
	} else if e := connector.AsError(err); e.Class != connector.ClassAuth || e.Remedy == "" {
		t.Errorf("wrong credentials gave class %s, remedy %q", e.Class, e.Remedy)
	}
	if err := wrong.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
