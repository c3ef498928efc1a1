package mapping_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/mapping"
	"crmhub/core/schema"
)

const small = "entity: thing\nrecord: record\nfields:\n  - {crm: code, remote: ref}\n"

func compile(t *testing.T, source string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Compile("test/thing.yaml", []byte(source), testSchemas(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoadTellsTheFaultsOfAllFiles(t *testing.T) {
	t.Parallel()
	_, err := mapping.Load(fstest.MapFS{
		"test/thing.yaml":    {Data: []byte(small + "  - {crm: nme, remote: title}")},
		"test/other.yaml":    {Data: []byte(small)},
		"nowhere/thing.yaml": {Data: []byte("entity: thing\nrecord: record\nfields: []")},
		"README.md":          {Data: []byte("not a mapping")},
	}, testSchemas(t))
	faults, _ := errors.AsType[mapping.Faults](err)
	want := mapping.Faults{
		{File: "nowhere/thing.yaml", Line: 3, Column: 9, Message: "expected a list of rules", Said: schema.Say("map_want_rules")},
		{File: "test/other.yaml", Line: 1, Column: 1, Message: `the file is named other.yaml, its entity "thing"`, Said: schema.Say("map_file_name", "other", "thing")},
		{File: "test/thing.yaml", Line: 5, Column: 6, Message: "the entity thing has no nme", Said: schema.Say("map_no_field", "the entity thing", "nme")},
	}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Error(diff)
	}
}

func TestASetKnowsItsMappings(t *testing.T) {
	t.Parallel()
	set, err := mapping.Load(fstest.MapFS{"test/thing.yaml": {Data: []byte("reference: code\nmatch: [code]\n" + small)}}, testSchemas(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := set.For("test", "customer"); ok {
		t.Error("a mapping that does not exist")
	}
	m, ok := set.For("test", "thing")
	if !ok || len(set.All()) != 1 || set.All()[0] != m {
		t.Fatal("the mapping is missing")
	}
	got := []any{m.Connector(), m.Entity(), m.Record(), m.Reference(), m.Match()}
	if diff := cmp.Diff([]any{"test", "thing", "record", "code", []string{"code"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheVersionChangesWithTheFile(t *testing.T) {
	t.Parallel()
	one, again, other := compile(t, small), compile(t, small), compile(t, small+"  - {crm: name, remote: title}\n")
	if one.Version() != again.Version() || one.Version() == other.Version() || one.Version() == "" {
		t.Error(one.Version(), again.Version(), other.Version())
	}
}

// Fields are what a merge works on. An expression sends on what it reads, though it names no place of ours.
func TestFieldsAreThePropertiesThatRulesTouch(t *testing.T) {
	t.Parallel()
	m := compile(t, `
entity: thing
record: record
authority: newest
fields:
  - {crm: code, remote: ref}
  - {crm: name, remote: title, direction: pull}
  - {crm: note, remote: comment, direction: push, when: "entity.is_active == true"}
  - {crm: address.city, remote: place.town, authority: ask}
  - {crm: address.street, remote: place.line, direction: push}
  - {crm: status, remote: state, push: "entity.status == 'done' ? 'X' : 'O'", pull: "'open'"}
  - {crm: amount, pull: "record.amount"}
  - {remote: amount_text, push: "dec_add(entity.amount ?? '0', entity.rate ?? '0')"}
  - crm: lines
    remote: items
    authority: remote
    each:
      - {crm: qty, remote: quantity}
      - {remote: text, push: "it.text ?? entity.day"}
`)
	want := []mapping.Field{
		{Path: "code", Push: true, Pull: true, Authority: "newest"},
		{Path: "name", Pull: true, Authority: "newest"},
		{Path: "note", Push: true, Authority: "newest"},
		{Path: "address", Push: true, Pull: true, Authority: "ask"},
		{Path: "status", Push: true, Pull: true, Authority: "newest"},
		{Path: "amount", Push: true, Pull: true, Authority: "newest"},
		{Path: "lines", Push: true, Pull: true, Authority: "remote"},
		{Path: "is_active", Push: true, Authority: "newest"},
		{Path: "rate", Push: true, Authority: "newest"},
		{Path: "day", Push: true, Authority: "newest"},
	}
	if diff := cmp.Diff(want, m.Fields()); diff != "" {
		t.Error(diff)
	}
}

func TestRefsAreWhatADocumentNeeds(t *testing.T) {
	t.Parallel()
	m := compile(t, `
entity: thing
record: record
fields:
  - {crm: code, remote: ref}
  - {crm: customer_id, remote: party_number, link: customer}
  - {crm: lines, remote: items, each: [{crm: qty, remote: quantity}, {crm: customer_id, remote: party, link: customer}]}
`)
	push := m.PushRefs(object(t, []byte(`{"customer_id": "a", "lines": [{"customer_id": "b"}, {"customer_id": null}, 7, {"customer_id": ""}]}`)))
	if diff := cmp.Diff([]mapping.Ref{{Entity: "customer", ID: "a"}, {Entity: "customer", ID: "b"}}, push); diff != "" {
		t.Error(diff)
	}
	pull := m.PullRefs(object(t, []byte(`{"party_number": 1.7e1, "items": [{"party": "18"}, null], "other": 1}`)))
	if diff := cmp.Diff([]mapping.Ref{{Entity: "customer", ID: "17"}, {Entity: "customer", ID: "18"}}, pull); diff != "" {
		t.Error(diff)
	}
	for _, doc := range []string{`{}`, `{"lines": {}, "items": 1}`, `{"party_number": 1.5}`} {
		if found := append(m.PushRefs(object(t, []byte(doc))), m.PullRefs(object(t, []byte(doc)))...); found != nil {
			t.Errorf("%s: %v", doc, found)
		}
	}
}
