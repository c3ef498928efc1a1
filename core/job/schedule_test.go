package job_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"crmhub/core/job"
)

func TestScheduleFollowsItsTimeZoneThroughClockChanges(t *testing.T) {
	t.Parallel()
	const forward, back = "2026-03-29T00:10:00+01:00", "2026-10-25T00:10:00+02:00" // Berlin's nights
	for name, tc := range map[string]struct {
		schedule, from string
		want           []string // in Berlin
	}{
		"a time that does not exist counts as the jump": {"30 2 * * *", forward, []string{"29 03:00+02", "30 02:30+02"}},
		"an hourly job runs once at the jump":           {"0 * * * *", forward, []string{"29 01:00+01", "29 03:00+02", "29 04:00+02"}},
		"a time beside the gap is untouched":            {"30 3 * * *", forward, []string{"29 03:30+02", "30 03:30+02"}},
		"a weekly job is not lost for a week":           {"15 2 * * 0", forward, []string{"29 03:00+02", "05 02:15+02"}},
		"a time that comes twice runs once":             {"30 2 * * *", back, []string{"25 02:30+02", "26 02:30+01"}},
		"two lost times run once":                       {"0,30 2 * * *", forward, []string{"29 03:00+02", "30 02:00+02"}},
		"every other hour, too":                         {"0 */2 * * *", back, []string{"25 02:00+02", "25 04:00+01"}},
		"between the two passes there is nothing":       {"*/20 2 * * *", "2026-10-25T02:30:00+02:00", []string{"25 02:40+02", "26 02:00+01"}},
		"each quarter of both hours":                    {"30 * * * *", back, []string{"25 00:30+02", "25 01:30+02", "25 02:30+02", "25 02:30+01", "25 03:30+01"}},
		"an hourly job has no extra run at the jump":    {"30 * * * *", forward, []string{"29 00:30+01", "29 01:30+01", "29 03:30+02"}},
		"an hourly job runs in both hours":              {"0 * * * *", back, []string{"25 01:00+02", "25 02:00+02", "25 02:00+01", "25 03:00+01"}},
		"a period knows no clock":                       {"@every 1h", forward, []string{"29 01:10+01", "29 03:10+02"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, vs := job.ParseSchedule(tc.schedule, "Europe/Berlin")
			if len(vs) > 0 {
				t.Fatal(vs)
			}
			berlin, err := time.LoadLocation("Europe/Berlin")
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tc.from)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]string, len(tc.want))
			for i := range got {
				at = s.Next(at)
				got[i] = at.In(berlin).Format("02 15:04Z07")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What Next says is what somebody would see who looked at the zone's clocks each minute.
func TestScheduleAgreesWithTheClocksOfAnyZone(t *testing.T) {
	t.Parallel()
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "Asia/Shanghai", "Asia/Tehran", "Australia/Lord_Howe",
		"Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll", "America/Havana", "Asia/Kathmandu",
	}
	field := func(t *rapid.T, name string, low, high int, star bool) string {
		switch rapid.IntRange(0, 3).Draw(t, name+" form") {
		case 0:
			if star {
				return "*"
			}
		case 1:
			return fmt.Sprintf("%d-%d/%d", low, high, rapid.IntRange(2, 5).Draw(t, name+" step"))
		}
		return fmt.Sprint(rapid.IntRange(low, high).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		text := field(t, "minute", 0, 59, true) + " " + field(t, "hour", 0, 23, true) + " * * *"
		s, vs := job.ParseSchedule(text, name)
		if len(vs) > 0 {
			t.Fatal(vs)
		}
		begin := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 30*365*24).Draw(t, "hours")) * time.Hour)
		if _, change := begin.In(zone).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "at a change") {
			begin = change.Truncate(time.Minute).Add(-time.Duration(rapid.IntRange(0, 30*60).Draw(t, "minutes before")) * time.Minute)
		}
		end := begin.Add(50 * time.Hour)
		var got []string
		for at := s.Next(begin); at.Before(end); at = s.Next(at) {
			got = append(got, at.Format(time.RFC3339))
		}
		if diff := cmp.Diff(watched(text, zone, begin, end), got); diff != "" {
			t.Fatalf("%q in %s from %s: %s", text, name, begin.In(zone), diff)
		}
	})
}

// watched are the instants after begin and before end at which a schedule of minutes and hours runs.
func watched(text string, zone *time.Location, begin, end time.Time) (runs []string) {
	plain, err := cron.ParseStandard("TZ=UTC " + text)
	if err != nil {
		panic(err)
	}
	clock := func(at time.Time) time.Time {
		shown, err := time.Parse("2006-01-02 15:04:05", at.In(zone).Format("2006-01-02 15:04:05"))
		if err != nil {
			panic(err)
		}
		return shown
	}
	fits := func(shown time.Time) bool { return plain.Next(shown.Add(-time.Second)).Equal(shown) }
	hourly := strings.Fields(text)[1] == "*"
	seen := map[time.Time]bool{}
	warm := begin.Add(-30 * time.Hour) // what was shown before begin counts as shown
	for at, last := warm, clock(warm).Add(-time.Minute); at.Before(end); at = at.Add(time.Minute) {
		shown := clock(at)
		run := fits(shown) && (hourly || !seen[shown])
		for lost := last.Add(time.Minute); lost.Before(shown) && !hourly; lost = lost.Add(time.Minute) {
			run = run || fits(lost)
		}
		seen[shown], last = true, shown
		if run && at.After(begin) {
			runs = append(runs, at.UTC().Format(time.RFC3339))
		}
	}
	return runs
}

func TestEveryFaultOfAScheduleIsNamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		schedule, zone string
		want           map[string]string
	}{
		{"*/15 * * * *", "Asia/Shanghai", map[string]string{}},
		{"@hourly", "", map[string]string{}},
		{"99 * * * *", "Mars/Base", map[string]string{"/schedule": "cron", "/time_zone": "time_zone"}},
		{"TZ=", "", map[string]string{"/schedule": "cron"}},
		{"CRON_TZ=Asia/Tokyo 0 * * * *", "", map[string]string{"/schedule": "cron"}},
		{"0 0 31 2 *", "", map[string]string{"/schedule": "cron"}},
		{"@daily", "Local", map[string]string{"/time_zone": "time_zone"}},
	} {
		_, vs := job.ParseSchedule(tc.schedule, tc.zone)
		got := map[string]string{}
		for _, v := range vs {
			got[v.Pointer] = v.Rule
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q in %q: %s", tc.schedule, tc.zone, diff)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	f.Add("*/15 1-5 * * 1,3", "Europe/Berlin")
	f.Add("@every 1h30m", "")
	f.Add("TZ=", "UTC")
	f.Add("30 2 29 2 *", "America/New_York")
	f.Fuzz(func(t *testing.T, schedule, zone string) {
		s, vs := job.ParseSchedule(schedule, zone)
		if len(vs) > 0 {
			return
		}
		at := time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)
		if next := s.Next(at); !next.After(at) && !next.IsZero() {
			t.Errorf("%q in %q: %s is not after %s", schedule, zone, next, at)
		}
	})
}
