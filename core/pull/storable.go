package pull

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

const (
	longestID   = 512  // bytes
	mostDigits  = 1000 // of a number, written without exponent; the database would write them all
	replacement = "\ufffd"
)

// storable is a record that the database can keep. What it cannot - a NUL character, a number beyond all measure, an id of
// kilobytes - is written otherwise in the dead letter that the record then is; its neighbours go on.
func storable(r connector.Record) connector.Record {
	var faults schema.Violations
	for _, text := range []*string{&r.ID, &r.Version} {
		switch {
		case unprintable(*text):
			faults = append(faults, schema.Violation{Rule: "format", Message: "the id or version has a NUL character"})
			*text = printable(*text)
		case len(*text) > longestID:
			faults = append(faults, schema.Violation{Rule: "maxLength", Message: "the id or version has more than 512 bytes"})
			*text = printable((*text)[:longestID])
		}
	}
	faults = unstorable("", r.Data, faults)
	if len(faults) == 0 {
		return r
	}
	r.Data, _ = written(r.Data).(map[string]any)
	if r.Err == nil {
		r.Err = faults.Sort()
	}
	return r
}

// unstorable adds what the database cannot keep of v.
func unstorable(pointer string, v any, faults schema.Violations) schema.Violations {
	switch v := v.(type) {
	case string:
		if unprintable(v) {
			faults = append(faults, schema.Violation{Pointer: pointer, Rule: "format", Message: "must have no NUL character"})
		}
	case json.Number:
		if immense(v) {
			faults = append(faults, schema.Violation{Pointer: pointer, Rule: "maximum", Message: "must be a number of at most 1000 digits"})
		}
	case []any:
		for i, item := range v {
			faults = unstorable(pointer+"/"+strconv.Itoa(i), item, faults)
		}
	case map[string]any:
		for name, member := range v {
			at := pointer + "/" + schema.EscapePointer(printable(name))
			if unprintable(name) {
				faults = append(faults, schema.Violation{Pointer: at, Rule: "format", Message: "must have no name with a NUL character"})
			}
			faults = unstorable(at, member, faults)
		}
	}
	return faults
}

// written is a copy of v as it can be kept: immense numbers are texts.
func written(v any) any {
	switch v := v.(type) {
	case string:
		return printable(v)
	case json.Number:
		if immense(v) {
			return v.String()[:min(len(v), mostDigits)]
		}
	case []any:
		list := slices.Clone(v)
		for i := range list {
			list[i] = written(list[i])
		}
		return list
	case map[string]any:
		object := maps.Clone(v)
		clear(object)
		for name, member := range v {
			object[printable(name)] = written(member)
		}
		return object
	}
	return v
}

func unprintable(s string) bool { return strings.Contains(s, "\x00") || !utf8.ValidString(s) }

func printable(s string) string {
	if !unprintable(s) {
		return s
	}
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", replacement), replacement)
}

func immense(n json.Number) bool {
	digits, exponent, _ := strings.Cut(strings.ToLower(n.String()), "e")
	if len(digits) > mostDigits {
		return true
	}
	if exponent == "" {
		return false
	}
	by, err := strconv.Atoi(exponent)
	return err != nil || by > mostDigits || by < -mostDigits
}
