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

// mappingFault says what is wrong with a record that could not be mapped.
func mappingFault(err error) *fault {
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
	Data      map[string]any `json:"data"`
}

func (s *stream) letter(it *item, run *uuid.UUID) (job.DeadLetter, error) {
	r := it.record
	b, err := json.Marshal(payload{Version: r.Version, UpdatedAt: r.UpdatedAt, Deleted: r.Deleted, Data: r.Data})
	if err != nil {
		return job.DeadLetter{}, fmt.Errorf("keep a record: %w", err)
	}
	d := job.DeadLetter{
		ConnectionID: s.connection.ID, RunID: run, Direction: job.Pull, Entity: string(s.kind), RemoteID: r.ID,
		Stage: it.fault.stage, Class: it.fault.class, Message: it.fault.err.Error(),
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
		all[i] = job.Line{Level: job.Warn, Message: string(d.Stage) + ": " + d.Message, RemoteID: d.RemoteID}
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
		if at, ok := whole["updated_at"].(string); ok {
			r.UpdatedAt, _ = time.Parse(time.RFC3339Nano, at) // zero means unknown
		}
		items[i] = &item{record: r}
	}
	return items, nil
}
