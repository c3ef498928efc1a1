package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

// The tests of this file run one after the other: a rapid.Generator is not safe for use by two at once.

// reversible are rules that invert by themselves, each with the property of the entity it is about and values for it.
var reversible = []struct {
	rule, property string
	values         *rapid.Generator[any]
}{
	{`{crm: name, remote: mixed}`, "name", texts},
	{`{crm: name, remote: count, format: text}`, "name", wholeTexts},
	{`{crm: note, remote: comment, null: send}`, "note", texts},
	{`{crm: amount, remote: amount}`, "amount", decimals},
	{`{crm: amount, remote: amount, unit: "100"}`, "amount", decimals},
	{`{crm: amount, remote: amount_text, unit: "0.001"}`, "amount", decimals},
	{`{crm: rate, remote: amount_or_null, format: decimal}`, "rate", decimals},
	{`{crm: rate, remote: anything}`, "rate", decimals},
	{`{crm: count, remote: count_text}`, "count", integers},
	{`{crm: count, remote: count_decimal}`, "count", integers},
	{`{crm: is_active, remote: flag}`, "is_active", rapid.Map(rapid.Bool(), asAny)},
	{`{crm: is_active, remote: flag_number, values: [{crm: true, remote: 1}, {crm: false, remote: 0}]}`, "is_active", rapid.Map(rapid.Bool(), asAny)},
	{`{crm: status, remote: state, values: {draft: D, open: [O, P], done: X}}`, "status", rapid.Map(rapid.SampledFrom([]string{"draft", "open", "done"}), asAny)},
	{`{crm: day, remote: day}`, "day", days},
	{`{crm: day, remote: day_text, format: date, layout: "2.1.2006"}`, "day", days},
	{`{crm: day, remote: day_number, format: date, layout: "20060102"}`, "day", days},
	{`{crm: day, remote: day_number, format: date, layout: "02012006"}`, "day", days},
	{`{crm: day, remote: stamp, format: date, layout: "2006-01-02T15:04:05Z07:00"}`, "day", days},
	{`{crm: at, remote: stamp, format: date-time}`, "at", instants},
	{`{crm: at, remote: stamp_text, format: date-time, layout: "02.01.2006 15:04:05"}`, "at", instants},
	{`{crm: at, remote: seconds, format: unix}`, "at", instants},
	{`{crm: at, remote: millis, format: unix_ms}`, "at", instants},
	{`{crm: day, remote: stamp, format: date, layout: "2006-01-02T15:04:05Z07:00", zone: America/Sao_Paulo}`, "day", recentDays},
	{`{crm: day, remote: stamp_text, format: date, layout: "2006-01-02 15:04:05", zone: Asia/Shanghai}`, "day", recentDays},
	{`{crm: day, remote: millis, format: unix_ms, zone: Asia/Beirut}`, "day", recentDays},
	{`{crm: day, remote: seconds, format: unix}`, "day", days},
	{`{crm: at, remote: stamp_text, format: date-time, layout: "02.01.2006 15:04:05", zone: Etc/GMT-8}`, "at", recentInstants},
	{`{crm: at, remote: stamp, format: date-time, zone: Europe/Berlin}`, "at", recentInstants},
	{`{crm: customer_id, remote: party_number, link: customer}`, "customer_id", ids},
	{`{crm: customer_id, remote: party, link: customer}`, "customer_id", ids},
	{`{crm: tags, remote: labels}`, "tags", listOf(texts)},
	{`{crm: ext, remote: meta}`, "ext", objects},
	{`{crm: address.city, remote: place.town}`, "address", withKeys(map[string]*rapid.Generator[any]{"city": texts}, "city")},
	{
		`{crm: lines, remote: items, each: [{crm: qty, remote: quantity}, {crm: text, remote: text}, {crm: kind, remote: type, values: {goods: G, work: W}},
		{crm: price, remote: price_per_100, unit: "100"}, {crm: parts, remote: parts, each: [{crm: name, remote: label}, {crm: qty, remote: quantity}]}]}`,
		"lines", atLeastOne(withKeys(map[string]*rapid.Generator[any]{
			"qty": positives, "text": texts, "kind": rapid.Map(rapid.SampledFrom([]string{"goods", "work"}), asAny), "price": decimals,
			"parts": listOf(withKeys(map[string]*rapid.Generator[any]{"name": texts, "qty": decimals}, "name")),
		}, "qty")),
	},
}

var (
	texts      = rapid.Map(rapid.String(), asAny)
	integers   = rapid.Map(rapid.Int64(), func(n int64) any { return json.Number(fmt.Sprint(n)) })
	wholeTexts = rapid.Map(rapid.Int64(), func(n int64) any { return fmt.Sprint(n) })
	decimals   = rapid.Custom(func(t *rapid.T) any {
		return decimal.New(rapid.Int64().Draw(t, "digits"), -rapid.Int32Range(0, 9).Draw(t, "decimals")).String()
	})
	positives = rapid.Custom(func(t *rapid.T) any {
		return decimal.New(rapid.Int64Min(1).Draw(t, "digits"), -rapid.Int32Range(0, 9).Draw(t, "decimals")).String()
	})
	moments  = rapid.Int64Range(-62135596800, 253402300799)
	days     = rapid.Map(moments, func(n int64) any { return time.Unix(n, 0).UTC().Format(time.DateOnly) })
	instants = rapid.Map(moments, func(n int64) any { return time.Unix(n, 0).UTC().Format(time.RFC3339) })
	// Since about 1950, zones are offset by whole minutes.
	recentMoments  = rapid.Int64Range(-600000000, 4100000000)
	recentDays     = rapid.Map(recentMoments, func(n int64) any { return time.Unix(n, 0).UTC().Format(time.DateOnly) })
	recentInstants = rapid.Map(recentMoments, func(n int64) any { return time.Unix(n, 0).UTC().Format(time.RFC3339) })
	ids            = rapid.Map(rapid.Uint32(), func(n uint32) any { return fmt.Sprintf("c-%d", n) })
	objects        = rapid.Map(rapid.MapOf(rapid.String(), texts), func(m map[string]any) any { return m })
	anything       = rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(texts, integers, decimals, days, instants, ids, rapid.Just[any](nil), rapid.Map(rapid.Bool(), asAny),
			rapid.Just[any](json.Number("1e400")), rapid.Just[any](json.Number("1.50")), listOf(anyOnce), objects)
	})
	anyOnce = rapid.OneOf(texts, integers, rapid.Just[any](nil), objects)
)

func asAny[T any](v T) any { return v }

func listOf(g *rapid.Generator[any]) *rapid.Generator[any] {
	return rapid.Map(rapid.SliceOfN(g, 0, 4), asAny)
}

func atLeastOne(g *rapid.Generator[any]) *rapid.Generator[any] {
	return rapid.Map(rapid.SliceOfN(g, 1, 4), asAny)
}

// withKeys makes objects that have the needed keys and some of the others.
func withKeys(members map[string]*rapid.Generator[any], needed ...string) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		object := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			if slices.Contains(needed, key) || rapid.Bool().Draw(t, key) {
				object[key] = members[key].Draw(t, key)
			}
		}
		return object
	})
}

// drawMapping draws a mapping of some reversible rules, and the entities it can map.
func drawMapping(t *rapid.T, schemas *schema.Set) (m *mapping.Mapping, entity *rapid.Generator[any]) {
	source := strings.Builder{}
	source.WriteString("entity: thing\nrecord: record\nfields:\n  - {crm: code, remote: ref}\n")
	members := map[string]*rapid.Generator[any]{"code": rapid.Map(rapid.StringMatching(`[A-Z]{2,9}`), asAny)}
	order := make([]int, len(reversible))
	for i := range order {
		order[i] = i
	}
	for i, place := range rapid.Permutation(order).Draw(t, "rules") {
		r := reversible[place]
		if members[r.property] == nil && i < len(reversible)/2 {
			members[r.property] = r.values
			source.WriteString("  - " + r.rule + "\n")
		}
	}
	m, err := mapping.Compile("test/thing.yaml", []byte(source.String()), schemas)
	if faults, ok := errors.AsType[mapping.Faults](err); ok && strings.Contains(faults.Error(), "is written by the rule") {
		t.Skip("two rules write one place")
	}
	if err != nil {
		t.Fatalf("%s\n%v", source.String(), err)
	}
	return m, withKeys(members, "code", "address")
}

// stored is a record as the other system would hold it.
func stored(record map[string]any) map[string]any {
	record["serial"] = json.Number("1")
	items, _ := record["items"].([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			object["no"] = json.Number("1")
		}
	}
	return record
}

func TestWhatIsPushedIsPulledAsItWas(t *testing.T) {
	schemas := testSchemas(t)
	rapid.Check(t, func(t *rapid.T) {
		m, entities := drawMapping(t, schemas)
		entity, _ := entities.Draw(t, "entity").(map[string]any)
		record, err := m.Push(entity, testLinks{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.Pull(stored(record), testLinks{})
		if err != nil {
			t.Fatal(err)
		}
		// What is empty was said to be so, and comes back as empty.
		maps.DeleteFunc(again, func(_ string, v any) bool { return v == nil })
		if diff := cmp.Diff(entity, again); diff != "" {
			t.Fatalf("through %v: %s", record, diff)
		}
	})
}

// Whatever comes, from either side: no panic, no other kind of error, inputs stay, and a pull says nothing of what is
// not mapped.
func TestAnyDocumentIsMappedOrRefused(t *testing.T) {
	schemas := testSchemas(t)
	names := func(name string) []string {
		s, _ := schemas.Get(name)
		properties, _ := s.Document()["properties"].(map[string]any)
		return slices.Sorted(maps.Keys(properties))
	}
	documents := func(name string) *rapid.Generator[map[string]any] {
		return rapid.MapOf(rapid.SampledFrom(names(name)), anything)
	}
	entities, records := documents("thing.v1.json"), documents("test/record.json")
	rapid.Check(t, func(t *rapid.T) {
		m, _ := drawMapping(t, schemas)
		checkOne(t, "push", entities.Draw(t, "entity"), m.Push)
		record := records.Draw(t, "record")
		record["ref"] = "some"
		pulled := checkOne(t, "pull", stored(record), m.Pull)
		for name := range pulled {
			if !slices.ContainsFunc(m.Fields(), func(f mapping.Field) bool { return f.Path == name && f.Pull }) {
				t.Errorf("%s is pulled and not mapped", name)
			}
		}
	})
}

func checkOne(t *rapid.T, what string, doc map[string]any, do func(map[string]any, mapping.Links) (map[string]any, error)) map[string]any {
	before, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	out, err := do(doc, testLinks{})
	after, marshalErr := json.Marshal(doc)
	if marshalErr != nil || string(before) != string(after) {
		t.Errorf("%s changed its input from %s to %s", what, before, after)
	}
	_, isViolations := errors.AsType[schema.Violations](err)
	_, isMissing := errors.AsType[*mapping.MissingLink](err)
	if err != nil && !isViolations && !isMissing {
		t.Errorf("%s: an error of another kind: %v", what, err)
	}
	if err == nil {
		scribble(out) // what came out shares nothing with what went in
		if after, err := json.Marshal(doc); err != nil || string(before) != string(after) {
			t.Errorf("%s: changing its output changed its input to %s", what, after)
		}
	}
	return out
}

// scribble changes every object and list of a document in place, and leaves its own members.
func scribble(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			scribble(member)
			if _, isMap := member.(map[string]any); !isMap {
				v[name] = "changed"
			}
		}
	case []any:
		for i := range v {
			scribble(v[i])
			v[i] = "changed"
		}
	}
}

func TestAMappingServesManyAtOnce(t *testing.T) {
	m, ok := shipped(t).For("tryton", "order")
	if !ok {
		t.Fatal("no mapping")
	}
	want, err := m.Push(order(t), anyLinks{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				got, err := m.Push(order(t), anyLinks{})
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Error(err, diff)
				}
				scribble(got) // defaults and constants of the mapping are not handed out
			}
		})
	}
	wg.Wait()
}
