package mapping_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/mapping"
)

func prove(t *testing.T, source, examples string) mapping.Report {
	t.Helper()
	files := fstest.MapFS{"test/thing.yaml": {Data: []byte(source)}}
	if examples != "" {
		files["test/thing.example.json"] = &fstest.MapFile{Data: []byte(examples)}
	}
	set, err := mapping.Load(files, testSchemas(t))
	if err != nil {
		t.Fatal(err)
	}
	reports, err := mapping.Prove(files, set)
	if err != nil || len(reports) != 1 {
		t.Fatal(reports, err)
	}
	return reports[0]
}

// Whatever a rule converts, values that fit it can be made up: no rule is proved with values that it must refuse.
func TestEveryReversibleRuleIsProved(t *testing.T) {
	t.Parallel()
	for _, r := range reversible {
		got := prove(t, "entity: thing\nrecord: record\nfields:\n  - {crm: code, remote: ref}\n  - "+r.rule, "")
		want := mapping.Report{Connector: "test", Entity: "thing", Entities: 200}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", r.rule, diff)
		}
	}
}

func TestProveTellsWhatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := prove(t, `
entity: thing
record: record
fields:
  - {crm: code, remote: ref}
  - {crm: at, remote: stamp_text, format: date-time, layout: "06-1-2 15:04:05"}
`, "")
	want := []string{"what is pushed does not come back as it was: /at: want 2096-03-24T01:49:48Z, got 1996-03-24T01:49:48Z"}
	if diff := cmp.Diff(want, r.Faults); diff != "" {
		t.Error(diff)
	}
}

func TestProveRunsExamples(t *testing.T) {
	t.Parallel()
	const source = "entity: thing\nrecord: record\nfields:\n  - {crm: code, remote: ref}\n  - {crm: customer_id, remote: party, link: customer}"
	const good = `{"entity": {"code": "A1", "customer_id": "x"}, "record": {"ref": "A1", "party": "17"}, "links": [{"entity": "customer", "id": "x", "remote": "17"}], "push": true}`
	for name, c := range map[string]struct {
		examples string
		count    int
		want     []string
	}{
		"one that holds":    {good, 1, nil},
		"two that hold":     {"[" + good + "," + good + "]", 2, nil},
		"neither direction": {strings.Replace(good, "true", "false", 1), 1, []string{"example 1 says neither push nor pull"}},
		"another value":     {strings.Replace(good, `"party": "17"`, `"party": "18"`, 1), 1, []string{"example 1, push: /party: want 18, got 17"}},
		"something missing": {strings.Replace(good, `"party": "17"`, `"party": "17", "title": "t"`, 1), 1, []string{"example 1, push: /title is missing, want t"}},
		"something more":    {strings.Replace(good, `, "party": "17"`, ``, 1), 1, []string{"example 1, push: /party is 17, want nothing"}},
		"no link":           {strings.Replace(good, `"id": "x"`, `"id": "y"`, 1), 1, []string{"example 1, push: not linked yet: customer x"}},
		"pull needs more":   {strings.Replace(good, "push", "pull", 1), 1, []string{"example 1, pull: /serial: is required (required)"}},
		"an unknown key":    {`{"pusch": true}`, 0, []string{`example: json: unknown field "pusch"`}},
		"no JSON":           {`{`, 0, []string{"example: not JSON: unexpected EOF"}},
	} {
		r := prove(t, source, c.examples)
		if diff := cmp.Diff(c.want, r.Faults); diff != "" || r.Examples != c.count {
			t.Errorf("%s: %d examples, %s", name, r.Examples, diff)
		}
	}
}
