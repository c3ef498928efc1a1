// Package connectortest makes Go tests of the conformance kit: what every connector must do, checked against a remote.
//
// [Run] holds a connector's declared capabilities against its behaviour (crmhub/core/connector/conformance), against a stub in
// the connector's own tests or against a real system, and logs the score card.
package connectortest

import (
	"testing"

	"go.uber.org/goleak"

	"crmhub/core/connector"
	"crmhub/core/connector/conformance"
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
type Stream = conformance.Stream

// Fault is a way in which a remote misbehaves.
type Fault = conformance.Fault

// Faults lets the remote misbehave.
type Faults = conformance.Faults

// The faults.
const (
	RateLimit       = conformance.RateLimit
	ServerError     = conformance.ServerError
	HangAfterCommit = conformance.HangAfterCommit
)

// Run runs the kit. It must not run beside parallel tests, as it looks for goroutines left behind.
func Run(t *testing.T, h Harness) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	card := conformance.Card{Connector: h.Connector.Name}
	for _, test := range conformance.Tests(h.Connector, h.Streams) {
		name := test.Aspect
		if test.Stream != "" {
			name = test.Stream + "/" + name
		}
		t.Run(name, func(t *testing.T) {
			result := test.Run(t.Context(), h.subject(t))
			card.Results = append(card.Results, result)
			if result.Verdict == conformance.Failed {
				for _, note := range result.Notes {
					t.Error(note)
				}
			}
		})
	}
	t.Logf("score card:\n%s", card)
	goleak.VerifyNone(t, before)
}

func (h Harness) subject(t *testing.T) conformance.Subject {
	s := conformance.Subject{
		Connector: h.Connector, Faults: h.Faults,
		Open: func() (connector.Session, error) { return h.Open(t), nil },
	}
	if h.OpenWrong != nil {
		s.OpenWrong = func() (connector.Session, error) { return h.OpenWrong(t), nil }
	}
	return s
}
