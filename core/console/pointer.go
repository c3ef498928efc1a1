package console

import (
	"encoding/json"
	"strconv"
	"strings"

	"crmhub/core/schema"
)

// valueAt is what stands at a JSON pointer in a document, as JSON and not at full length; "" if there is nothing.
func valueAt(doc json.RawMessage, pointer string) string {
	at, err := schema.DecodeJSON(doc)
	if err != nil {
		return ""
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, step := range strings.Split(pointer, "/")[1:] {
		ok := false
		switch in := at.(type) {
		case map[string]any:
			at, ok = in[unescape.Replace(step)]
		case []any:
			var i int
			if i, err = strconv.Atoi(step); err == nil && i >= 0 && i < len(in) {
				at, ok = in[i], true
			}
		}
		if !ok {
			return ""
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the template does
	if e.Encode(at) != nil {
		return ""
	}
	const most = 120 // the whole stands in the payload below
	found := []rune(strings.TrimSpace(b.String()))
	if len(found) > most {
		return string(found[:most]) + "…"
	}
	return string(found)
}
