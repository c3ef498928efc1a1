package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"crmhub/core/crm"
	"crmhub/core/money"
)

// functions are what templates may call, in one language.
func functions(lang string, words, english catalogue, assetNames map[string]string) template.FuncMap {
	all := template.FuncMap{
		"lang":  func() string { return lang },
		"t":     words.say,
		"asset": func(name string) string { return assetNames[name] },
		// state gives the words of a state: the key is state.<kind>.<value>.
		"state": func(kind string, value any) string { return words.text(fmt.Sprintf("state.%s.%v", kind, value)) },
		// act says what was done; what has no words here, such as an action of a later version, as it is stored.
		"act":    func(action string) string { return words.act(action) },
		"tone":   tone,
		"amount": formatAmount,
		"number": func(n any) string { return group(fmt.Sprint(n)) },
		"day":    func(d crm.Date) (string, error) { return formatDate(lang, d) },
		"when":   func(v any) (template.HTML, error) { return formatTime(lang, v) },
		"took":   func(d time.Duration) string { return formatDuration(lang, d) },
		// schedule says a cron schedule in words.
		"schedule": words.schedule,
		"json":     prettyJSON,
		"size":     formatSize,
		"icon":     icon,
		"word":     func(s string) string { return inSentence(lang, s) },
		"dict":     dict,
		"role":     func(code, name string) string { return roleNamed(words, english, code, name) },
	}
	maps.Copy(all, telling(lang, words))
	return all
}

// tone is the colour of a state: ok, warn, bad, info or idle.
func tone(state any) string {
	value := fmt.Sprint(state)
	switch {
	case slices.Contains([]string{"succeeded", "linked", "active", "paid", "completed", "full", "resolved", "posted", "customer", "won", "signed", "fulfilled", "complete", "responded", "converted", "confirmed", "done", "create", "equal", "accepted", "certain", "finished", "created", "flowing", "live", "delivered"}, value):
		return "ok"
	case slices.Contains([]string{"suspect", "waiting", "parked", "unknown", "partial", "on_hold", "paused", "in_payment", "credited_partial", "dormant", "high", "in_review", "deferred", "inactive", "duplicate", "warn", "review", "rolled_back", "retrying"}, value):
		return "warn"
	case slices.Contains([]string{"failed", "open", "overdue", "churned", "blacklisted", "cancelled", "lost", "urgent", "terminated", "bounced", "opted_out", "error", "differs", "stuck", "probing", "stopped", "refused", "failing", "held"}, value):
		return "bad"
	case slices.Contains([]string{"running", "queued", "sending", "pending", "in_progress", "submitted", "issued", "new", "assigned", "started", "planning", "potential", "sent", "opened", "clicked", "previewing", "uploaded", "previewed", "undoing", "update", "review", "likely", "tested"}, value):
		return "info"
	}
	return "idle"
}

// formatAmount gives 1,234.50 EUR: as many decimals as the currency counts in, thousands grouped as both languages do.
func formatAmount(d decimal.Decimal, currency string) string {
	digits, err := money.Digits(currency)
	if err != nil {
		return group(d.String()) + " " + currency
	}
	return group(d.StringFixed(digits)) + " " + currency
}

// formatPrice gives a price per unit, which may be finer than the currency counts in, without the currency's name.
func formatPrice(d decimal.Decimal, currency string) string {
	if digits, err := money.Digits(currency); err == nil && d.Equal(d.Round(digits)) {
		return group(d.StringFixed(digits))
	}
	return group(d.String())
}

func group(s string) string {
	sign, digits := "", s
	if strings.HasPrefix(s, "-") {
		sign, digits = "−", s[1:]
	}
	whole, fraction, dot := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + fraction
	}
	return sign + whole
}

// grouped are the thousands of a number as [group] writes it.
var grouped = regexp.MustCompile(`^-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$`)

// ungroup makes a plain decimal of a number as people type it or copy it from a page. A comma that does not stand between
// thousands stays, for who reads the number to refuse: 1,50 is not 150.
func ungroup(s string) string {
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "，", ",", "．", ".", "−", "-").Replace(s)
	if grouped.MatchString(s) {
		return strings.ReplaceAll(s, ",", "")
	}
	return s
}

// formatTime gives a <time> element: the instant for machines and the script, the minute in UTC for people.
func formatTime(lang string, v any) (template.HTML, error) {
	var t time.Time
	switch v := v.(type) {
	case time.Time:
		t = v
	case *time.Time:
		if v != nil {
			t = *v
		}
	default:
		return "", fmt.Errorf("when: %T is no time", v)
	}
	if t.IsZero() {
		return "–", nil
	}
	layout := "2 Jan 2006, 15:04 UTC"
	if lang == "zh-CN" {
		layout = "2006-01-02 15:04 UTC"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format(layout) + `</time>`), nil //nolint:gosec // both parts are formatted here
}

// formatDate gives a day as people write it.
func formatDate(lang string, v any) (string, error) {
	var d crm.Date
	switch v := v.(type) {
	case crm.Date:
		d = v
	case *crm.Date:
		if v != nil {
			d = *v
		}
	default:
		return "", fmt.Errorf("date: %T is no date", v)
	}
	t := d.Time()
	switch {
	case t.IsZero():
		return "–", nil
	case lang == "zh-CN":
		return t.Format(time.DateOnly), nil
	}
	return t.Format("2 Jan 2006"), nil
}

// formatDuration gives 0.4 s, 12 s, 3 min 20 s or 2 h 5 min, in Chinese 2 小时 5 分; "–" for none.
func formatDuration(lang string, d time.Duration) string {
	second, minute, hour := "s", "min", "h"
	if lang == "zh-CN" {
		second, minute, hour = "秒", "分", "小时"
	}
	switch {
	case d <= 0:
		return "–"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f %s", max(d.Seconds(), 0.1), second)
	case d < time.Minute:
		return fmt.Sprintf("%d %s", int(d.Seconds()), second)
	case d < time.Hour:
		return fmt.Sprintf("%d %s %d %s", int(d.Minutes()), minute, int(d.Seconds())%60, second)
	default:
		return fmt.Sprintf("%d %s %d %s", int(d.Hours()), hour, int(d.Minutes())%60, minute)
	}
}

// formatSize gives 840 B, 12.5 KB or 3 MB.
func formatSize(bytes int64) string {
	if bytes < 1000 {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	size, unit := float64(bytes)/1000, "KB"
	if size >= 1000 {
		size, unit = size/1000, "MB"
	}
	return strconv.FormatFloat(math.Round(size*10)/10, 'f', -1, 64) + " " + unit
}

func prettyJSON(v any) (string, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) == 0 {
			return "", nil
		}
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return string(raw), nil //nolint:nilerr // what is no JSON is shown as it is
		}
		return b.String(), nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err
}

// dict makes a map for a part that needs several values.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: odd number of arguments")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: key %v is no string", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}

// inSentence writes a name as it stands within a sentence: English ones begin small there.
func inSentence(lang, name string) string {
	if lang != "en" || name == "" {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}
