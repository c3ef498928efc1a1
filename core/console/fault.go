package console

import (
	"slices"
	"strconv"
	"strings"

	"crmhub/core/schema"
)

// fieldOf finds the field that a pointer leads to, and what it is called: "Lines 2 · Quantity". The label is "" where it leads to none.
func (v *visit) fieldOf(pointer string, fields []field) (found field, label string) {
	steps := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if steps[0] == "ext" && len(steps) > 1 {
		steps = append([]string{customPrefix + steps[1]}, steps[2:]...)
	}
	for _, step := range steps {
		if n, err := strconv.Atoi(step); err == nil && label != "" {
			label += " " + strconv.Itoa(n+1)
			continue
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == step })
		if i < 0 {
			return found, label
		}
		if label != "" {
			label += " · "
		}
		found, label, fields = fields[i], label+fields[i].label, fields[i].fields
	}
	return found, label
}

// violation says in words what is wrong, and of what.
func (v *visit) violation(broken schema.Violation, fields []field) string {
	fd, label := v.fieldOf(broken.Pointer, fields)
	if label != "" {
		label += v.say("colon")
	}
	return label + v.fault(broken, fd)
}

// fault says in words what is wrong with a field: where its value has another form than it must have, what that form is.
func (v *visit) fault(broken schema.Violation, fd field) string {
	if broken.Said == nil {
		switch form := fd.form(); {
		case broken.Rule == "maxLength" && fd.Max > 0:
			return v.say("must.length", fd.Max)
		case form != "" && slices.Contains([]string{"format", "pattern", "type"}, broken.Rule):
			return v.say("must." + form)
		}
	}
	return brokenRule(v.lang, v.words(), broken)
}

// form is what a value of the field must look like, a key below "must."; "" where anything will do.
func (f field) form() string {
	switch {
	case f.Refers != "":
		return "reference"
	case f.Type == "text" && f.custom() && len(f.Enum) > 0:
		return "choice"
	case f.Type == "text":
		return f.Format
	case slices.Contains([]string{"number", "integer", "date", "instant"}, f.Type):
		return f.Type
	}
	return ""
}

// blame sets what is wrong beside the inputs that it is about.
func (f *form) blame(vs schema.Violations) {
	for _, broken := range vs {
		name := strings.ReplaceAll(strings.TrimPrefix(broken.Pointer, "/"), "/", ".")
		fd, _ := f.fieldOf(broken.Pointer, f.fields)
		said := f.fault(broken, fd)
		before := f.faults[name]
		if before != "" && !strings.Contains(before, said) { // two rules may say the same
			said = before + f.say("semicolon") + said
		}
		f.faults[name] = said
	}
}

// marked are the inputs and lists beside which something is wrong, in the order of the form.
func marked(groups []inputGroup) []input {
	var all []input
	add := func(in input) {
		if in.Fault != "" {
			all = append(all, in)
		}
	}
	for _, g := range groups {
		for _, in := range g.Inputs {
			add(in)
		}
		for _, l := range g.Lists {
			add(input{ID: "list-" + l.Name, Label: l.Label, Fault: l.Fault})
			for _, row := range l.Rows {
				for _, in := range row.Inputs {
					in.Label = l.Label + " " + strconv.Itoa(row.Number) + " · " + in.Label
					add(in)
				}
			}
		}
	}
	return all
}
