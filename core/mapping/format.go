package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

var formats = []string{"date", "date-time", "unix", "unix_ms", "decimal", "integer", "text"} //nolint:gochecknoglobals // a constant list

// format gives the conversion that a rule names. The error says why it does not fit.
func format(w *written, crm, remote node, push, pull bool) (conversion, error) {
	scalar := remote.is("string") || remote.is("integer")
	switch w.format {
	case "date", "date-time":
		if crm.format() != w.format && !crm.open() && (crm.format() != "" || !crm.is("string")) {
			return conversion{}, because("map_format_kind", "the format "+w.format+" is for ours of that kind")
		}
		if !scalar {
			return conversion{}, because("map_time_fits", "a time is a text or a number")
		}
		return times(w.format, w.layout, remote, push && pull)
	case "":
		return conversion{}, because("map_layout_belongs", "a layout belongs to the format date or date-time")
	}
	if w.layout != "" {
		return conversion{}, because("map_layout_belongs", "a layout belongs to the format date or date-time")
	}
	switch w.format {
	case "unix", "unix_ms":
		if !crm.open() && crm.format() != "date-time" || !scalar {
			return conversion{}, because("map_format_instant", "the format "+w.format+" is for an instant here, a number there")
		}
		return unix(w.format, remote), nil
	case "decimal":
		if !crm.open() && !crm.isDecimal() || !scalar {
			return conversion{}, because("map_format_decimal", "the format decimal is for a decimal here, a number or text there")
		}
		return decimals(remote, decimal.NewFromInt(1)), nil
	case "integer":
		if !crm.is("string") && !crm.is("integer") || !scalar {
			return conversion{}, because("map_format_integer", "the format integer is for a number or a text on both sides")
		}
		c := conversion{push: toInteger, pull: toInteger}
		if remote.only("string") {
			c.push = toIntegerText
		}
		if crm.only("string") {
			c.pull = toIntegerText
		}
		return c, nil
	}
	if !crm.is("string") || !scalar && !remote.is("boolean") {
		return conversion{}, because("map_format_text", "the format text is for a text here and a text, number, true or false there")
	}
	return conversion{push: fromText(remote), pull: toText}, nil
}

// times converts between our dates ("2006-01-02") or instants (RFC 3339, in UTC) and the remote's layout. A date stays
// the date that is written there, whatever the zone; an instant without a zone is in UTC.
func times(kind, layout string, remote node, bothWays bool) (conversion, error) {
	ours := time.DateOnly
	if kind == "date-time" {
		ours = time.RFC3339Nano
	}
	switch {
	case layout == "" && isTime(remote.format()) && remote.format() != kind:
		return conversion{}, because("map_say_layout", "say the layout")
	case layout == "":
		layout = ours
	}
	// A layout that is none, such as yyyyMMdd, would send the same text for every date.
	probe := time.Date(2031, time.November, 23, 17, 45, 56, 0, time.UTC)
	again, err := time.Parse(layout, probe.Format(layout))
	if err != nil || again.Format(time.DateOnly) != probe.Format(time.DateOnly) {
		return conversion{}, because("map_layout_form", "a layout writes Go's reference date its own way, such as \"02.01.2006\" or \"20060102 15:04:05\"")
	}
	if kind == "date-time" && bothWays && !again.Equal(probe) {
		return conversion{}, because("map_layout_loses", "the layout loses the time: say a direction")
	}
	if !remote.is("string") {
		return numericTimes(ours, layout, kind, probe)
	}
	return conversion{push: rewrite(ours, layout, kind), pull: rewrite(layout, ours, kind)}, nil
}

// rewrite turns a time from one layout into another.
func rewrite(from, to, kind string) func(any) (any, error) {
	return func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, errNoDate
		}
		t, err := time.Parse(from, strings.TrimSpace(s))
		if err != nil {
			return nil, errNoDate
		}
		if kind == "date-time" {
			t = t.UTC()
		}
		return t.Format(to), nil
	}
}

// numericTimes are written as a number of digits, such as 20060102; zeros at its beginning are not written.
func numericTimes(ours, layout, kind string, probe time.Time) (conversion, error) {
	width := len(probe.Format(layout))
	early := time.Date(2031, time.January, 2, 3, 4, 5, 0, time.UTC)
	if !canonical(probe.Format(layout)) || strings.Contains(layout, ".") || len(early.Format(layout)) != width {
		return conversion{}, because("map_layout_digits", "a layout for a number has digits only, as many for each date")
	}
	push, pull := rewrite(ours, layout, kind), rewrite(layout, ours, kind)
	return conversion{
		push: func(v any) (any, error) {
			text, err := push(v)
			if err != nil {
				return nil, err
			}
			s, _ := text.(string)
			return json.Number(strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:]), nil
		},
		pull: func(v any) (any, error) {
			n, err := toInteger(v)
			if err != nil {
				return nil, errNoDate
			}
			text, _ := n.(json.Number)
			return pull(strings.Repeat("0", max(0, width-len(text))) + string(text))
		},
	}, nil
}

// The instants that can be written with four digits for the year, in seconds.
const (
	firstSecond = -62135596800 // 0001-01-01
	lastSecond  = 253402300799 // 9999-12-31
)

// unix converts between RFC 3339 and an instant counted in seconds or milliseconds. What is finer than a millisecond, or
// than a second where those are counted, is not sent.
func unix(kind string, remote node) conversion {
	count, shift := time.Time.Unix, int32(0)
	if kind == "unix_ms" {
		count, shift = time.Time.UnixMilli, -3
	}
	return conversion{
		push: func(v any) (any, error) {
			s, ok := v.(string)
			if !ok {
				return nil, errNoDate
			}
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				return nil, errNoDate
			}
			text := strconv.FormatInt(count(t), 10)
			if remote.only("string") {
				return text, nil
			}
			return json.Number(text), nil
		},
		pull: func(v any) (any, error) {
			d, ok := decimalOf(v)
			if !ok {
				return nil, errNoDate
			}
			d = d.Shift(shift)
			if d.LessThan(decimal.NewFromInt(firstSecond)) || d.GreaterThan(decimal.NewFromInt(lastSecond)) {
				return nil, errNoDate
			}
			whole := d.Floor()
			nanos := d.Sub(whole).Shift(9).IntPart()
			return time.Unix(whole.IntPart(), nanos).UTC().Format(time.RFC3339Nano), nil
		},
	}
}
