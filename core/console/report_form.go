package console

import (
	"context"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/report"
	"crmhub/core/schema"
)

// reportInput asks for a parameter of a report.
type reportInput struct {
	input
	Hint     string // what it means
	Min, Top int    // of a whole number
}

// reportAsked is what the address asks a report for.
type reportAsked struct {
	*visit
	report report.Report
	given  report.Parameters
	texts  map[string]chosen // what was written for references, by parameter
	faults map[string]string // by parameter
	found  bool              // something written was looked up
}

// readParameters reads the report's parameters from the address.
func (v *visit) readParameters(r report.Report) *reportAsked {
	q := v.r.URL.Query()
	a := &reportAsked{visit: v, report: r, given: report.Parameters{}, texts: map[string]chosen{}, faults: map[string]string{}}
	for _, p := range r.Parameters {
		value := strings.TrimSpace(q.Get(p.Name))
		if p.Type == "currency" {
			value = strings.ToUpper(value)
		}
		if text := strings.TrimSpace(q.Get(p.Name + "~text")); q.Has(p.Name + "~text") {
			a.found = true
			if text == "" {
				value = ""
			} else if text != q.Get(p.Name+"~was") {
				value, a.texts[p.Name] = "", chosen{text: text}
			}
		}
		if value != "" {
			a.given[p.Name] = value
		}
	}
	return a
}

// refersTo is the kind that an id refers to by its name: customer_id; "" for none that has pages. Owners are users.
func refersTo(name string) crm.Kind {
	name = strings.TrimSuffix(name, "_id")
	if name == "owner" {
		return user
	}
	k, err := crm.ParseKind(name)
	if err != nil {
		return ""
	}
	return k
}

// find looks for what was written for references.
func (a *reportAsked) find(ctx context.Context, tx pgx.Tx) error {
	for name, c := range a.texts {
		id, choices, err := a.lookUp(ctx, tx, refersTo(name), c.text)
		switch {
		case err != nil:
			return err
		case id != "":
			a.given[name] = id
			delete(a.texts, name)
		case len(choices) == 0:
			a.faults[name] = a.say("form.choose_none")
		default:
			a.faults[name] = a.say("report.choose_many")
			c.choices = choices
			a.texts[name] = c
		}
	}
	return nil
}

// wrong reports whether something cannot be asked so.
func (a *reportAsked) wrong() bool { return len(a.faults) > 0 }

// blame sets what the report found wrong beside the inputs.
func (a *reportAsked) blame(vs schema.Violations) {
	for _, broken := range vs {
		a.faults[strings.TrimPrefix(broken.Pointer, "/")] = a.violation(broken, nil)
	}
}

// inputs are the controls for the parameters; counted are those that were left out too, as they count.
func (a *reportAsked) inputs(ctx context.Context, tx pgx.Tx, counted report.Parameters) ([]reportInput, error) {
	known, err := a.everybody(ctx, tx)
	if err != nil {
		return nil, err
	}
	var all []reportInput
	for _, p := range a.report.Parameters {
		in := reportInput{Hint: a.wordsOf(p.Title), Min: p.Min, Top: p.Max}
		in.input = input{Name: p.Name, ID: "p-" + p.Name, Label: a.say("report.parameter." + p.Name), Value: counted[p.Name], Fault: a.faults[p.Name]}
		if in.Value == "" {
			in.Value = a.given[p.Name]
		}
		switch k := refersTo(p.Name); {
		case p.Type == "choice":
			in.Form = "select"
			for _, choice := range p.Choices {
				in.Options = append(in.Options, option{choice, a.say("report.choice." + p.Name + "." + choice), choice == in.Value})
			}
		case p.Type != "id":
			in.Form, in.Checked = p.Type, in.Value == "true"
		case k == user:
			in.Form = "select"
			in.Options = append(in.Options, option{"", a.say("report.everybody"), in.Value == ""})
			for _, one := range known.persons {
				if id := one.ID.String(); !one.Disabled || id == in.Value {
					in.Options = append(in.Options, option{id, one.Name, id == in.Value})
				}
			}
		case k == crm.KindPipeline:
			in.Form = "select"
			in.Options = append(in.Options, option{"", "–", in.Value == ""})
			pipelines, err := a.pipelines(ctx, tx)
			if err != nil {
				return nil, err
			}
			for _, one := range pipelines {
				in.Options = append(in.Options, option{one.ID.String(), one.Name, one.ID.String() == in.Value})
			}
		default:
			in.Form, in.Kind = "reference", k
			if err := a.reference(ctx, tx, &in); err != nil {
				return nil, err
			}
		}
		all = append(all, in)
	}
	return all, nil
}

// reference completes a control that asks for a record.
func (a *reportAsked) reference(ctx context.Context, tx pgx.Tx, in *reportInput) error {
	if c, ok := a.texts[in.Name]; ok {
		in.Text, in.Choices = c.text, c.choices
		return nil
	}
	if _, err := uuid.Parse(in.Value); err != nil {
		return nil //nolint:nilerr // what is no id has no name
	}
	f := field{Field: crm.Field{Name: in.Name, Type: "id", Refers: in.Kind}}
	n, err := a.name(ctx, tx, []field{f}, map[string]any{in.Name: in.Value})
	if err != nil {
		return err
	}
	if in.Text, _ = n.of(f, in.Value); in.Text == "" {
		in.Text = in.Value[:8]
	}
	return nil
}
