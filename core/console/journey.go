package console

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/bus"
	"crmhub/core/crm"
	"crmhub/core/journey"
)

// journeyPage tells what happened to a record across systems.
type journeyPage struct {
	pager
	Kind   crm.Kind
	Title  string
	Record string // its page
	Steps  []stepRow
}

// stepRow is a step with the names of what it speaks of.
type stepRow struct {
	journey.Step
	ConnectionName string
	Who            string
	Changed        []string // the fields of a change, by what people call them
	Did, Came      string   // the action and its outcome, in words
}

// Icon is the step's mark.
func (r stepRow) Icon() string {
	switch r.Kind {
	case journey.Change:
		return "edit"
	case journey.Published:
		return "flow"
	case journey.Linked:
		return "plug"
	case journey.DeadLetter, journey.Conflict, journey.Difference:
		return "letter"
	case journey.Pushed, journey.Pulled, journey.Act:
	}
	return "play"
}

// Tone is the mark's colour: of what somebody has to see to, and of what failed.
func (r stepRow) Tone() string {
	switch {
	case r.Kind == journey.DeadLetter, r.Outcome == "failed":
		return "bad"
	case r.Kind == journey.Conflict, r.Kind == journey.Difference:
		return "warn"
	}
	return "info"
}

// LetterURL is the dead letter's page, "" for other steps.
func (r stepRow) LetterURL() string {
	if r.Kind != journey.DeadLetter || r.ID == nil {
		return ""
	}
	return "/sync/dead-letters/" + r.ID.String()
}

// Raw is the step's detail where it is neither a list of changed fields nor empty.
func (r stepRow) Raw() json.RawMessage {
	if r.Kind == journey.Change || string(r.Detail) == "[]" || string(r.Detail) == "null" {
		return nil
	}
	return r.Detail
}

// Place is where a change was published, "" for other steps.
func (r stepRow) Place() string {
	if r.Offset == nil || r.Partition == nil {
		return ""
	}
	return fmt.Sprintf("%s, partition %d, offset %d", r.Topic, *r.Partition, *r.Offset)
}

const journeySize = 100

func (c *Console) journey(w view) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(crm.ErrNotFound)
		if err != nil {
			return err
		}
		if v.who.May(access.DeadLetters, access.Read) == "" {
			return errForbidden
		}
		here := w.path() + "/" + id.String()
		p := journeyPage{Kind: w.kind, Record: here}
		after := v.r.URL.Query().Get("after")
		err = v.as(ctx, func(tx pgx.Tx) error {
			record := recordPage{View: w, ID: id, Path: here}
			if err := v.fillRecord(ctx, tx, &record); err != nil {
				return err
			}
			p.Title = record.Title
			found, err := journey.Read(ctx, tx, bus.Topic, journey.Filter{Entity: string(w.kind), EntityID: id, After: after, Limit: journeySize})
			if err != nil {
				return err
			}
			p.pager = pagerOf(from(here+"/journey"), after, found.Next)
			if err := journey.SightIn(ctx, tx, v.who.Permissions, string(w.kind), c.Revisions).Mask(found.Items); err != nil {
				return err
			}
			p.Steps, err = v.stepRows(ctx, tx, found.Items, record.fields)
			return err
		})
		if err != nil {
			return err
		}
		return v.show("journey", p)
	}
}

// stepWord is what is said of an action or an outcome: the word of a kind of state, if it is one, else that of an act.
func (v *visit) stepWord(code, kind string) string {
	if word, ok := v.words()["state."+kind+"."+code]; ok {
		return word
	}
	return v.words().act(code)
}

func (v *visit) stepRows(ctx context.Context, tx pgx.Tx, steps []journey.Step, fields []field) ([]stepRow, error) {
	labels := map[string]string{}
	for _, f := range fields {
		labels[f.Name] = f.label
	}
	told, err := v.everybody(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows := make([]stepRow, len(steps))
	for i, s := range steps {
		about := "difference_kind"
		if s.Kind == journey.DeadLetter {
			about = "direction"
		}
		rows[i] = stepRow{Step: s, Did: v.stepWord(s.Action, about), Came: v.stepWord(s.Outcome, string(s.Kind))}
		if label := labels[s.Message]; s.Kind == journey.Conflict && label != "" {
			rows[i].Message = label
		}
		if what := v.words()["state.step."+s.Message]; s.Kind == journey.Act && what != "" {
			rows[i].Message = what
		}
		if s.ConnectionID != nil {
			rows[i].ConnectionName = told.connections[s.ConnectionID.String()]
		}
		if s.Actor != "" {
			rows[i].Who = v.actor(s.Actor, told)
		}
		if s.Kind == journey.Change {
			for name := range diffOf(s.Detail) {
				if label := labels[name]; label != "" {
					rows[i].Changed = append(rows[i].Changed, label)
				}
			}
			slices.Sort(rows[i].Changed)
		}
	}
	return rows, nil
}
