package crm

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/schema"
)

// enterStage makes o what its stage says, and checks the way there from the stored opportunity (nil for a new one).
// The stage gives probability and forecast where the writer leaves them as they were; what is won keeps its amount.
func enterStage(at time.Time, pipelines map[uuid.UUID]*Pipeline, stored, o *Opportunity) schema.Violations {
	var f faults
	if o.PipelineID == nil {
		f.add("/pipeline_id", "required", "must be given: no pipeline is the default one")
		return f.violations
	}
	p := pipelines[*o.PipelineID]
	if p == nil {
		return nil // that it is not there is told with the other references
	}
	if moved := stored == nil || *stored.PipelineID != p.ID; moved && (p.DeletedAt != nil || !p.IsActive) {
		f.add("/pipeline_id", "exists", "must be a pipeline in use: %s is not", p.Name)
		return f.violations
	}
	if o.Stage == "" {
		o.Stage = p.Stages[0].Code
	}
	stage := p.stage(o.Stage)
	if stage == nil {
		codes := make([]string, len(p.Stages))
		for i, s := range p.Stages {
			codes[i] = s.Code
		}
		f.add("/stage", "exists", "must be a stage of the pipeline %s: %s", p.Name, strings.Join(codes, ", "))
		return f.violations
	}
	o.Status = stage.Kind
	if stored == nil {
		stored = &Opportunity{}
	} else if stored.Status != o.Status {
		f.violations = forbiddenStage(p, stored.Status, o.Status)
	}
	if entered := stored.Stage != o.Stage || stored.PipelineID == nil || *stored.PipelineID != *o.PipelineID; entered {
		o.StageEnteredAt = &at
		if o.Probability == nil || reflect.DeepEqual(o.Probability, stored.Probability) {
			o.Probability = &stage.Probability
		}
	} else {
		o.StageEnteredAt = stored.StageEnteredAt
	}
	if o.Probability == nil || o.Status != "open" {
		o.Probability = &stage.Probability
	}
	if o.Status != "open" || o.ForecastCategory == "" || o.ForecastCategory == stored.ForecastCategory && o.ForecastCategory == stored.forecast() {
		o.ForecastCategory = o.forecast()
	}
	o.close(at)
	if stored.Status == "won" && o.Status == "won" {
		f.violations = append(f.violations, differing(stored, o, []string{"amount", "currency", "rate_to_base", "lines"}, "once the opportunity is won")...)
	}
	return f.violations
}

// forecast is the category of a probability: bands of 50 and 75 percent.
func (o *Opportunity) forecast() string {
	switch {
	case o.Status == "won":
		return "closed"
	case o.Status == "lost":
		return "omitted"
	case o.Probability == nil || *o.Probability < 50:
		return "pipeline"
	case *o.Probability < 75:
		return "best_case"
	default:
		return "commit"
	}
}

// close sets when o was closed, unless the writer says so, and clears it when o is open again.
func (o *Opportunity) close(at time.Time) {
	if o.Status != "lost" {
		o.LostReason, o.LostNotes = "", ""
	}
	setWhen(&o.ClosedAt, o.Status != "open", at)
}

// forbiddenStage refuses a stage of a kind that cannot follow, and names those that can.
func forbiddenStage(p *Pipeline, from, to string) schema.Violations {
	if reachable(stageTransitions, from, to) {
		return nil
	}
	var open []string
	for _, s := range p.Stages {
		if reachable(stageTransitions, from, s.Kind) {
			open = append(open, s.Code)
		}
	}
	return schema.Violations{{Pointer: "/stage", Rule: "transition", Message: fmt.Sprintf("from what is %s only %s may follow", from, strings.Join(open, ", "))}}
}
