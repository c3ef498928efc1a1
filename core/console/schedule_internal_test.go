package console

import (
	"testing"
	"time"
)

func TestSchedulesAreSaidInWords(t *testing.T) {
	t.Parallel()
	en, zh := words(t, "en"), words(t, "zh-CN")
	for schedule, want := range map[string][2]string{
		"* * * * *":           {"Every minute", "每分钟"},
		"*/15 * * * *":        {"Every 15 minutes", "每 15 分钟"},
		"@every 1m":           {"Every minute", "每分钟"},
		"@every 1h":           {"Every hour", "每小时"},
		"@every 90s":          {"Every 90 seconds", "每 90 秒"},
		"@every 2h":           {"Every 2 hours", "每 2 小时"},
		"@hourly":             {"At minute 0 of each hour", "每小时的第 0 分"},
		"@daily":              {"At 00:00", "00:00"},
		"30 2,14 * * *":       {"At 02:30, 14:30", "02:30、14:30"},
		"0 6 * * 1-5":         {"At 06:00, Monday to Friday", "06:00，星期一至星期五"},
		"0 6 * * sat,0":       {"At 06:00, Saturday, Sunday", "06:00，星期六、星期日"},
		"0 0 1,15 jan-mar *":  {"At 00:00, on day 1, 15 of the month, in January to March", "00:00，每月 1、15 日，一月至三月"},
		"0 0 1 * mon":         {"At 00:00, on day 1 of the month or on Monday", "00:00，每月 1 日或星期一"},
		"*/20 8-18/2 * * 1":   {"At minutes (every 20) of the hours 8 to 18 (every 2), Monday", "第 （每隔 20） 分，第 8至18（每隔 2） 时，星期一"},
		"61 * * * *":          {"", ""},
		"not a schedule here": {"", ""},
	} {
		if got := en.schedule(schedule); got != want[0] {
			t.Errorf("%s: %q, want %q", schedule, got, want[0])
		}
		if got := zh.schedule(schedule); got != want[1] {
			t.Errorf("%s: %q, want %q", schedule, got, want[1])
		}
	}
}

func TestThePageTellsTheNextFiveTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 22, 0, 0, 0, time.UTC)
	times := comingTimes("30 6 * * *", "Asia/Shanghai", now)
	if len(times) != 5 || !times[0].Equal(time.Date(2026, 11, 27, 22, 30, 0, 0, time.UTC)) || times[4].Sub(times[0]) != 4*24*time.Hour {
		t.Errorf("%v", times)
	}
	if times := comingTimes("", "", now); times != nil {
		t.Errorf("without a schedule: %v", times)
	}
}
