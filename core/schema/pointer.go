package schema

import (
	"encoding/json"
	"strconv"
	"strings"
)

// EscapePointer makes a name a token of a JSON pointer (RFC 6901).
func EscapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// PointerTokens are the names of a JSON pointer, none of the whole document's.
func PointerTokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = unescape.Replace(t)
	}
	return tokens
}

// At returns what stands at a JSON pointer in a decoded document, and whether there is anything.
func At(doc any, pointer string) (any, bool) {
	for _, token := range PointerTokens(pointer) {
		found := false
		switch in := doc.(type) {
		case map[string]any:
			doc, found = in[token]
		case []any:
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(in) {
				doc, found = in[i], true
			}
		}
		if !found {
			return nil, false
		}
	}
	return doc, true
}

// TextAt is the text or number at a JSON pointer; "" if there is none.
func TextAt(doc any, pointer string) string {
	at, _ := At(doc, pointer)
	switch v := at.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
