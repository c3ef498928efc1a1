package schema

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// collect adds the leaves of a validation error: its inner nodes only say that something below them is wrong.
// Of alternatives (anyOf, oneOf) each contributes why it does not fit.
func (vs *Violations) collect(ve *jsonschema.ValidationError) {
	if len(ve.Causes) > 0 {
		for _, cause := range ve.Causes {
			vs.collect(cause)
		}
		return
	}
	rule := keyword(ve)
	pointer, err := url.PathUnescape(ve.InstanceLocation) // the library writes it for URLs
	if err != nil {
		pointer = ve.InstanceLocation
	}
	names := quoted(ve.Message)
	switch {
	case rule == "false":
		*vs = append(*vs, Violation{pointer, rule, "is not allowed here", nil})
	case rule == "dependentRequired" && len(names) == 2:
		// The first name is missing; the second is the one that asks for it.
		*vs = append(*vs, Violation{pointer + "/" + EscapePointer(names[0]), rule, "is required with " + names[1], nil})
	case rule == "required" && len(names) > 0:
		vs.name(pointer, rule, names, "is required")
	case rule == "additionalProperties" && len(names) > 0:
		vs.name(pointer, rule, names, "is not known here")
	default:
		*vs = append(*vs, Violation{pointer, rule, sentence(rule, ve.Message), nil})
	}
}

// name adds a violation for each named property of the object at pointer.
func (vs *Violations) name(pointer, rule string, names []string, message string) {
	for _, name := range names {
		*vs = append(*vs, Violation{pointer + "/" + EscapePointer(name), rule, message, nil})
	}
}

// keyword is the name of the rule that failed: the last part of its place in the schema, unless that is a name or a
// number below the keyword.
func keyword(ve *jsonschema.ValidationError) string {
	switch {
	case ve.Message == "not allowed": // a schema that is just false, under whatever name
		return "false"
	case strings.Contains(ve.KeywordLocation, "/dependentRequired/"), strings.Contains(ve.KeywordLocation, "/dependencies/"):
		if strings.HasPrefix(ve.Message, "property ") {
			return "dependentRequired"
		}
	}
	return path.Base(ve.KeywordLocation)
}

// sentence is the library's message without the value it repeats, which may be personal.
func sentence(rule, message string) string {
	switch rule {
	case "format":
		if format, ok := afterLast(message, " is not valid "); ok {
			return "is no valid " + strings.Trim(format, "'")
		}
		return "has the wrong format"
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		limit, _, _ := strings.Cut(message, " but found")
		return limit
	case "multipleOf":
		if of, ok := afterLast(message, " not multipleOf "); ok {
			return "must be a multiple of " + of
		}
		return "has too many decimals"
	case "type":
		return strings.Replace(message, "expected ", "must be ", 1)
	}
	return message
}

func afterLast(s, sep string) (string, bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", false
	}
	return s[i+len(sep):], true
}

var quotedNames = regexp.MustCompile(`'((?:[^'\\]|\\.)*)'`)

// quoted returns the names a message lists between single quotes, where the library puts a backslash before a quote.
func quoted(message string) []string {
	var names []string
	for _, m := range quotedNames.FindAllStringSubmatch(message, -1) {
		names = append(names, strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(m[1]))
	}
	return names
}
