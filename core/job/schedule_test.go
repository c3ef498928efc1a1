package job_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		"a time that comes twice fits twice":            {"30 2 * * *", back, []string{"25 02:30+02", "25 02:30+01", "26 02:30+01"}},
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
