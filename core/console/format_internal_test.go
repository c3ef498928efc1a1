package console

import (
	"encoding/json"
	"html/template"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"crmhub/core/crm"
)

func TestAmountsAreWrittenAsTheirCurrencyCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, currency, want, price string }{
		{"1234567.5", "EUR", "1,234,567.50 EUR", "1,234,567.50"},
		{"-1234.5", "CNY", "−1,234.50 CNY", "−1,234.50"},
		{"1234", "JPY", "1,234 JPY", "1,234"},
		{"0.125", "USD", "0.13 USD", "0.125"},
		{"999", "XXQ", "999 XXQ", "999"},
	} {
		d := decimal.RequireFromString(c.amount)
		if got := formatAmount(d, c.currency); got != c.want {
			t.Errorf("%s %s is written %q, want %q", c.amount, c.currency, got, c.want)
		}
		if got := formatPrice(d, c.currency); got != c.price {
			t.Errorf("as a price %s %s is written %q, want %q", c.amount, c.currency, got, c.price)
		}
	}
}

// An amount that is not understood is refused, never guessed: dropping every comma made 15 of 1,5 and 1.2345 of 1.234,5.
func TestThousandsMayBeApartAndNothingElse(t *testing.T) {
	t.Parallel()
	for entered, want := range map[string]string{
		"1,234.50": "1234.50", "1,234,567": "1234567", "-12,000": "-12000", " 1 234.5 ": "1234.5", "1，234．5": "1234.5", "1\u00a0234": "1234",
		"−3,000.25": "-3000.25", "12.5": "12.5", "1,5": "1,5", "1.234,5": "1.234,5", "12,34": "12,34", "1,2345": "1,2345", "1234,567": "1234,567",
		"1,234 567": "1,234 567", "1 5": "1 5", "12,34,567": "12,34,567", ",5": ",5", "1.5,000": "1.5,000", "ten": "ten", "": "",
	} {
		if got := ungrouped(entered); got != want {
			t.Errorf("%q is read as %q, want %q", entered, got, want)
		}
	}
}

func TestDaysAndInstantsPerLanguage(t *testing.T) {
	t.Parallel()
	day, err := crm.ParseDate("2026-02-03")
	if err != nil {
		t.Fatal(err)
	}
	instant := time.Date(2026, 2, 3, 23, 30, 0, 0, time.FixedZone("", -3600))
	for lang, want := range map[string][2]string{
		"en":    {"3 Feb 2026", `<time datetime="2026-02-04T00:30:00Z">4 Feb 2026, 00:30 UTC</time>`},
		"zh-CN": {"2026-02-03", `<time datetime="2026-02-04T00:30:00Z">2026-02-04 00:30 UTC</time>`},
	} {
		gotDay, errDay := formatDate(lang, &day)
		gotTime, errTime := formatTime(lang, &instant)
		if errDay != nil || errTime != nil || gotDay != want[0] || string(gotTime) != want[1] {
			t.Errorf("%s: %q, %q (%v, %v)", lang, gotDay, gotTime, errDay, errTime)
		}
	}
	if _, err := formatTime("en", "now"); err == nil {
		t.Error("a text passed as an instant")
	}
}

func TestTimesStayTimesWithinWords(t *testing.T) {
	t.Parallel()
	c := catalogue{"seen": "seen %s by %s"}
	if got := c.say("seen", template.HTML("<time>now</time>"), "<Ann>"); got != template.HTML("seen <time>now</time> by &lt;Ann&gt;") {
		t.Errorf("%v", got)
	}
	if got := c.say("seen", "now", "<Ann>"); got != "seen now by <Ann>" { // the template escapes it
		t.Errorf("%v", got)
	}
}

func TestDurationsAreAsPreciseAsPeopleCare(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "–", time.Millisecond: "0.1 s", 1234 * time.Millisecond: "1.2 s", 59 * time.Second: "59 s",
		200 * time.Second: "3 min 20 s", 125 * time.Minute: "2 h 5 min",
	} {
		if got := formatDuration("en", d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
	if got := formatDuration("zh-CN", 125*time.Minute); got != "2 小时 5 分" {
		t.Errorf("in Chinese %q", got)
	}
}

func TestPointerFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	doc := json.RawMessage(`{"lines": [{"total": "12,50"}], "a/b": {"~": "<i>"}, "n": 1e400, "none": null}`)
	for pointer, want := range map[string]string{
		"/lines/0/total": `"12,50"`, "/lines/0": `{"total":"12,50"}`, "/a~1b/~0": `"<i>"`, "/n": "1e400", "/none": "null",
		"/lines/1": "", "/lines/x": "", "/lines/-1": "", "/missing": "", "/n/x": "",
	} {
		if got := valueAt(doc, pointer); got != want {
			t.Errorf("%s is %q, want %q", pointer, got, want)
		}
	}
	if got := valueAt(nil, "/x"); got != "" {
		t.Errorf("in no document there is %q", got)
	}
	if got := valueAt(doc, ""); len([]rune(got)) > 121 || got == "" {
		t.Errorf("the whole is %q", got)
	}
}
