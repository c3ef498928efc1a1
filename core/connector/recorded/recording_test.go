package recorded_test

import (
	"strings"
	"testing"

	"crmhub/core/connector/recorded"
)

const small = `A comment.
-- config.json --
{"url": "{{url}}"}
-- 01 pull order --
{"limit": 2}
-- 01 request --
GET /orders
-- 01 response --
200

[]
-- 01 result --
{"records": []}
`

func TestRecordingReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	r, err := recorded.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if r.Comment != "A comment." || len(r.Steps) != 1 || r.Steps[0].String() != "01 pull order" || r.Steps[0].Exchanges[0].Request != "GET /orders\n" {
		t.Errorf("read %+v", r)
	}
	text, err := r.Format()
	if err != nil {
		t.Fatal(err)
	}
	again, err := recorded.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := again.Format(); err != nil || string(twice) != string(text) {
		t.Errorf("%v: written twice it is\n%s, not\n%s", err, twice, text)
	}
}

func TestFaultOfARecordingNamesThePlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"no configuration":   {"config.json", "conf.json", "conf.json: the first file"},
		"no such verb":       {"01 pull order", "01 push order", "01 push order: there is no push"},
		"no stream":          {"01 pull order", "01 pull", "01 pull: all verbs but check"},
		"no response":        {"-- 01 response --\n200\n\n[]\n", "", "01 pull order: a request and its response"},
		"result before step": {"-- 01 pull order --\n{\"limit\": 2}\n", "", "01 request: a step begins"},
		"no JSON":            {`{"limit": 2}`, `{"limit": `, "01 pull order: "},
		"no steps":           {small[strings.Index(small, "-- 01 pull"):], "", "config.json and steps"},
	} {
		_, err := recorded.Parse([]byte(strings.Replace(small, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := recorded.Parse([]byte(text))
		if err != nil {
			return
		}
		if _, err := r.Format(); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
