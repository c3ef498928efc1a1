package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/time/rate"
	"pgregory.net/rapid"

	"crmhub/core/connector"
)

func compileText(source string) (template, *Faults) {
	faults := &Faults{file: "t"}
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(source), &n); err != nil || len(n.Content) != 1 {
		faults.add(1, "no YAML")
		return nil, faults
	}
	budget := maxNodes
	top := expand(n.Content[0], &budget, 0)
	if top == nil {
		faults.add(1, "too large")
		return nil, faults
	}
	c := &compiler{faults: faults, roots: []string{"config", "data", "record", "since", "limit", "reference"}, lookups: map[string]bool{}}
	return c.value(top), faults
}

func testScope() *scope {
	since := time.Date(2026, 11, 23, 10, 30, 0, 0, time.FixedZone("", 3600))
	return &scope{
		session: &session{options: connector.Options{Config: map[string]any{"name": "a/b", "empty": nil}}},
		limit:   50, since: &since, reference: "R 1",
		record: map[string]any{"email": "x", "lines": []any{map[string]any{"id": json.Number("7")}}},
		data: map[string]any{
			"n": json.Number("12345678901234567890.10"), "s": "text", "t": true, "z": nil, "a.b": "dotted", "kind": "email",
			"lines": []any{map[string]any{"q": json.Number("1")}, map[string]any{"q": json.Number("2"), "gone": true}},
		},
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`"{{data.n}}"`:                                  `12345678901234567890.10`,
		`"n is {{data.n}}, {{ data.s }}"`:               `"n is 12345678901234567890.10, text"`,
		`{a: "{{data.nope?}}", b: "{{data.z?}}", c: 1}`: `{"c":1}`,
		`["{{data.nope?}}", 2.50]`:                      `[2.50]`,
		`"{{data.z}}"`:                                  `null`,
		`"{{data/a.b}}"`:                                `"dotted"`,
		`"{{data.lines.1.q}}"`:                          `2`,
		`{$each: "{{data.lines}}", $value: {q: "{{item.q}}", i: "{{index}}"}}`:                                                          `[{"i":0,"q":1},{"i":1,"q":2}]`,
		`{x: {$each: "{{data.nope?}}", $value: 1}}`:                                                                                     `{}`,
		`{$each: "{{data.lines}}", $value: {$when: "{{item.gone?}}", $value: "{{item.q}}"}}`:                                            `[2]`,
		`{$when: "{{data.nope?}}", $value: 1, $else: 2}`:                                                                                `2`,
		`{$when: {equal: ["{{data.s}}", text]}, $value: same, $else: other}`:                                                            `"same"`,
		`{$concat: [[1], "{{data.nope?}}", [2, 3]]}`:                                                                                    `[1,2,3]`,
		`{$spread: "{{data}}", $omit: [n, t, z, lines, a.b, kind], s: "{{data.s | upper}}", more: 1}`:                                   `{"more":1,"s":"TEXT"}`,
		`{$spread: "{{data}}", $omit: [n, t, z, lines, a.b, kind], s: "{{data.nope?}}"}`:                                                `{}`,
		`{$each: "{{data.lines}}", $value: {$when: "{{record.lines.[index].id?}}", $value: "{{record.lines.[index].id}}", $else: new}}`: `[7,"new"]`,
		`"{{record.[data.kind]}}"`:          `"x"`,
		`"{{since}}"`:                       `"2026-11-23T09:30:00Z"`,
		`"{{since | time:unix}}"`:           `1795426200`,
		`"{{since | time:date}}"`:           `"2026-11-23"`,
		`"{{since | time:2006/01/02 15h}}"`: `"2026/11/23 09h"`,
		`"{{since | datetime}}"`:            `{"__class__":"datetime","day":23,"hour":9,"microsecond":0,"minute":30,"month":11,"second":0,"year":2026}`,
		`"{{data.nope | default:none}}"`:    `"none"`,
		`"{{data.s | base64}}"`:             `"dGV4dA=="`,
		`"{{data.n | string}}"`:             `"12345678901234567890.10"`,
		`"{{data.lines | first}}"`:          `{"q":1}`,
		`"{{limit}}"`:                       `50`,
	} {
		tpl, faults := compileText(source)
		if err := faults.err(); err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		v, ok, err := tpl.render(testScope())
		got, _ := json.Marshal(v)
		if err != nil || !ok {
			t.Errorf("%s: %v", source, err)
		} else if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
	}
}

func TestTemplateFaults(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`"{{dta.x}}"`:                 `"dta" is not known here`,
		`"{{data.x"`:                  `a {{ has no }}`,
		`"{{data..x}}"`:               `names with dots`,
		`"{{data.x | shout}}"`:        `there is no filter "shout"`,
		`"{{data.x | lookup:nope}}"`:  `there is no lookup "nope"`,
		`"{{data.x | time:soon}}"`:    `no time format`,
		`{$each: "{{data.x}}"}`:       `$value is missing`,
		`{$for: 1}`:                   `$for means nothing here`,
		`{$when: 1, $value: 2, x: 3}`: `nothing else stands beside`,
		`"{{item.x}}"`:                `"item" is not known here`,
	} {
		_, faults := compileText(source)
		if err := faults.err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %s", source, err, want)
		}
	}
}

func TestMissingValuesAreNamed(t *testing.T) {
	t.Parallel()
	tpl, _ := compileText(`{a: "{{data.customer.id}}"}`)
	if _, _, err := tpl.render(testScope()); err == nil || err.Error() != "there is no data.customer.id" {
		t.Errorf("%v", err)
	}
}

func pathWith(value string) (string, error) {
	c := &compiler{faults: &Faults{}, roots: []string{"config"}}
	path := c.path(&yaml.Node{Kind: yaml.ScalarNode, Value: "/x/{{config.name}}/y"})
	return renderText(path, &scope{session: &session{options: connector.Options{Config: map[string]any{"name": value}}}})
}

func TestPathsAreEscaped(t *testing.T) {
	t.Parallel()
	if got, err := pathWith("a/b"); err != nil || got != "/x/a%2Fb/y" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := pathWith(""); err == nil {
		t.Errorf("nothing made %s", got)
	}
}

func TestTaggedValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "seconds"), rapid.Int64Range(0, 999_999).Draw(t, "microseconds")*1000).UTC()
		d := parseMust(t, rapid.StringMatching(`-?[1-9][0-9]{0,20}(\.[0-9]{0,10}[1-9])?`).Draw(t, "decimal"))
		for text, filter := range map[string]func(string) (any, error){
			at.Format(time.RFC3339Nano): tagDatetime, at.Format(time.DateOnly): tagDate, d: tagDecimal,
		} {
			tagged, err := filter(text)
			if err != nil {
				t.Fatal(err)
			}
			wire, err := json.Marshal(map[string]any{"v": tagged})
			if err != nil {
				t.Fatal(err)
			}
			var doc map[string]any
			decoder := json.NewDecoder(strings.NewReader(string(wire)))
			decoder.UseNumber()
			if err := decoder.Decode(&doc); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(any(map[string]any{"v": text}), values{Tagged: true}.plain(doc)); diff != "" {
				t.Errorf("(-sent +back):\n%s", diff)
			}
		}
	})
}

func parseMust(t *rapid.T, text string) string {
	d, err := parseDecimal(text)
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestDiffersComparesWhatIsWanted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wanted, record string
		want           bool
	}{
		{`{"a": "1.50"}`, `{"a": 1.5, "b": 2}`, false},
		{`{"a": "1.50"}`, `{"a": "1.5"}`, false},
		{`{"a": "007"}`, `{"a": "7"}`, true},
		{`{"a": null, "b": ""}`, `{}`, false},
		{`{"a": [{"x": 1}]}`, `{"a": [{"x": 1, "id": 9}]}`, false},
		{`{"a": [{"x": 1}]}`, `{"a": [{"x": 1}, {"x": 2}]}`, true},
		{`{"a": {"b": "c"}}`, `{"a": null}`, true},
		{`{"a": true}`, `{"a": false}`, true},
	} {
		var wanted, record any
		for text, into := range map[string]*any{c.wanted: &wanted, c.record: &record} {
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(into); err != nil {
				t.Fatal(err)
			}
		}
		if got := differs(wanted, record); got != c.want {
			t.Errorf("%s and %s: %v", c.wanted, c.record, got)
		}
	}
}

func TestLinkHeaders(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`<https://a/x?page=2>; rel="next"`:                      "https://a/x?page=2",
		`<https://a/1>; rel="first", <https://a/2>; rel="next"`: "https://a/2",
		`<https://a/1>; rel=next; title="x"`:                    "https://a/1",
		`<https://a/1>; rel="prev"`:                             "",
		`<https://a/1;x=,y>; rel="next"`:                        "https://a/1;x=,y",
		`rubbish`:                                               "",
	} {
		if got := linkNext([]string{header}); got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{`"{{data.n}}"`, `{$each: "{{data.lines}}", $value: "{{item.q}}"}`, `{$spread: "{{data}}", x: "{{since | time:unix}}"}`, `[&a {x: *a}]`} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, source string) {
		tpl, faults := compileText(source)
		if faults.err() == nil {
			_, _, _ = tpl.render(testScope()) // an error is fine, a panic is not
		}
	})
}

// Whatever stands in a path stays one part of it.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a/b", "..", ".", "?x=1", "#x", "%2e%2e", "a b", "\\", "//host", ";x", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		path, err := pathWith(value)
		if err != nil || leadsUp(path) {
			return
		}
		u, err := url.Parse("https://host" + path)
		if err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		parts := strings.Split(u.EscapedPath(), "/")
		if len(parts) != 4 || u.Host != "host" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q made %s", value, u)
		}
		if got, err := url.PathUnescape(parts[2]); err != nil || got != value {
			t.Errorf("%q arrives as %q, %v", value, got, err)
		}
		if clean := u.JoinPath(); clean.EscapedPath() != u.EscapedPath() {
			t.Errorf("%q: servers read %s as %s", value, u, clean)
		}
	})
}

func TestRetryAfterIsReadAsSecondsOrDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"0": 0, "7": 7 * time.Second, "18446744073709551615": 24 * time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat):          time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat):         0,
		now.Add(900 * 24 * time.Hour).Format(http.TimeFormat): 24 * time.Hour,
	} {
		got, ok := retryAfter(http.Header{"Retry-After": {value}, "Date": {now.Format(http.TimeFormat)}})
		if !ok || got != want {
			t.Errorf("%s: %v, %v", value, got, ok)
		}
	}
	for _, value := range []string{"", "-1", "1.5", "soon", "99999999999999999999"} {
		if got, ok := retryAfter(http.Header{"Retry-After": {value}}); ok {
			t.Errorf("%q was read as %v", value, got)
		}
	}
}

func TestWhatRemotesSayIsOneShortLine(t *testing.T) {
	t.Parallel()
	s := &session{secrets: map[string]any{"key": "hunter2", "pin": "12"}}
	for said, want := range map[string]string{
		" a\tb\r\n\x1b[31mc\x00 ":         "a b [31mc",
		"hunter2, 12 and hunter2":         "•••, 12 and •••",
		strings.Repeat("ö", maxMessage+1): strings.Repeat("ö", maxMessage) + "…",
	} {
		if diff := cmp.Diff(want, s.said(said, nil)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := s.said([]any{"a"}, nil); got != "" {
		t.Errorf("a list says %q", got)
	}
}

func FuzzPointer(f *testing.F) {
	f.Add("/a~1b/0", `{"a/b": [1]}`)
	f.Fuzz(func(t *testing.T, text, doc string) {
		p, err := parsePointer(text)
		var v any
		if err != nil || json.Unmarshal([]byte(doc), &v) != nil {
			return
		}
		if _, ok := p.in(v); ok && len(p) > 0 {
			switch v.(type) {
			case map[string]any, []any:
			default:
				t.Errorf("%q found something in %s", text, doc)
			}
		}
		_ = values{Tagged: true, Related: ".", Blank: true, DotNet: true, Pairs: true}.plain(v)
	})
}

// Whatever a remote answers is records and a next page, or an error.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{"items": [{"id": 1, "at": "2026-01-02T03:04:05Z"}], "next": "/x?page=2"}`, `{"items": [[1, 2]]}`, `{"items": {}, "next": {}}`, `[]`, `null`, `1e999999999`} {
		f.Add(seed)
	}
	here, err := url.Parse("https://host/api/orders?key=x")
	if err != nil {
		f.Fatal(err)
	}
	auth := authPlan{query: []parameter{{"key", literal{"x"}}}}
	st := &stream{id: pointer{"id"}, version: &pointer{"id"}, updated: []pointer{{"at"}, {"id"}}, deleted: &match{condition: &condition{at: pointer{"at"}, in: []string{""}}}}
	f.Fuzz(func(t *testing.T, body string) {
		d := json.NewDecoder(strings.NewReader(body))
		d.UseNumber()
		a := &answer{status: 200, address: here}
		if d.Decode(&a.whole) != nil {
			return
		}
		a.whole = values{Tagged: true, Related: ".", Blank: true, DotNet: true, Pairs: true}.plain(a.whole)
		a.body = a.whole
		for _, c := range []columns{{}, {names: []string{"id", "at"}}, {names: []string{"id", "lines.at"}, gather: "lines"}} {
			list, err := rows(a.body, &pullPlan{records: pointer{"items"}, columns: c})
			if err != nil {
				continue
			}
			for _, format := range []string{"", "unix", "unix_ms", "date", "http"} {
				st.format = format
				for _, row := range list {
					if r, err := st.toRecord(row); err == nil && r.ID == "" {
						t.Errorf("%s: a record without an id", body)
					}
				}
			}
			for _, by := range []string{"none", "page", "offset", "cursor", "next", "keyset"} {
				p := pagePlan{by: by, next: pointer{"next"}, key: pointer{"id"}}
				next, err := p.follow(place{Limit: 1}, a, list, nil, auth.bare)
				if err != nil || next == nil {
					continue
				}
				if u, err := url.Parse(next.Next); err != nil || u.Query().Has("key") {
					t.Errorf("%s: %s has the key, or is no address: %v", body, next.Next, err)
				}
			}
		}
	})
}

func TestWhatIsPeculiarToARemoteBecomesPlain(t *testing.T) {
	t.Parallel()
	all := values{Blank: true, Unix: []string{"on"}, DotNet: true, Pairs: true, False: &struct {
		Except []string `yaml:"except"`
	}{[]string{"active"}}}
	for given, want := range map[string]string{
		`{"at": "/Date(1518685950940+0000)/"}`:    `{"at": "2018-02-15T09:12:30.94Z"}`,
		`{"at": "/Date(-86400000)/"}`:             `{"at": "1969-12-31T00:00:00Z"}`,
		`{"on": 1795737600, "to": [{"on": "0"}]}`: `{"on": "2026-11-27T00:00:00Z", "to": [{"on": null}]}`,
		`{"at": "/Date(soon)/"}`:                  `{"at": "/Date(soon)/"}`,
		`{"partner": [5, "ACME"]}`:                `{"partner": {"id": 5, "name": "ACME"}}`,
		`{"list": [[5, 6], ["a", "b"], [1]]}`:     `{"list": [[5, 6], ["a", "b"], [1]]}`,
		`{"ref": false, "active": false}`:         `{"ref": null, "active": false}`,
		`{"lines": [{"name": ""}, {"q": true}]}`:  `{"lines": [{"name": null}, {"q": true}]}`,
	} {
		decode := func(s string) (v any) {
			d := json.NewDecoder(strings.NewReader(s))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		if diff := cmp.Diff(decode(want), all.plain(decode(given))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", given, diff)
		}
	}
}

func TestRowsOfValuesBecomeRecords(t *testing.T) {
	t.Parallel()
	given := []any{[]any{"1", "C1", "A", "2"}, []any{"1", "C1", "B", "3"}}
	names := []string{"id", "customer.number", "lines.item", "lines.qty"}
	each, err := columns{names: names}.records(given)
	if err != nil {
		t.Fatal(err)
	}
	line := func(item, qty string) any { return map[string]any{"item": item, "qty": qty} }
	customer := map[string]any{"number": "C1"}
	if diff := cmp.Diff([]any{
		map[string]any{"id": "1", "customer": customer, "lines": line("A", "2")},
		map[string]any{"id": "1", "customer": customer, "lines": line("B", "3")},
	}, each); diff != "" {
		t.Error(diff)
	}
	one, err := columns{names, "lines"}.records(given)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{map[string]any{"id": "1", "customer": customer, "lines": []any{line("A", "2"), line("B", "3")}}}, one); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []any{[]any{"1"}, map[string]any{}, nil} {
		if _, err := (columns{names: names}).records([]any{bad}); err == nil {
			t.Errorf("%v passed for a row", bad)
		}
	}
}

func TestWindowLetsThroughNoMoreThanTheQuota(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := windowPlan{rapid.IntRange(1, 5).Draw(t, "n"), time.Minute}
		w := &window{plan: plan}
		now := time.Unix(0, 0)
		var taken []time.Time
		for range 50 {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "pause")) * time.Second)
			recent := 0
			for _, at := range taken {
				if now.Sub(at) < plan.per {
					recent++
				}
			}
			wait := w.take(now)
			if (wait == 0) != (recent < plan.n) {
				t.Fatalf("%d of %d calls in the last minute, and it says wait %s", recent, plan.n, wait)
			}
			if wait == 0 {
				taken = append(taken, now)
			} else if oldest := taken[len(taken)-plan.n]; now.Add(wait).Sub(oldest) != plan.per {
				t.Fatalf("wait %s, but the oldest call leaves after %s", wait, plan.per-now.Sub(oldest))
			}
		}
	})
}

func TestUsedUpQuotaIsWaitedForOrTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &session{limiter: rate.NewLimiter(rate.Inf, 1), windows: []*window{{plan: windowPlan{2, time.Minute}}, {plan: windowPlan{4, 24 * time.Hour}}}}
		begun := time.Now()
		for range 4 {
			if err := s.pace(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if passed := time.Since(begun); passed != time.Minute {
			t.Errorf("four calls took %s", passed)
		}
		err := s.pace(t.Context())
		if e := connector.AsError(err); e.Class != connector.ClassQuota || e.RetryAfter < 23*time.Hour {
			t.Errorf("the day's quota: %v, again in %s", err, e.RetryAfter)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e := connector.AsError(s.pace(ctx)); e.Class != connector.ClassQuota {
			t.Errorf("more patience than there is: %v", e)
		}
	})
}

func FuzzLink(f *testing.F) {
	f.Add(`<https://a/1>; rel="first", <https://a/2>; rel="next"`)
	f.Fuzz(func(_ *testing.T, header string) { _ = linkNext([]string{header}) })
}
