package console

import (
	"encoding/json"
	"strings"

	"crmhub/core/schema"
)

// valueAt is what stands at a JSON pointer in a document, as JSON and not at full length; "" if there is nothing.
func valueAt(doc json.RawMessage, pointer string) string {
	whole, err := schema.DecodeJSON(doc)
	if err != nil {
		return ""
	}
	at, found := schema.At(whole, pointer)
	if !found {
		return ""
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the template does
	if e.Encode(at) != nil {
		return ""
	}
	const most = 120 // the whole stands in the payload below
	shown := []rune(strings.TrimSpace(b.String()))
	if len(shown) > most {
		return string(shown[:most]) + "…"
	}
	return string(shown)
}
