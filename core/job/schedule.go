package job

import (
	"strings"
	"time"
	_ "time/tzdata" // time zones are input: they must not depend on what the machine has installed

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
// Where clocks jump forward, a time that does not exist that day counts as the instant of the jump: a nightly job at
// 02:30 runs once on that day too. Where clocks go back, a time that comes twice fits twice.
func (s Schedule) Next(t time.Time) time.Time {
	next := s.cron.Next(t.In(s.zone))
	if next.IsZero() {
		return time.Time{}
	}
	if spec, ok := s.cron.(*cron.SpecSchedule); ok {
		next = beforeGap(spec, t.In(s.zone), next)
	}
	return next.UTC()
}

// beforeGap returns the first jump forward between t and next that swallowed a fitting time, else next.
func beforeGap(spec *cron.SpecSchedule, t, next time.Time) time.Time {
	for {
		_, end := t.ZoneBounds()
		if end.IsZero() || !end.Before(next) {
			return next
		}
		_, before := end.Add(-time.Second).Zone()
		_, after := end.Zone()
		if after > before {
			// As clocks without jumps would show it: the first moment of the gap is `from`, the first after it `to`.
			from := end.UTC().Add(time.Duration(before) * time.Second)
			to := end.UTC().Add(time.Duration(after) * time.Second)
			floating := *spec
			floating.Location = time.UTC
			if lost := floating.Next(from.Add(-time.Second)); lost.Before(to) {
				return end
			}
		}
		t = end
	}
}
