package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901) into an answer, taken apart.
type pointer []string

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return nil, nil
	}
	if text[0] != '/' {
		return nil, fmt.Errorf("%q is no JSON pointer: it must be empty or start with a slash", text)
	}
	parts := strings.Split(text[1:], "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts, nil
}

// in finds the value in a decoded document. A null is found.
func (p pointer) in(doc any) (any, bool) {
	for _, key := range p {
		switch at := doc.(type) {
		case map[string]any:
			v, ok := at[key]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			doc = at[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// source is where in an answer a value is: a pointer into its body, a header, or the last part of the Location header.
type source struct {
	pointer  pointer
	header   string
	location bool
}

func parseSource(text string) (source, error) {
	if text == "location" {
		return source{location: true}, nil
	}
	if name, ok := strings.CutPrefix(text, "header:"); ok {
		if name == "" {
			return source{}, fmt.Errorf("%q names no header", text)
		}
		return source{header: http.CanonicalHeaderKey(name)}, nil
	}
	p, err := parsePointer(text)
	return source{pointer: p}, err
}

func (s source) in(body any, header http.Header) (any, bool) {
	switch {
	case s.location:
		_, last := cutLast(strings.TrimRight(header.Get("Location"), "/"))
		return last, last != ""
	case s.header != "":
		v := header.Get(s.header)
		return v, v != ""
	default:
		return s.pointer.in(body)
	}
}

func cutLast(path string) (before, last string) {
	path, _, _ = strings.Cut(path, "?")
	i := strings.LastIndexByte(path, '/')
	return path[:i+1], path[i+1:]
}

// text is a scalar as it stands in a URL, a header or an id; "" for null.
func text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	default:
		return "", fmt.Errorf("a %s cannot stand in a text", kindOf(v))
	}
}

func kindOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "text"
	default:
		return "number"
	}
}
