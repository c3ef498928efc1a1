package mapping_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

const veiledMapping = `entity: thing
record: record
fields:
  - {crm: code, remote: ref}
  - {crm: name, remote: mixed}
  - {crm: note, remote: comment, null: send}
  - {crm: status, remote: state, values: {draft: D, open: [O, P], done: X}}
  - {crm: amount, remote: amount}
  - {crm: address.city, remote: place.town}
  - {crm: customer_id, remote: party, link: customer}
  - {crm: tags, remote: labels}
  - {remote: anything, push: 'trim((entity.name ?? "") + " / " + entity.code)'}
  - {remote: flag_text, push: '"Y"', when: 'entity.note != nil'}
  - {remote: stamp_text, push: '(entity.tags ?? []) | filter(# != "") | join("/")'}
  - {remote: day_text, push: 'string(entity)'}
  - {remote: count_text, push: 'string(len(entity.code))'}
  - {crm: count, pull: 'len(string(record.amount_text))'}
  - {remote: amount_text, push: 'entity.amount'}
  - crm: lines
    remote: items
    each:
      - {crm: qty, remote: quantity}
      - {crm: text, remote: text}
      - {remote: party, push: '(it.text ?? "") + (entity.note ?? "")'}
`

// Whatever an entity is: of its record no more is shown than a like entity would show whose hidden properties say something else. So
// nothing that is shown comes of them, copied or calculated.
func TestWhatIsShownOfARecordDependsOnNothingHidden(t *testing.T) {
	m := compile(t, veiledMapping)
	members := map[string]*rapid.Generator[any]{
		"code": rapid.Map(rapid.StringMatching(`[A-Z]{2,9}`), asAny), "name": texts, "note": texts, "amount": decimals, "tags": listOf(texts), "customer_id": ids,
		"status": rapid.Map(rapid.SampledFrom([]string{"draft", "open", "done"}), asAny), "address": withKeys(map[string]*rapid.Generator[any]{"city": texts}, "city"),
		"lines": atLeastOne(withKeys(map[string]*rapid.Generator[any]{"qty": positives, "text": texts}, "qty")),
	}
	names := slices.Sorted(maps.Keys(members))
	entities := withKeys(members, "code", "address", "lines")
	rapid.Check(t, func(t *rapid.T) {
		entity, _ := entities.Draw(t, "entity").(map[string]any)
		other, _ := entities.Draw(t, "other").(map[string]any)
		hidden := rapid.SliceOfDistinct(rapid.SampledFrom(append(names, "count")), rapid.ID).Draw(t, "hidden")
		for _, name := range names { // the other one differs in what is hidden
			if slices.Contains(hidden, name) {
				continue
			}
			if delete(other, name); entity[name] != nil {
				other[name] = entity[name]
			}
		}
		enveloped := rapid.Bool().Draw(t, "enveloped")
		a, b := seen(t, m, entity, hidden, enveloped), seen(t, m, other, hidden, enveloped)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("without %v: %s", hidden, diff)
		}
	})
}

// seen are the values that are shown of an entity's record, by their place.
func seen(t *rapid.T, m *mapping.Mapping, entity map[string]any, hidden []string, enveloped bool) map[string]string {
	record, err := m.Push(entity, testLinks{})
	if err != nil {
		t.Fatal(err)
	}
	var veiled any
	if enveloped {
		veiled = m.VeilBody(map[string]any{"result": []any{stored(record)}, "by": entity["name"]}, hidden, nil)
	} else {
		veiled = m.Veil(record, hidden, nil)
	}
	found := map[string]string{}
	var look func(at string, v any)
	look = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				look(at+"/"+name, member)
			}
		case []any:
			for i, element := range v {
				look(fmt.Sprint(at, "/", i), element)
			}
		case nil:
		default:
			found[at] = fmt.Sprint(v)
		}
	}
	look("", veiled)
	return found
}

func TestVeilShowsWhatIsJoinedToSomethingSeen(t *testing.T) {
	t.Parallel()
	m := compile(t, veiledMapping)
	record := `{"ref": "A1", "serial": 7, "mixed": "Ann", "comment": "call Ann", "state": "O", "amount": 5, "place": {"town": "Bonn", "line": "x"}, "party": "c9",
		"labels": ["vip"], "anything": "Ann / A1", "flag_text": "Y", "count_text": "2", "amount_text": "5", "unit": null,
		"items": [{"quantity": 1, "text": "pump", "party": "call Ann", "no": 3}], "unknown": {"deep": ["Ann"]}}`
	shown := `{"ref": "A1", "serial": "*", "mixed": "*", "comment": "*", "state": "O", "amount": 5, "place": {"town": "Bonn", "line": "*"}, "party": "c9",
		"labels": ["vip"], "anything": "*", "flag_text": "*", "count_text": "2", "amount_text": "5", "unit": null,
		"items": [{"quantity": 1, "text": "pump", "party": "*", "no": "*"}], "unknown": {"deep": ["*"]}}`
	hidden := []string{"name", "note"}
	for name, c := range map[string]struct{ body, want string }{
		"the record":             {record, shown},
		"several in an envelope": {`{"data": [` + record + `], "total": 1}`, `{"data": [` + shown + `], "total": "*"}`},
		"a part of it":           {`{"state": "O", "comment": "call Ann"}`, `{"state": "O", "comment": "*"}`},
		"something else":         {`{"error": "Ann is unknown", "state": "O"}`, `{"error": "*", "state": "*"}`},
		"a text":                 {`"Ann"`, `"*"`},
		"a query":                {`{"filter": [["ref", "=", "A1"]]}`, `{"filter": [["*", "*", "*"]]}`},
	} {
		if diff := cmp.Diff(decoded(t, c.want), m.VeilBody(decoded(t, c.body), hidden, "*")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	lines := m.Veil(decoded(t, record), []string{"lines", "count"}, "*")
	want := decoded(t, record)
	object, _ := want.(map[string]any)
	object["items"] = decoded(t, `[{"quantity": "*", "text": "*", "party": "*", "no": "*"}]`)
	object["amount_text"] = "*" // the count is read from it
	object["serial"], object["unknown"] = "*", decoded(t, `{"deep": ["*"]}`)
	object["place"] = decoded(t, `{"town": "Bonn", "line": "*"}`)
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	v, err := schema.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
