package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// orders is a mapping that reads some of a record whose schema is open.
func orders(t testing.TB) *mapping.Mapping {
	t.Helper()
	set, err := schema.Load(fstest.MapFS{
		"order.v1.json": {Data: []byte(`{"type": "object", "properties": {
			"number": {"type": "string"}, "status": {"enum": ["draft", "open"]}, "tax_id": {"type": "string"}, "total": {"type": "string", "format": "decimal"}}}`)},
		"test/sale.json": {Data: []byte(`{"type": "object", "required": ["no"], "properties": {
			"no": {"type": "string", "maxLength": 10}, "state": {"enum": ["D", "O"]}, "discount": {"type": "string"}, "customer": {"type": "object"}, "sum": {"type": "number"}}}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Compile("test/order.yaml", []byte(`entity: order
record: sale
fields:
  - {crm: number, remote: no}
  - {crm: status, remote: state, values: {draft: D, open: O}}
  - {crm: tax_id, remote: customer.vat}
  - {crm: total, remote: sum}
`), set)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// records are n copies of a JSON document; # in it is a number of their own.
func records(t testing.TB, n int, doc string) []connector.Record {
	t.Helper()
	all := make([]connector.Record, n)
	for i := range all {
		v, err := schema.DecodeJSON([]byte(strings.ReplaceAll(doc, "#", fmt.Sprint(i))))
		if err != nil {
			t.Fatal(err)
		}
		all[i].Data, _ = v.(map[string]any)
	}
	return all
}

func TestWhatIsOtherThanBeforeIsFound(t *testing.T) {
	t.Parallel()
	m := orders(t)
	const usual = `{"no": "A#", "state": "O", "customer": {"name": "N#", "vat": "DE#"}, "lines": [{"unit": "kg", "price": 1.5, "tags": {"mail#@example.com": 1}}], "sum": 10.5}`
	for name, c := range map[string]struct {
		n    int    // records before
		was  string // usual if empty
		now  string
		want []string
	}{
		"nothing": {n: 1000, now: usual},
		"a new field, of whatever is in it only the top": {
			n: 1000, now: strings.Replace(usual, `"state"`, `"extra": {"a": {"b": 1}}, "state"`, 1), want: []string{"new_field /extra 3 of 3"},
		},
		"a field that the schema names is no news":  {n: 1000, now: strings.Replace(usual, `"state"`, `"discount": "x", "state"`, 1)},
		"too few came before to say that it is new": {n: 49, now: strings.Replace(usual, `"state"`, `"extra": 1, "state"`, 1)},
		"a field that always came": {
			n: 1000, now: strings.Replace(usual, `, "vat": "DE#"`, ``, 1), want: []string{"missing_field /customer/vat 3 of 3"},
		},
		"a field that nobody knows to come always": {n: 300, now: strings.Replace(usual, `, "vat": "DE#"`, ``, 1)},
		"a field in a list":                        {n: 1000, now: strings.Replace(usual, `"unit": "kg", `, ``, 1), want: []string{"missing_field /lines/*/unit 3 of 3"}},
		"a field that the schema requires":         {n: 0, now: strings.Replace(usual, `"no": "A#", `, ``, 1), want: []string{"missing_field /no 3 of 3 against the schema"}},
		"another type": {
			n: 60, now: strings.Replace(usual, `"DE#"`, `{"id": #}`, 1), want: []string{"new_type /customer/vat 3 of 3"},
		},
		"a type that the schema forbids": {n: 0, now: strings.Replace(usual, `10.5`, `"10.5"`, 1), want: []string{"new_type /sum 3 of 3 against the schema"}},
		"null where there was none":      {n: 1000, now: strings.Replace(usual, `"DE#"`, `null`, 1), want: []string{"new_type /customer/vat 3 of 3"}},
		"a value where there was only null": {
			n: 1000, was: strings.Replace(usual, `"DE#"`, `null`, 1), now: usual,
		},
		"a code":                         {n: 1000, now: strings.Replace(usual, `"kg"`, `"lb"`, 1), want: []string{"new_code /lines/*/unit 1 of 3"}},
		"a code of too few":              {n: 999, now: strings.Replace(usual, `"kg"`, `"lb"`, 1)},
		"a code that the schema forbids": {n: 0, now: strings.Replace(usual, `"O"`, `"X"`, 1), want: []string{"new_code /state 1 of 3 against the schema"}},
		"names are no codes":             {n: 1000, now: strings.Replace(usual, `"N#"`, `"M#"`, 1)},
		"a longer text":                  {n: 1000, now: strings.Replace(usual, `"N#"`, `"N012345678901234567890123456789"`, 1), want: []string{"longer_text /customer/name 1 of 3"}},
		"a text a bit longer":            {n: 1000, now: strings.Replace(usual, `"N#"`, `"N01234567890123456789"`, 1)},
		"a text longer than the schema":  {n: 0, now: strings.Replace(usual, `"A#"`, `"A0123456789"`, 1), want: []string{"longer_text /no 1 of 3 against the schema"}},
		"more decimals":                  {n: 200, now: strings.Replace(usual, `1.5`, `1.25`, 1), want: []string{"more_decimals /lines/*/price 1 of 3"}},
		"zeros are no decimals":          {n: 200, now: strings.Replace(usual, `1.5`, `1.50`, 1)},
	} {
		before, now := newProfile(), newProfile()
		before.Add(records(t, c.n, cmpOr(c.was, usual)))
		now.Add(records(t, 3, c.now))
		var got []string
		for _, s := range compare(before, now, m) {
			line := fmt.Sprintf("%s %s %d of %d", s.kind, s.pointer, s.count, s.of)
			if s.detail.Schema {
				line += " against the schema"
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// However records look, their profile has a limit and holds nothing of them.
func TestProfileIsBoundedAndHoldsNoValue(t *testing.T) {
	t.Parallel()
	p := newProfile()
	p.Add(records(t, 3000, `{"by_id": {"secret#x": {"n": "hidden"}, "also#y": 1}, "mails": {"hidden#@example.com": "hidden"}, "state": "hidden"}`))
	wide := make([]string, 2*mostPlaces)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"column%d": {"x": 1}`, i)
	}
	other := newProfile()
	other.Add(records(t, 2, `{"wide": {`+strings.Join(wide, ",")+`}}`))
	p.Merge(other)
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Root.count() > mostPlaces || p.Places != p.Root.count() || !p.Cut || len(b) > 200_000 {
		t.Errorf("%d places, counted as %d, cut %v, %d bytes", p.Root.count(), p.Places, p.Cut, len(b))
	}
	if strings.Contains(string(b), "hidden") || strings.Contains(string(b), "secret1000x") || strings.Contains(string(b), "also1000y") {
		t.Errorf("a value is in %.2000s", b)
	}
	var back Profile
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, &back); diff != "" {
		t.Errorf("stored and read (-want +got):\n%s", diff)
	}
	if _, each := p.at("/by_id/*"); each == nil || each.Seen != 6000 {
		t.Errorf("names that are data are one place: %+v", each)
	}
}

// office is an organization with a connection.
type office struct {
	testing.TB
	db         *postgres.DB
	who        postgres.Principal
	connection uuid.UUID
	mapping    *mapping.Mapping
}

func (o *office) as(fn func(tx pgx.Tx) error) {
	o.Helper()
	if err := o.db.As(o.Context(), o.who, fn); err != nil {
		o.Fatal(err)
	}
}

// run shows a run's records, and returns what is open afterwards and was resolved.
func (o *office) run(n int, doc string) (open, resolved []Finding) {
	o.Helper()
	watch := NewObserver(o.connection, uuid.New(), o.mapping)
	if !watch.See(records(o, n, doc)) {
		o.Error("the first records of a run are not saved at once")
	}
	o.as(func(tx pgx.Tx) (err error) {
		if err = watch.Save(o.Context(), tx); err != nil {
			return err
		}
		for status, list := range map[string]*[]Finding{"open": &open, "resolved": &resolved} {
			found, err := List(o.Context(), tx, Filter{Connection: o.connection, Status: status})
			if err != nil {
				return err
			}
			*list = found.Items
		}
		return nil
	})
	return open, resolved
}

func TestFindingOpensAndResolvesByItself(t *testing.T) {
	t.Parallel()
	o := &office{TB: t, db: postgrestest.New(t), connection: uuid.New(), mapping: orders(t)}
	o.who = postgrestest.Organization(t, o.db)
	o.as(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')", o.connection)
		return err
	})
	const usual, without = `{"no": "A#", "customer": {"vat": "V"}, "unit": "kg"}`, `{"no": "A#", "customer": {}, "unit": "kg"}`
	if open, _ := o.run(1000, usual); len(open) > 0 {
		t.Fatalf("the first records ever are other than before: %+v", open)
	}
	open, _ := o.run(2, without)
	if len(open) != 1 || !strings.HasPrefix(open[0].Message, "the mapping test/order.yaml reads /customer/vat (line 6), which has not come since 20") ||
		!strings.HasSuffix(open[0].Message, " UTC (2 of 2)") || !open[0].Serious {
		t.Fatalf("a field that always came: %+v", open)
	}
	o.as(func(tx pgx.Tx) error {
		if _, err := Acknowledge(t.Context(), tx, uuid.New(), ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("another one: %v", err)
		}
		f, err := Acknowledge(t.Context(), tx, open[0].ID, "they know")
		if f.AcknowledgedAt == nil || f.Note != "they know" || f.ResolvedAt != nil {
			t.Errorf("acknowledged: %+v", f)
		}
		return err
	})
	if open, _ = o.run(3, without); len(open) != 1 || open[0].Count != 5 || open[0].Of != 5 || open[0].AcknowledgedAt == nil {
		t.Errorf("the same again: %+v", open)
	}
	if open, _ = o.run(60, usual); len(open) != 1 {
		t.Errorf("it came again, but not for long: %+v", open)
	}
	open, resolved := o.run(60, strings.Replace(usual, "kg", "lb", 1))
	if len(resolved) != 1 || resolved[0].Kind != MissingField || len(open) != 1 || open[0].Kind != NewCode || open[0].Serious ||
		!strings.HasPrefix(open[0].Message, "/unit, which no mapping reads, has a code since ") {
		t.Errorf("it comes again; a code that nothing reads is new: %+v, resolved %+v", open, resolved)
	}
	o.as(func(tx pgx.Tx) error {
		_, err := Acknowledge(t.Context(), tx, open[0].ID, "")
		return err
	})
	if open, _ = o.run(1, strings.Replace(usual, "kg", "oz", 1)); len(open) != 1 || open[0].AcknowledgedAt != nil {
		t.Errorf("another code than the one acknowledged: %+v", open)
	}
	if open, resolved = o.run(100, usual); len(open) != 0 || len(resolved) != 2 {
		t.Errorf("all is as it was: %+v, resolved %+v", open, resolved)
	}
}

// BenchmarkObserve folds in the customers of the pull's benchmark, and orders of twenty lines.
func BenchmarkObserve(b *testing.B) {
	line := `{"product": 1#, "unit": "kg", "quantity": 2.5, "price": "12.50", "text": "A thing of many words", "tax": null}`
	for name, doc := range map[string]string{
		"customer": `{"code": "C#", "name": "Customer #", "phone": "+49 30 12345"}`,
		"order": `{"no": "A#", "state": "O", "customer": {"name": "N#", "vat": "DE#"}, "date": "2026-01-02", "paid": true, "lines": [` +
			strings.TrimSuffix(strings.Repeat(line+",", 20), ",") + `]}`,
	} {
		b.Run(name, func(b *testing.B) {
			all := records(b, 1000, doc)
			p := newProfile()
			for b.Loop() {
				p.Add(all)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
		})
	}
}
