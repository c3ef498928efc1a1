package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// filter changes a placeholder's value; ok says whether there is one. Filters but default pass what is missing or null on.
type filter func(s *scope, v any, ok bool) (any, bool, error)

func (c *compiler) filter(name, argument string) (filter, error) {
	if name == "default" {
		return func(_ *scope, v any, ok bool) (any, bool, error) {
			if !ok || v == nil || v == "" {
				return argument, true, nil
			}
			return v, true, nil
		}, nil
	}
	if name == "seek" {
		return c.seek(argument)
	}
	change, err := c.change(name, argument)
	if err != nil {
		return nil, err
	}
	return func(s *scope, v any, ok bool) (any, bool, error) {
		if !ok || v == nil {
			return nil, ok, nil
		}
		v, err := change(s, v)
		return v, err == nil, err
	}, nil
}

// seek is a lookup that may find nothing.
func (c *compiler) seek(name string) (filter, error) {
	if !c.lookups[name] {
		return nil, fmt.Errorf("there is no lookup %q", name)
	}
	return func(s *scope, v any, ok bool) (any, bool, error) {
		key, err := text(v)
		if !ok || err != nil || key == "" {
			return nil, false, err
		}
		return s.session.seek(s.ctx, name, key)
	}, nil
}

// change is a filter of a value that is there.
type change func(*scope, any) (any, error)

// ofText is a change of a value as text.
func ofText(f func(*scope, string) (any, error)) change {
	return func(s *scope, v any) (any, error) {
		str, err := text(v)
		if err != nil {
			return nil, err
		}
		return f(s, str)
	}
}

func (c *compiler) change(name, argument string) (change, error) {
	if f, ok := textFilters[name]; ok {
		if argument != "" {
			return nil, fmt.Errorf("%s takes no argument", name)
		}
		return ofText(func(_ *scope, str string) (any, error) { return f(str) }), nil
	}
	switch name {
	case "json":
		return func(_ *scope, v any) (any, error) {
			b, err := json.Marshal(v)
			return string(b), err
		}, nil
	case "escape", "double":
		return quoting(name, argument)
	case "first":
		return func(_ *scope, v any) (any, error) { return elementAt(v, 0) }, nil
	case "last":
		return func(_ *scope, v any) (any, error) { return elementAt(v, -1) }, nil
	case "join":
		return func(_ *scope, v any) (any, error) { return joined(v, argument) }, nil
	case "time":
		return timing(argument)
	case "lookup":
		if !c.lookups[argument] {
			return nil, fmt.Errorf("there is no lookup %q", argument)
		}
		return ofText(func(s *scope, key string) (any, error) { return s.session.lookup(s.ctx, argument, key) }), nil
	case "hmac_sha256":
		return signing(argument)
	default:
		return nil, fmt.Errorf("there is no filter %q", name)
	}
}

// quoting writes a text as it stands between quotes: escape puts a backslash before the characters and before backslashes,
// double writes the characters twice.
func quoting(name, characters string) (change, error) {
	if characters == "" || strings.Contains(characters, "\\") {
		return nil, fmt.Errorf("%s names the characters, as in %s:'", name, name)
	}
	pairs := make([]string, 0, 2*len(characters)+2)
	for _, c := range characters {
		before := string(c)
		if name == "escape" {
			before = `\`
		}
		pairs = append(pairs, string(c), before+string(c))
	}
	if name == "escape" {
		pairs = append(pairs, `\`, `\\`)
	}
	quoted := strings.NewReplacer(pairs...)
	return ofText(func(_ *scope, str string) (any, error) { return quoted.Replace(str), nil }), nil
}

func timing(name string) (change, error) {
	format, err := timeFormat(name)
	if err != nil {
		return nil, err
	}
	return ofText(func(_ *scope, str string) (any, error) {
		t, err := time.Parse(time.RFC3339Nano, str)
		if err != nil {
			return nil, errors.New("time needs an RFC 3339 time")
		}
		return format(t.UTC()), nil
	}), nil
}

func signing(key string) (change, error) {
	field, ok := strings.CutPrefix(key, "secret.")
	if !ok {
		return nil, errors.New("hmac_sha256 names its key as secret.<field>")
	}
	return ofText(func(s *scope, str string) (any, error) {
		mac := hmac.New(sha256.New, []byte(s.session.options.Secrets[field].Reveal()))
		mac.Write([]byte(str))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}), nil
}

var textFilters = map[string]func(string) (any, error){ //nolint:gochecknoglobals // a constant table
	"string":   func(s string) (any, error) { return s, nil },
	"number":   toNumber,
	"boolean":  toBoolean,
	"base64":   func(s string) (any, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil },
	"digest":   func(s string) (any, error) { return digest(s), nil },
	"lower":    func(s string) (any, error) { return strings.ToLower(s), nil },
	"upper":    func(s string) (any, error) { return strings.ToUpper(s), nil },
	"decimal":  tagDecimal,
	"date":     tagDate,
	"datetime": tagDatetime,
}

// The errors of filters do not repeat the value: it may be a secret.

func toNumber(s string) (any, error) {
	v, err := number(s)
	if err != nil {
		return nil, errors.New("number needs one as JSON writes it")
	}
	return v, nil
}

func toBoolean(s string) (any, error) {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return nil, errors.New("boolean needs true or false")
	}
	return v, nil
}

// digest is a short name for a text of any length: half of its SHA-256, in hexadecimal digits.
func digest(str string) string {
	sum := sha256.Sum256([]byte(str))
	return hex.EncodeToString(sum[:16])
}

func joined(v any, separator string) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("join needs a list, not a %s", kindOf(v))
	}
	parts := make([]string, len(list))
	for i, item := range list {
		var err error
		if parts[i], err = text(item); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, separator), nil
}

// elementAt is one of a list, counted from its end where i is negative.
func elementAt(v any, i int) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("first and last need a list, not a %s", kindOf(v))
	}
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // nothing has no first
	}
	return list[(i+len(list))%len(list)], nil
}

// timeFormat returns how to write a time: a named form or a layout of Go's time package.
func timeFormat(name string) (func(time.Time) any, error) {
	switch name {
	case "":
		return nil, errors.New("time needs a format, as in time:date")
	case "unix":
		return func(t time.Time) any { return t.Unix() }, nil
	case "unix_ms":
		return func(t time.Time) any { return t.UnixMilli() }, nil
	}
	layout, ok := map[string]string{
		"rfc3339": time.RFC3339, "date": time.DateOnly, "http": http.TimeFormat,
	}[name]
	if !ok {
		if layout = name; !strings.Contains(layout, "2006") {
			return nil, fmt.Errorf("%q is no time format: rfc3339, date, unix, unix_ms, http or a Go layout", name)
		}
	}
	return func(t time.Time) any { return t.Format(layout) }, nil
}

// parseTime reads a remote's time: a text in the given layout (or RFC 3339), or a number of seconds or milliseconds.
func parseTime(v any, format string) (time.Time, error) {
	str, err := text(v)
	if err != nil || str == "" {
		return time.Time{}, err
	}
	switch format {
	case "unix", "unix_ms":
		n, err := strconv.ParseInt(str, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is no whole number", str)
		}
		if format == "unix" {
			return time.Unix(n, 0).UTC(), nil
		}
		return time.UnixMilli(n).UTC(), nil
	case "", "rfc3339":
		t, err := time.Parse(time.RFC3339Nano, str)
		return t.UTC(), err
	case "date":
		return time.Parse(time.DateOnly, str)
	case "http":
		t, err := http.ParseTime(str)
		return t.UTC(), err
	default:
		t, err := time.Parse(format, str)
		return t.UTC(), err
	}
}
