package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"crmhub/core/connector"
	"crmhub/core/job"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/schema"
)

const mergeStage = job.StageMerge

// fault is why a record became a dead letter.
type fault struct {
	stage job.Stage
	class string
	err   error
}

// unreadable is what the connector has against a record.
type unreadable struct{ cause error }

func (e *unreadable) Error() string { return e.cause.Error() }
func (e *unreadable) Unwrap() error { return e.cause }

// cause is the fault as a link or a journey tells it.
func (f *fault) cause() link.Cause {
	c := link.Cause{Class: f.class, Message: f.err.Error(), Said: f.said()}
	if vs := schema.Violations(nil); errors.As(f.err, &vs) {
		c.Violations, c.Message = vs, summary(vs)
	}
	return c
}

// said is the fault in a form that catalogues have words for, nil where its text is another's.
func (f *fault) said() *schema.Saying {
	if errors.Is(f.err, errHeld) {
		return schema.Say("asked_by_matching")
	}
	return mapping.SayingOf(f.err)
}

// mappingFault says what is wrong with a record that could not be mapped.
func mappingFault(err error) *fault {
	if _, ok := errors.AsType[*unreadable](err); ok {
		return &fault{stage: job.StageSchema, class: "schema", err: err}
	}
	if missing := (*mapping.MissingLink)(nil); errors.As(err, &missing) {
		return &fault{stage: job.StageMapping, class: job.ClassWaiting, err: err}
	}
	f := &fault{stage: job.StageMapping, class: "mapping", err: err}
	var vs schema.Violations
	if errors.As(err, &vs) && !slices.ContainsFunc(vs, func(v schema.Violation) bool { return slices.Contains(mappingRules, v.Rule) }) {
		f.stage, f.class = job.StageSchema, "schema"
	}
	return f
}

// mappingRules are what only a mapping can find broken; other rules are the record schema's.
var mappingRules = []string{"values", "when", "expression", "link"} //nolint:gochecknoglobals // a constant list

// payload is a pulled record as a dead letter keeps it, so that a replay knows all that the pull knew.
type payload struct {
	Version   string         `json:"version,omitempty"`
	UpdatedAt time.Time      `json:"updated_at,omitzero"`
	Deleted   bool           `json:"deleted,omitempty"`
	Fault     string         `json:"fault,omitempty"` // why the connector cannot read it: a replay cannot either
	Data      map[string]any `json:"data"`
}

// errHeld is said of a record that an open proposal keeps from being pulled.
var errHeld = errors.New("a matching asks which entity the record is: answer that first")

func (s *stream) letter(it *item, run *uuid.UUID) (job.DeadLetter, error) {
	r := it.record
	kept := payload{Version: r.Version, UpdatedAt: r.UpdatedAt, Deleted: r.Deleted, Data: r.Data}
	if r.Err != nil {
		kept.Fault = r.Err.Error()
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return job.DeadLetter{}, fmt.Errorf("keep a record: %w", err)
	}
	d := job.DeadLetter{
		ConnectionID: s.connection.ID, RunID: run, Direction: job.Pull, Entity: string(s.kind), RemoteID: r.ID,
		Stage: it.fault.stage, Class: it.fault.class, Message: it.fault.err.Error(), Said: it.fault.said(),
		Payload: b, MappingVersion: s.mapping.Version(),
	}
	if vs := schema.Violations(nil); errors.As(it.fault.err, &vs) {
		d.Violations = vs
		d.Message = summary(vs)
	}
	return d, nil
}

// lines are what a run's log says of records that failed.
func lines(letters []job.DeadLetter) []job.Line {
	all := make([]job.Line, len(letters))
	for i, d := range letters {
		all[i] = job.Line{Level: job.Warn, Message: string(d.Stage) + ": " + d.Message, RemoteID: d.RemoteID, Said: d.Said}
	}
	return all
}

func summary(vs schema.Violations) string {
	first := vs[0].Pointer + ": " + vs[0].Message
	if len(vs) == 1 {
		return first
	}
	return fmt.Sprintf("%s (and %d more)", first, len(vs)-1)
}

// fromLetters are the records of letters. Letters without one that can be read stay as they are.
func fromLetters(letters []job.DeadLetter) ([]*item, error) {
	items := make([]*item, len(letters))
	for i, d := range letters {
		doc, err := schema.DecodeJSON(d.Payload)
		if err != nil {
			return nil, fmt.Errorf("dead letter %s: %w", d.ID, err)
		}
		whole, _ := doc.(map[string]any)
		r := connector.Record{ID: d.RemoteID}
		r.Version, _ = whole["version"].(string)
		r.Deleted, _ = whole["deleted"].(bool)
		r.Data, _ = whole["data"].(map[string]any)
		if fault, ok := whole["fault"].(string); ok {
			r.Err = errors.New(fault)
		}
		if at, ok := whole["updated_at"].(string); ok {
			r.UpdatedAt, _ = time.Parse(time.RFC3339Nano, at) // zero means unknown
		}
		items[i] = &item{record: r}
	}
	return items, nil
}
