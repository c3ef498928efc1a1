package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"crmhub/core/access"
	"crmhub/core/schema"
)

// questions makes the inputs of a form that is about no kind of record: what was entered comes again, with what is wrong beside it.
type questions struct {
	*visit
	given  url.Values // nil: nothing was entered yet
	faults map[string]string
}

// A form's life. Its page is written by one function, which is told what is wrong: nil for a form that was not sent yet. Who takes
// what was sent reads it, does it, and ends by that function with the error that came of it, or by [visit.done] without one. What
// is wrong with what was entered the page then says; any other error the function returns, and [visit.fail] shows it.

// wrongIn is what an error says is wrong with what was entered, nothing without an error. Another error is returned as it is.
func wrongIn(err error) (vs schema.Violations, other error) {
	if err == nil || errors.As(err, &vs) {
		return vs, nil
	}
	return nil, err
}

// writeForm writes a page with a form.
func (v *visit) writeForm(name string, data any, wrong error) error {
	return v.write(statusOf(wrong != nil), name, data)
}

// statusOf is the status of a page with a form, of which something may be wrong.
func statusOf(wrong bool) int {
	if wrong {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// questions are those of a form that was not sent yet, or that err says is wrong. Another error is returned as it is.
func (v *visit) questions(err error) (*questions, error) {
	vs, other := wrongIn(err)
	if other != nil {
		return nil, other
	}
	q := &questions{visit: v, faults: map[string]string{}}
	if err != nil {
		q.given = v.r.Form
	}
	for _, broken := range vs {
		name := strings.ReplaceAll(strings.TrimPrefix(broken.Pointer, "/"), "/", ".")
		if q.faults[name] == "" {
			q.faults[name] = v.violation(broken, nil)
		}
	}
	return q, nil
}

// ask asks for a value, which now is.
func (q *questions) ask(name, label, form, now string) input {
	in := input{Name: name, ID: "f-" + strings.ReplaceAll(name, ".", "-"), Label: label, Form: form, Value: now, Max: 300, Fault: q.faults[name]}
	delete(q.faults, name)
	if q.given.Has(name) {
		in.Value = q.given.Get(name)
	}
	if form == "check" {
		in.Checked = in.Value == "true"
		if q.given != nil {
			in.Checked = slices.Contains(q.given[name], "true")
		}
	}
	if form == "password" {
		in.Value = ""
	}
	return in
}

// must asks for a value that has to be given.
func (q *questions) must(name, label, form, now string) input {
	in := q.ask(name, label, form, now)
	in.Required = true
	return in
}

// choose asks for one of some values.
func (q *questions) choose(name, label, now string, options []option) input {
	in := q.ask(name, label, "select", now)
	in.Options = chosenOf(options, in.Value)
	return in
}

// rest is what is wrong and stands beside no input.
func (q *questions) rest() []string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(q.faults)) {
		said = append(said, q.faults[name])
	}
	return said
}

// people are who may be chosen: those that are active, by name; now is who stands there, active or not.
func people(persons []access.Person, now string) []option {
	options := make([]option, 0, len(persons))
	for _, p := range persons {
		if id := p.ID.String(); !p.Disabled || id == now {
			options = append(options, option{id, p.Name, id == now})
		}
	}
	return options
}
