package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// control is what asks for a field.
func (f *form) control(fd field) string {
	switch {
	case fd.Type == "boolean":
		return "check"
	case fd.Refers == user, fd.Refers == crm.KindPipeline, len(fd.Enum) > 0, fd.vocabulary == "custom_field.entity", fd.vocabulary == "custom_field.refers":
		return "select"
	case fd.Refers != "":
		return "refer"
	case fd.Type == "texts":
		return "tags"
	case fd.long():
		return "long"
	case fd.Type == "text":
		switch fd.Format {
		case "email":
			return "email"
		case "phone":
			return "tel"
		}
		return "text"
	default:
		return fd.Type // number, integer, date, instant
	}
}

func (f *form) input(fd field, name string, value any) input {
	in := input{
		Name: name, ID: "f-" + strings.ReplaceAll(name, ".", "-"), Label: fd.label, Form: f.control(fd), Max: fd.Max,
		Required: fd.Required, Given: fd.Key && (fd.Name == "code" || fd.Name == "number"), Kind: fd.Refers, Fault: f.take(name),
	}
	in.Hint = f.help(fd)
	text, _ := value.(string)
	switch x := value.(type) {
	case fmt.Stringer:
		text = x.String()
	case []any:
		parts := make([]string, len(x))
		for i, part := range x {
			parts[i] = fmt.Sprint(part)
		}
		text = strings.Join(parts, ", ")
	case bool:
		in.Checked = x
	}
	in.Value = text
	if fd.vocabulary == "segment.rule.field" {
		in.Form, in.Options = "select", conditionOptions(f.conditions, text)
		return in
	}
	switch in.Form {
	case "instant":
		in.Value = f.instantInput(text)
	case "select":
		in.Options = f.options(fd, text)
	case "refer":
		in.Text, _ = f.names.of(fd, text)
		if c, ok := f.chosen[name]; ok {
			in.Text, in.Choices = c.text, c.choices
		} else if text != "" && in.Text == "" {
			in.Text = "–"
		}
	}
	return in
}

// help says what to write where a label alone makes the reader guess.
func (f *form) help(fd field) string {
	if f.view.kind != crm.KindCustomField {
		return ""
	}
	switch fd.Name {
	case "name":
		return f.say("help.custom_field_name")
	case "is_personal":
		return f.say("help.custom_field_personal")
	case "choices":
		return f.say("help.custom_field_choices")
	case "refers":
		return f.say("help.custom_field_refers")
	case "position":
		return f.say("help.custom_field_position")
	}
	return ""
}

// options are what a select offers; the first is nothing, unless something must be chosen and is.
func (f *form) options(fd field, now string) []option {
	var options []option
	if len(fd.Enum) == 0 || fd.custom() || optionalChoice(fd) {
		nothing := "form.optional"
		if fd.Required {
			nothing = "form.choose"
		}
		options = append(options, option{"", f.say(nothing), now == ""})
	}
	switch {
	case fd.Refers == user:
		reach := f.reach()
		for _, p := range f.people {
			if id := p.ID.String(); id == now || !p.Disabled && (reach == nil || slices.Contains(reach, p.ID)) {
				options = append(options, option{id, p.Name, id == now})
			}
		}
	case fd.Refers == crm.KindPipeline:
		for _, p := range f.lines {
			if id := p.ID.String(); p.IsActive || id == now {
				options = append(options, option{id, p.Name, id == now})
			}
		}
	case len(fd.Enum) > 0:
		for _, value := range fd.Enum {
			options = append(options, option{value, f.word(fd, value), value == now})
		}
	default: // kinds of entities
		for _, k := range crm.Kinds() {
			options = append(options, option{string(k), f.say("state.entity." + string(k)), string(k) == now})
		}
		if fd.Name == "refers" {
			options = append(options, option{string(user), f.say("field.owner_id"), string(user) == now})
		}
	}
	return options
}

// optionalChoice reports whether nothing may be chosen.
func optionalChoice(fd field) bool { return fd.Name == "level" || fd.Name == "role" }

// reach is to whom the visitor may give the record; nil is everybody.
func (f *form) reach() []uuid.UUID {
	r := f.view.resource()
	if f.doc["id"] == nil || f.doc["version"] == nil {
		return f.who.Owners(r, access.Create)
	}
	return f.who.Owners(r, access.Assign)
}

// tomorrow is nine o'clock of the visitor's next day: when a task is due unless he says otherwise, since one that is never due is on no list of
// what is to be done.
func (v *visit) tomorrow() string {
	y, m, d := time.Now().In(v.zone()).Date()
	return time.Date(y, m, d+1, 9, 0, 0, 0, v.zone()).UTC().Format(time.RFC3339)
}

// instantInput writes an instant as a control of a browser takes it, in the visitor's zone.
func (v *visit) instantInput(s string) string {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s
	}
	return at.In(v.zone()).Format("2006-01-02T15:04")
}

// zoneCookie keeps the name of the reader's time zone, which the script finds out.
const zoneCookie = "crmhub_zone"

// zone is the reader's time zone; UTC where it is not known.
func (v *visit) zone() *time.Location {
	if c, err := v.r.Cookie(zoneCookie); err == nil && c.Value != "Local" && len(c.Value) < 64 {
		if zone, err := time.LoadLocation(strings.ReplaceAll(c.Value, "%2F", "/")); err == nil {
			return zone
		}
	}
	return time.UTC
}
