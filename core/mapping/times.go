package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are input: they must not depend on what the machine has installed

	"github.com/shopspring/decimal"
)

// clock is how a side writes times.
type clock struct {
	read  func(any) (time.Time, error)
	write func(time.Time) any
}

// times converts between our dates ("2006-01-02") or instants (RFC 3339, in UTC) and how the remote writes a time.
//
// A date stays the date that is written there, whatever the zone. If the rule names a zone, it is the day that the
// instant there has in that zone, and is sent as the instant at which it begins. An instant that is written without a
// zone is in UTC, or in the zone that the rule names.
func times(w *written, kind string, remote node, in ways) (conversion, error) {
	zone := time.UTC
	if w.zone != "" {
		var err error
		if zone, err = time.LoadLocation(w.zone); err != nil || w.zone == "Local" {
			return conversion{}, because("map_zone", "a zone is one of the time zone database, such as Asia/Shanghai")
		}
	}
	theirs, err := clockThere(w, kind, zone, remote, in)
	if err != nil {
		return conversion{}, err
	}
	ours := clockHere(kind, zone, w.zone != "")
	between := func(from, to clock) func(any) (any, error) {
		return func(v any) (any, error) {
			t, err := from.read(v)
			if err != nil {
				return nil, err
			}
			return to.write(t), nil
		}
	}
	return conversion{push: between(ours, theirs), pull: between(theirs, ours)}, nil
}

// clockHere writes dates and instants as the store has them.
func clockHere(kind string, zone *time.Location, named bool) clock {
	if kind == "date-time" {
		return layoutClock(time.RFC3339Nano, time.UTC)
	}
	return clock{
		read: func(v any) (time.Time, error) {
			day, err := readLayout(time.DateOnly, time.UTC, v)
			if err != nil {
				return time.Time{}, err
			}
			begins := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
			if begins.Day() != day.Day() { // a day whose midnight the clocks left out
				begins = begins.Add(time.Hour)
			}
			return begins, nil
		},
		write: func(t time.Time) any {
			if named {
				t = t.In(zone)
			}
			return t.Format(time.DateOnly)
		},
	}
}

// clockThere writes times as the rule says that the remote does.
func clockThere(w *written, kind string, zone *time.Location, remote node, in ways) (clock, error) {
	needless := because("map_zone_needless", "a zone changes nothing here: it is for a date that is an instant there, and for an instant that says no zone there")
	if w.format == "unix" || w.format == "unix_ms" {
		if w.zone != "" && kind == "date-time" {
			return clock{}, needless
		}
		return countClock(w.format, remote), nil
	}
	layout := w.layout
	switch {
	case layout == "" && isTime(remote.format()) && remote.format() != kind:
		return clock{}, because("map_say_layout", "say the layout")
	case layout == "" && kind == "date":
		layout = time.DateOnly
	case layout == "":
		layout = time.RFC3339Nano
	}
	// A layout that is none, such as yyyyMMdd, would send the same text for every date.
	probe := time.Date(2031, time.November, 23, 17, 45, 56, 0, time.UTC)
	again, err := time.Parse(layout, probe.Format(layout))
	if err != nil || again.Format(time.DateOnly) != probe.Format(time.DateOnly) {
		return clock{}, because("map_layout_form", "a layout writes Go's reference date its own way, such as \"02.01.2006\" or \"20060102 15:04:05\"")
	}
	if kind == "date-time" && in.both() && !again.Equal(probe) {
		return clock{}, because("map_layout_loses", "the layout loses the time: say a direction")
	}
	if w.zone != "" && kind == "date" && again.Hour() != probe.Hour() {
		return clock{}, needless
	}
	east, err := time.Parse(layout, probe.In(time.FixedZone("", 3600)).Format(layout))
	if _, offset := east.Zone(); kind == "date" && (err != nil || offset != 3600) {
		zone = time.UTC
	}
	if !remote.is("string") {
		return digitsClock(layout, zone, probe)
	}
	return layoutClock(layout, zone), nil
}

// layoutClock writes texts. A text without a zone is in the given one.
func layoutClock(layout string, zone *time.Location) clock {
	return clock{
		read:  func(v any) (time.Time, error) { return readLayout(layout, zone, v) },
		write: func(t time.Time) any { return t.In(zone).Format(layout) },
	}
}

func readLayout(layout string, zone *time.Location, v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errNoDate
	}
	t, err := time.ParseInLocation(layout, strings.TrimSpace(s), zone)
	if err != nil {
		return time.Time{}, errNoDate
	}
	return t, nil
}

// digitsClock writes a number of digits, such as 20060102; zeros at its beginning are not written.
func digitsClock(layout string, zone *time.Location, probe time.Time) (clock, error) {
	width := len(probe.Format(layout))
	early := time.Date(2031, time.January, 2, 3, 4, 5, 0, time.UTC)
	if !canonical(probe.Format(layout)) || strings.Contains(layout, ".") || len(early.Format(layout)) != width {
		return clock{}, because("map_layout_digits", "a layout for a number has digits only, as many for each date")
	}
	return clock{
		read: func(v any) (time.Time, error) {
			n, err := toInteger(v)
			if err != nil {
				return time.Time{}, errNoDate
			}
			text, _ := n.(json.Number)
			return readLayout(layout, zone, strings.Repeat("0", max(0, width-len(text)))+string(text))
		},
		write: func(t time.Time) any {
			s := t.In(zone).Format(layout)
			return json.Number(strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:])
		},
	}, nil
}

// The instants that can be written with four digits for the year, in seconds.
const (
	firstSecond = -62135596800 // 0001-01-01
	lastSecond  = 253402300799 // 9999-12-31
)

// countClock counts seconds or milliseconds since 1970. What is finer than a millisecond, or than a second where those
// are counted, is not sent.
func countClock(format string, remote node) clock {
	count, shift := time.Time.Unix, int32(0)
	if format == "unix_ms" {
		count, shift = time.Time.UnixMilli, -3
	}
	return clock{
		read: func(v any) (time.Time, error) {
			d, ok := decimalOf(v)
			if !ok {
				return time.Time{}, errNoDate
			}
			d = d.Shift(shift)
			if d.LessThan(decimal.NewFromInt(firstSecond)) || d.GreaterThan(decimal.NewFromInt(lastSecond)) {
				return time.Time{}, errNoDate
			}
			whole := d.Floor()
			return time.Unix(whole.IntPart(), d.Sub(whole).Shift(9).IntPart()).UTC(), nil
		},
		write: func(t time.Time) any {
			text := strconv.FormatInt(count(t), 10)
			if remote.only("string") {
				return text
			}
			return json.Number(text)
		},
	}
}

// timeKind is what a counted time is here.
func timeKind(crm node) string {
	if crm.format() == "date" {
		return "date"
	}
	return "date-time"
}
