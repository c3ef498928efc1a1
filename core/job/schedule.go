package job

import (
	"hash/fnv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are input: they must not depend on what the machine has installed

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"

	"crmhub/core/schema"
)

// Schedule tells when a job is due.
type Schedule struct {
	cron cron.Schedule
	zone *time.Location
}

var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor) //nolint:gochecknoglobals // immutable

// ParseSchedule reads a schedule: five cron fields (minute, hour, day of month, month, day of week) or a descriptor
// (@hourly, @daily, @weekly, @monthly, @yearly, @every 90s), meant in an IANA time zone ("" is UTC).
func ParseSchedule(schedule, zone string) (Schedule, schema.Violations) {
	location, vs := parseZone(zone)
	s := Schedule{zone: location}
	if strings.Contains(schedule, "TZ=") { // the parser would take a second zone there, and panic on half of one
		return s, append(vs, schema.Violation{
			Pointer: "/schedule", Rule: "cron", Message: "the time zone has a field of its own",
		})
	}
	var err error
	if s.cron, err = parser.Parse(schedule); err != nil {
		return s, append(vs, schema.Violation{
			Pointer: "/schedule", Rule: "cron",
			Message: "this is no schedule of five cron fields such as */15 * * * *, or @hourly or @every 10m: " + err.Error(),
		})
	}
	if s.Next(time.Now()).IsZero() {
		vs = append(vs, schema.Violation{Pointer: "/schedule", Rule: "cron", Message: "no day of the next years fits this schedule"})
	}
	return s, vs
}

func parseZone(name string) (*time.Location, schema.Violations) {
	location, err := time.LoadLocation(name) // "" is UTC
	if err != nil || name == "Local" {
		return time.UTC, schema.Violations{{
			Pointer: "/time_zone", Rule: "time_zone", Message: "this is no IANA time zone such as Europe/Berlin or Asia/Shanghai",
		}}
	}
	return location, nil
}

// Next returns the first time after t that fits, in UTC; zero if there is none in five years.
//
// Where clocks change the rule is that of ISC cron. A time of day that a jump forward swallows counts as the instant of
// the jump, and one that comes twice counts the first time: a nightly job runs once each night. A schedule of every hour
// ("*" for the hours) follows the hours that pass instead, and @every does not look at clocks at all.
func (s Schedule) Next(t time.Time) time.Time {
	spec, ok := s.cron.(*cron.SpecSchedule)
	if !ok {
		return s.cron.Next(t).UTC()
	}
	floating := *spec
	floating.Location = time.UTC
	t = t.In(s.zone)
	if spec.Hour&everyHour == everyHour {
		return nextOfEveryHour(&floating, t)
	}
	for wall := wallClock(t); ; {
		// The parser's own Next knows zones, too, but loses times where clocks change (robfig/cron#541): it is asked
		// about clocks without zones only.
		if wall = floating.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if at := instant(wall, s.zone); at.After(t) {
			return at.UTC()
		}
	}
}

// due returns the first time after t at which a job with a delay of its own against the schedule is due. A period counts
// from the run before: it has its delay since it began.
func (s Schedule) due(t time.Time, delay time.Duration) time.Time {
	if _, ok := s.cron.(*cron.SpecSchedule); !ok {
		return s.Next(t)
	}
	if next := s.Next(t.Add(-delay)); !next.IsZero() {
		return next.Add(delay)
	}
	return time.Time{}
}

// DueAfter returns the first time after t at which the job is due; zero where it has no schedule.
func (j Job) DueAfter(t time.Time) time.Time {
	if j.Schedule == "" {
		return time.Time{}
	}
	s, vs := ParseSchedule(j.Schedule, j.TimeZone)
	if len(vs) > 0 {
		return time.Time{} // its next time will not come either
	}
	return s.due(t, delay(j.ID, j.JitterSeconds))
}

// begin returns when a job is due that is scheduled from t on.
func (s Schedule) begin(t time.Time, delay time.Duration) time.Time {
	if _, ok := s.cron.(*cron.SpecSchedule); !ok {
		t = t.Add(delay)
	}
	return s.due(t, delay)
}

// delay is a job's own against its schedule, always the same: whole seconds below the jitter.
func delay(id uuid.UUID, jitterSeconds int) time.Duration {
	if jitterSeconds <= 0 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write(id[:])                                               // a hash takes everything
	return time.Duration(h.Sum32()%uint32(jitterSeconds)) * time.Second //nolint:gosec // it is positive
}

// everyHour are the bits of all hours of a day.
const everyHour = 1<<24 - 1

// nextOfEveryHour returns the first instant after t whose wall clock fits. Between two changes clocks run evenly.
func nextOfEveryHour(floating *cron.SpecSchedule, t time.Time) time.Time {
	for {
		_, end := t.ZoneBounds()
		wall := wallClock(t)
		next := floating.Next(wall)
		if next.IsZero() {
			return time.Time{}
		}
		at := t.Add(next.Sub(wall))
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		t = end.In(t.Location())
		if wall := wallClock(t); floating.Next(wall.Add(-time.Second)).Equal(wall) {
			return t.UTC() // the instant of the change fits itself
		}
	}
}

// wallClock is what a clock in t's zone shows, as if it were UTC.
func wallClock(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant is when clocks of a zone show a time for the first time, or jump over it.
func instant(wall time.Time, zone *time.Location) time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	start, end := near.ZoneBounds()
	var first time.Time
	for _, in := range []time.Time{start.Add(-time.Second), near, end} {
		_, offset := in.In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if wallClock(at).Equal(wall) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if !first.IsZero() {
		return first
	}
	for _, jump := range []time.Time{start, end} {
		if wallClock(jump.Add(-time.Second).In(zone)).Before(wall) && !wallClock(jump.In(zone)).Before(wall) {
			return jump
		}
	}
	return near // no zone is known to come here
}
