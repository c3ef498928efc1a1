package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crmhub/core/job"
)

// nextTimes is how many times a schedule comes that a page tells.
const nextTimes = 5

// comingTimes are when a schedule comes next; none if it is no schedule.
func comingTimes(schedule, zone string, now time.Time) []time.Time {
	s, vs := job.ParseSchedule(schedule, zone)
	if len(vs) > 0 {
		return nil
	}
	var times []time.Time
	for at := s.Next(now); len(times) < nextTimes && !at.IsZero(); at = s.Next(at) {
		times = append(times, at)
	}
	return times
}

// descriptors are the schedules that have names.
var descriptors = map[string]string{ //nolint:gochecknoglobals // a table
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// schedule says a cron schedule in words; "" if it is none. What has no words of its own is said field by field, so that it is
// always right.
func (c catalogue) schedule(text string) string {
	text = strings.TrimSpace(text)
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		d, err := time.ParseDuration(every)
		if err != nil {
			return ""
		}
		return c.every(d)
	}
	if named, ok := descriptors[text]; ok {
		text = named
	}
	fields := strings.Fields(strings.ReplaceAll(text, "?", "*"))
	if _, vs := job.ParseSchedule(text, ""); len(vs) > 0 || len(fields) != 5 {
		return ""
	}
	minute, hour, day, month, weekday := fields[0], fields[1], fields[2], fields[3], fields[4]
	parts := []string{c.daytime(minute, hour)}
	days := c.list(day, "", 0)
	switch {
	case day != "*" && weekday != "*": // as cron has it: either will do
		parts = append(parts, c.text("cron.either", days, c.list(weekday, "cron.day.", 0)))
	case day != "*":
		parts = append(parts, c.text("cron.days", days))
	case weekday != "*":
		parts = append(parts, c.text("cron.weekdays", c.list(weekday, "cron.day.", 0)))
	}
	if month != "*" {
		parts = append(parts, c.text("cron.months", c.list(month, "cron.month.", 1)))
	}
	return strings.Join(parts, c.text("cron.comma"))
}

// every says how long it is from one time to the next.
func (c catalogue) every(d time.Duration) string {
	switch {
	case d == time.Hour:
		return c.text("cron.every_hour")
	case d == time.Minute:
		return c.text("cron.every_minute")
	case d == time.Second:
		return c.text("cron.every_second")
	case d%time.Hour == 0:
		return c.text("cron.every", c.text("cron.hours", int(d.Hours())))
	case d%time.Minute == 0:
		return c.text("cron.every", c.text("cron.minutes", int(d.Minutes())))
	}
	return c.text("cron.every", c.text("cron.seconds", int(d.Seconds())))
}

// daytime is when it comes in a day.
func (c catalogue) daytime(minute, hour string) string {
	step, stepped := strings.CutPrefix(minute, "*/")
	switch {
	case minute == "*" && hour == "*":
		return c.text("cron.every_minute")
	case stepped && hour == "*":
		return c.text("cron.every_minutes", step)
	case hour == "*":
		return c.text("cron.each_hour", c.list(minute, "", 0))
	}
	minutes, hours := numbers(minute), numbers(hour)
	if minutes == nil || hours == nil || len(minutes)*len(hours) > 6 {
		return c.text("cron.times", c.list(minute, "", 0), c.list(hour, "", 0))
	}
	var clock []string
	for _, h := range hours {
		for _, m := range minutes {
			clock = append(clock, fmt.Sprintf("%02d:%02d", h, m))
		}
	}
	return c.text("cron.at", strings.Join(clock, c.text("cron.enumeration")))
}

// numbers are those of a plain list, sorted; nil if there is more to it.
func numbers(field string) []int {
	var all []int
	for s := range strings.SplitSeq(field, ",") {
		n, err := strconv.Atoi(s)
		if err != nil {
			return nil
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// list says the items of a field: numbers, or what the catalogue calls them, below a prefix and from the number first on.
func (c catalogue) list(field, prefix string, first int) string {
	items := strings.Split(field, ",")
	for i, item := range items {
		item, step, stepped := strings.Cut(item, "/")
		from, to, ranged := strings.Cut(item, "-")
		switch {
		case item == "*" && stepped:
			items[i] = c.text("cron.each", step)
			continue
		case item == "*":
			item = c.text("cron.all")
		case ranged:
			item = c.text("cron.range", c.item(from, prefix, first), c.item(to, prefix, first))
		default:
			item = c.item(from, prefix, first)
		}
		if stepped {
			item = c.text("cron.step", item, step)
		}
		items[i] = item
	}
	return strings.Join(items, c.text("cron.enumeration"))
}

// cronNames are the names that cron has for weekdays and months.
var cronNames = map[string]string{ //nolint:gochecknoglobals // a table
	"cron.day.": "sun mon tue wed thu fri sat", "cron.month.": "jan feb mar apr may jun jul aug sep oct nov dec",
}

func (c catalogue) item(item, prefix string, first int) string {
	if prefix == "" {
		return item
	}
	if at := slices.Index(strings.Fields(cronNames[prefix]), strings.ToLower(item)); at >= 0 {
		item = strconv.Itoa(at + first)
	}
	return c.text(prefix + item)
}
