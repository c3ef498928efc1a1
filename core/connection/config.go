package connection

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"crmhub/core/connector"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

func checkCode(code string) schema.Violations {
	if codePattern.MatchString(code) {
		return nil
	}
	return schema.Violations{{
		Pointer: "/code", Rule: "pattern",
		Message: "a code starts with a letter and has at most 41 lower-case letters, digits and hyphens",
	}}
}

func checkName(name string) schema.Violations {
	if strings.TrimSpace(name) != "" {
		return nil
	}
	return schema.Violations{{Pointer: "/name", Rule: "required", Message: "a name is required"}}
}

// checkConfig validates the whole configuration, secrets included, against the connector's schema.
func checkConfig(c connector.Connector, config map[string]any) (schema.Violations, error) {
	compiled, err := schema.Compile(c.Name+"/config.json", c.Config)
	if err != nil {
		return nil, fmt.Errorf("configuration schema of connector %s: %w", c.Name, err)
	}
	vs := compiled.Validate(config)
	for i := range vs {
		vs[i].Pointer = "/config" + vs[i].Pointer
	}
	return vs, nil
}

// whole is the configuration as the schema sees it: with its secrets in their places. A secret that was not given
// is the stored one; one given as null is none.
func whole(c connector.Connector, config map[string]any, stored map[string]secret.Text) map[string]any {
	w := maps.Clone(config)
	if w == nil {
		w = map[string]any{}
	}
	for _, name := range c.Secrets {
		v, given := w[name]
		if text, ok := stored[name]; ok && !given {
			w[name] = text.Reveal()
		}
		if given && v == nil {
			delete(w, name)
		}
	}
	return w
}

// split parts a checked configuration from its secrets.
func split(c connector.Connector, whole map[string]any) (plain map[string]any, secrets map[string]secret.Text, vs schema.Violations) {
	plain, secrets = maps.Clone(whole), map[string]secret.Text{}
	for _, name := range c.Secrets {
		v, ok := plain[name]
		if !ok {
			continue
		}
		delete(plain, name)
		text, isText := v.(string)
		if !isText {
			vs = append(vs, schema.Violation{Pointer: "/config/" + name, Rule: "type", Message: "a secret is a text"})
			continue
		}
		secrets[name] = secret.New(text)
	}
	return plain, secrets, vs
}

// givenSecrets are the names of the secrets that a configuration sets or takes away.
func givenSecrets(c connector.Connector, config map[string]any) (names []string) {
	for _, name := range c.Secrets {
		if _, given := config[name]; given {
			names = append(names, name)
		}
	}
	return names
}

func unknownConnector(known map[string]connector.Connector) schema.Violation {
	return schema.Violation{
		Pointer: "/connector", Rule: "enum",
		Message: "there is no such connector; known are " + strings.Join(slices.Sorted(maps.Keys(known)), ", "),
	}
}
