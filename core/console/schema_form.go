package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/schema"
)

// configSchema is what a form understands of a JSON Schema. What it does not understand is asked for as JSON.
type configSchema struct {
	Type        any                     `json:"type"`
	Title       string                  `json:"title"`
	Description string                  `json:"description"`
	Enum        []any                   `json:"enum"`
	Default     any                     `json:"default"`
	Format      string                  `json:"format"`
	MaxLength   int                     `json:"maxLength"`
	Required    []string                `json:"required"`
	Properties  map[string]configSchema `json:"properties"`
	Items       *configSchema           `json:"items"`
}

// settingGroup are the inputs of an object of a configuration.
type settingGroup struct {
	Label, Hint string
	Inputs      []settingInput
	Folded      bool // it is optional, and nothing of it is set or wrong
}

// settingInput asks for a setting. A secret that is stored may be cleared; it is never shown.
type settingInput struct {
	input
	Clear      string // the name of the check that takes it away; "" where there is nothing to
	ClearLabel string
}

// schemaForm asks for what a JSON Schema describes. Inputs are named by the JSON pointer of what they ask for, with dots: config.url.
type schemaForm struct {
	*questions
	connector string // whose configuration it is
	schema    configSchema
	secrets   []string        // write-only, at the top
	stored    map[string]any  // what is there now, without secrets
	sealed    map[string]bool // secrets that are there now
}

// control says how a schema is asked for.
func (s configSchema) control() string {
	switch {
	case len(s.Enum) > 0:
		return "select"
	case s.Type == "boolean":
		return "check"
	case s.Type == "integer", s.Type == "number":
		return s.Type.(string) //nolint:forcetypeassert // it is one of two texts
	case s.Type == "string" && s.multiline():
		return "long"
	case s.Type == "string" && s.Format == "uri":
		return "url"
	case s.Type == "string":
		return "text"
	case s.Type == "array" && s.Items != nil && s.Items.Type == "string":
		return "lines"
	}
	return "json"
}

// multiline reports whether a text has several lines: keys and certificates do.
func (s configSchema) multiline() bool {
	return strings.Contains(s.Description, "PEM") || strings.Contains(s.Title, "PEM")
}

// nested reports whether a schema is an object with settings of its own.
func (s configSchema) nested() bool { return s.Type == "object" && len(s.Properties) > 0 }

// order are the names of an object's settings: what must be there in its order, then the others, and objects last.
func (s configSchema) order() []string {
	var names, objects []string
	for _, name := range s.Required {
		if p, ok := s.Properties[name]; ok && !p.nested() {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		switch {
		case s.Properties[name].nested():
			objects = append(objects, name)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return append(names, objects...)
}

func (f *schemaForm) word(prefix, name, said string) string {
	return f.settingWord(prefix, f.connector, name, said)
}

// connectorTitle is what a connector is called, in the reader's language where the catalogues have it.
func (v *visit) connectorTitle(c connector.Connector) string {
	return v.settingWord("connector", "title", c.Name, c.Title)
}

// setting is what a connection's configuration says of one thing.
type setting struct {
	Label string
	Value any
}

// settings are a connection's configuration in words, in the order of its form, and what its connector is called.
func (v *visit) settings(of connector.Connector, c connection.Connection) (title string, all []setting, err error) {
	var s configSchema
	if len(of.Config) > 0 {
		if err := json.Unmarshal(of.Config, &s); err != nil {
			return "", nil, fmt.Errorf("configuration schema of connector %s: %w", c.Connector, err)
		}
	}
	names := s.order()
	for _, name := range slices.Sorted(maps.Keys(c.Config)) { // what an earlier version of the connector knew
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if value, ok := c.Config[name]; ok {
			label := v.settingWord("setting", c.Connector, name, s.Properties[name].label(name))
			all = append(all, setting{label, value})
		}
	}
	return cmp.Or(v.connectorTitle(of), c.Connector), all, nil
}

// settingWord says in the reader's language what a connector's schema says in English, where the catalogues have it: what connectors say that
// are shipped. Another connector's schema shows as it is.
func (v *visit) settingWord(prefix, connector, name, said string) string {
	en, words := v.console.render.words["en"], v.words()
	for _, key := range []string{prefix + "." + connector + "." + name, prefix + "." + name} {
		if en[key] == said {
			return words[key]
		}
	}
	return said
}

// groups are the inputs of the whole schema.
func (f *schemaForm) groups(label string) []settingGroup {
	return f.object(settingGroup{Label: label}, f.schema, []string{"config"}, f.stored, true)
}

func (f *schemaForm) object(g settingGroup, s configSchema, at []string, now map[string]any, required bool) []settingGroup {
	var below []settingGroup
	wrong := false
	for _, name := range s.order() {
		p := s.Properties[name]
		path := append(slices.Clone(at), name)
		if p.nested() {
			inner, _ := now[name].(map[string]any)
			below = append(below, f.object(settingGroup{Label: f.word("setting", name, p.label(name)), Hint: f.word("setting_hint", name, p.Description)}, p, path, inner, slices.Contains(s.Required, name))...)
			continue
		}
		in := f.setting(p, path, name, now[name], slices.Contains(s.Required, name))
		wrong = wrong || in.Fault != ""
		g.Inputs = append(g.Inputs, in)
	}
	g.Folded = !required && len(now) == 0 && !wrong && f.given == nil
	return append([]settingGroup{g}, below...)
}

func (s configSchema) label(name string) string {
	if s.Title != "" {
		return s.Title
	}
	words := strings.ReplaceAll(name, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func (f *schemaForm) setting(s configSchema, path []string, name string, now any, required bool) settingInput {
	full := strings.Join(path, ".")
	form := s.control()
	in := settingInput{input: f.ask(full, f.word("setting", name, s.label(name)), form, s.shown(now))}
	in.Required, in.Hint, in.Max = required, f.word("setting_hint", name, s.Description), 10000
	if s.MaxLength > 0 {
		in.Max = s.MaxLength
	}
	for broken, said := range f.faults { // of an item of a list, or of a part of what is asked for as JSON
		if in.Fault == "" && strings.HasPrefix(broken, full+".") {
			in.Fault = said
			delete(f.faults, broken)
		}
	}
	switch {
	case len(path) == 2 && slices.Contains(f.secrets, name):
		in.Form, in.Value, in.Auto = "password", "", "new-password"
		if s.multiline() {
			in.Form = "long" // a password's control takes one line
		}
		if f.sealed[name] {
			in.Hint = strings.TrimSpace(in.Hint + " " + f.say("connection.secret_set"))
			in.Required = false
			if !required {
				in.Clear, in.ClearLabel = full+"~clear", f.say("connection.secret_clear", in.Label)
			}
		}
	case form == "select":
		if !required {
			in.Options = append(in.Options, option{Label: f.say("connection.unset")})
		}
		for _, value := range s.Enum {
			text := s.shown(value)
			label := text
			if strings.TrimSpace(text) == "" || text == "," || text == ";" {
				label = strconv.Quote(text)
			}
			in.Options = append(in.Options, option{Value: text, Label: label})
		}
		in.Options = chosenOf(in.Options, in.Value)
	case form == "check" && f.given == nil:
		in.Checked = now == true || now == nil && s.Default == true
	case form == "lines":
		in.Form, in.Hint = "long", strings.TrimSpace(in.Hint+" "+f.say("connection.lines"))
	case form == "json":
		in.Form, in.Hint = "long", strings.TrimSpace(in.Hint+" "+f.say("connection.json"))
	}
	if s.Default != nil && form != "check" {
		in.Hint = strings.TrimSpace(in.Hint + " " + f.say("connection.default", s.shown(s.Default)))
	}
	return in
}

// shown is a value as its control has it.
func (s configSchema) shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		if s.control() == "lines" {
			lines := make([]string, len(v))
			for i, line := range v {
				lines[i] = fmt.Sprint(line)
			}
			return strings.Join(lines, "\n")
		}
	case map[string]any:
	default:
		return fmt.Sprint(v)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

// entered is the configuration that a form says. What was left empty is absent, but for a secret that is to be cleared, which is
// null. What cannot be read as what it should be stays a text, and the schema refuses it.
func (s configSchema) entered(form url.Values, secrets []string, stored map[string]any) (config map[string]any, vs schema.Violations) {
	return s.enteredAt(form, []string{"config"}, secrets, stored)
}

func (s configSchema) enteredAt(form url.Values, at, secrets []string, stored map[string]any) (map[string]any, schema.Violations) {
	config := map[string]any{}
	for name, value := range stored {
		if _, asked := s.Properties[name]; !asked {
			config[name] = value
		}
	}
	var vs schema.Violations
	for name, p := range s.Properties {
		path := append(slices.Clone(at), name)
		full := strings.Join(path, ".")
		if p.nested() {
			now, _ := stored[name].(map[string]any)
			inner, broken := p.enteredAt(form, path, nil, now)
			vs = append(vs, broken...)
			if len(inner) > 0 {
				config[name] = inner
			}
			continue
		}
		if !form.Has(full) {
			continue
		}
		text := form.Get(full)
		if slices.Contains(secrets, name) {
			switch {
			case text != "":
				config[name] = strings.ReplaceAll(text, "\r\n", "\n")
			case form.Get(full+"~clear") == "true":
				config[name] = nil
			}
			continue
		}
		value, err := p.read(text, form[full])
		if err != nil {
			vs = append(vs, schema.Violation{Pointer: "/" + strings.Join(path, "/"), Rule: "format", Message: "must be JSON"})
			continue
		}
		_, was := stored[name]
		if value == false && !was && p.Default != true && !slices.Contains(s.Required, name) {
			continue // nobody decided against it
		}
		if value != nil {
			config[name] = value
		}
	}
	return config, vs
}

// read makes a value of what a control says; nil is none.
func (s configSchema) read(text string, all []string) (any, error) {
	switch s.control() {
	case "check":
		return slices.Contains(all, "true"), nil
	case "select":
		for _, value := range s.Enum {
			if s.shown(value) == text && text != "" {
				return value, nil
			}
		}
	case "integer", "number":
		if text = strings.TrimSpace(text); json.Valid([]byte(text)) && text != "" && strings.Trim(text, "0123456789+-.eE") == "" {
			return json.Number(text), nil
		}
	case "lines":
		var lines []any
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		if lines == nil {
			return nil, nil //nolint:nilnil // nothing was entered
		}
		return lines, nil
	case "json":
		if strings.TrimSpace(text) == "" {
			return nil, nil //nolint:nilnil // nothing was entered
		}
		return schema.DecodeJSON([]byte(text))
	case "long":
		text = strings.ReplaceAll(text, "\r\n", "\n")
	default:
		text = strings.TrimSpace(text)
	}
	if text == "" {
		return nil, nil //nolint:nilnil // nothing was entered
	}
	return text, nil
}
