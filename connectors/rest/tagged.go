package rest

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// values says how the remote writes what JSON has no type for.
type values struct {
	Tagged bool     `yaml:"tagged"` // objects may stand for one value: {"__class__": "Decimal", "decimal": "1.2"}
	Blank  bool     `yaml:"blank"`  // an empty text means nothing: null
	Unix   []string `yaml:"unix"`   // under these keys are seconds since 1970
	DotNet bool     `yaml:"dotnet"` // a time is written /Date(1518685950940+0000)/
	Pairs  bool     `yaml:"pairs"`  // [5, "Name"] is a related record: {"id": 5, "name": "Name"}
	False  *struct {
		Except []string `yaml:"except"`
	} `yaml:"false_is_null"` // false means nothing, but under these keys
	Related string `yaml:"related"` // the suffix of keys that hold a related record in place of its id: {"party": 5, "party.": {…}}
}

// plain replaces what is peculiar to the remote by plain values, in place.
func (v values) plain(doc any) any {
	if v.none() {
		return doc
	}
	return v.walk(doc, 0)
}

func (v values) none() bool {
	return !v.Tagged && !v.Blank && !v.DotNet && !v.Pairs && v.False == nil && v.Unix == nil && v.Related == ""
}

func (v values) walk(doc any, depth int) any {
	if depth > maxDepth {
		return doc
	}
	switch doc := doc.(type) {
	case string:
		if doc == "" && v.Blank {
			return nil
		}
		if v.DotNet {
			return fromDotNet(doc)
		}
		return doc
	case []any:
		if v.Pairs && len(doc) == 2 {
			_, number := doc[0].(json.Number)
			if _, named := doc[1].(string); number && named {
				return map[string]any{"id": doc[0], "name": doc[1]}
			}
		}
		for i, item := range doc {
			doc[i] = v.walk(item, depth+1)
		}
		return doc
	case map[string]any:
		if v.Tagged {
			if class, ok := doc[tag].(string); ok {
				if value, ok := untag(class, doc); ok {
					return value
				}
			}
		}
		for key, value := range doc {
			if value == false && v.False != nil && !slices.Contains(v.False.Except, key) {
				value = nil
			}
			if slices.Contains(v.Unix, key) {
				value = fromUnix(value)
			}
			doc[key] = v.walk(value, depth+1)
		}
		if v.Related != "" {
			v.relate(doc)
		}
		return doc
	default:
		return doc
	}
}

// fromDotNet reads a time as old .NET serializers write it: milliseconds since 1970 in UTC. The offset is for show.
func fromDotNet(str string) string {
	inside, opened := strings.CutPrefix(str, "/Date(")
	inside, closed := strings.CutSuffix(inside, ")/")
	if !opened || !closed {
		return str
	}
	if i := strings.LastIndexAny(inside, "+-"); i > 0 {
		inside = inside[:i]
	}
	ms, err := strconv.ParseInt(inside, 10, 64)
	if err != nil {
		return str
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)
}

// fromUnix reads seconds since 1970, a number or a text of one. 0 is no time.
func fromUnix(v any) any {
	str, err := text(v)
	if err != nil {
		return v
	}
	seconds, err := strconv.ParseInt(str, 10, 64)
	switch {
	case err != nil:
		return v
	case seconds == 0:
		return nil
	default:
		return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
	}
}

// relate puts related records in the place of their ids. A null relation stays null.
func (v values) relate(doc map[string]any) {
	for key, value := range doc {
		name, ok := strings.CutSuffix(key, v.Related)
		if !ok || name == "" {
			continue
		}
		delete(doc, key)
		doc[name] = value
	}
}

func untag(class string, doc map[string]any) (any, bool) {
	switch class {
	case "Decimal":
		str, ok := doc["decimal"].(string)
		if !ok {
			return nil, false
		}
		d, err := parseDecimal(str)
		return d.String(), err == nil
	case "date":
		y, m, d := whole(doc["year"]), whole(doc["month"]), whole(doc["day"])
		return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), true
	case "datetime":
		t := time.Date(whole(doc["year"]), time.Month(whole(doc["month"])), whole(doc["day"]),
			whole(doc["hour"]), whole(doc["minute"]), whole(doc["second"]), whole(doc["microsecond"])*1000, time.UTC)
		return t.Format(time.RFC3339Nano), true
	default:
		return nil, false
	}
}

func whole(v any) int {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return int(i)
}

// parseDecimal refuses what would take much memory to write out, such as 1e999999999.
func parseDecimal(s string) (decimal.Decimal, error) {
	d, err := decimal.NewFromString(s)
	if err != nil || len(s) > 100 || d.Exponent() > 100 || d.Exponent() < -100 {
		return decimal.Zero, errors.New("decimal needs a number")
	}
	return d, nil
}

const tag = "__class__"

func tagDecimal(s string) (any, error) {
	d, err := parseDecimal(s)
	if err != nil {
		return nil, err
	}
	return map[string]any{tag: "Decimal", "decimal": d.String()}, nil
}

func tagDate(s string) (any, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return nil, errors.New("date needs a date as in 2006-01-02")
	}
	return map[string]any{tag: "date", "year": t.Year(), "month": int(t.Month()), "day": t.Day()}, nil
}

func tagDatetime(s string) (any, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, errors.New("datetime needs an RFC 3339 time")
	}
	t = t.UTC()
	return map[string]any{
		tag: "datetime", "year": t.Year(), "month": int(t.Month()), "day": t.Day(),
		"hour": t.Hour(), "minute": t.Minute(), "second": t.Second(), "microsecond": t.Nanosecond() / 1000,
	}, nil
}
