package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// withSteps is a shop whose orders are quoted and confirmed by calls of their own.
func withSteps() string {
	return shop + `
    before:
      - {name: refuse, on: [update], when: {record: [{at: /state, equals: confirmed}], differs: [/title]}, refuse: A confirmed order does not change}
    then:
      - {name: quote, when: {data: [{at: /want, in: [quoted, confirmed]}], record: [{at: /state, equals: draft}]}, method: POST, path: "/orders/{{id}}/quote"}
      - {name: confirm, when: {data: [{at: /want, equals: confirmed}], record: [{at: /state, equals: quoted}]}, method: POST, path: "/orders/{{id}}/confirm"}
`
}

func TestStepsBringARecordToTheStateWanted(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withSteps()), "good")
	w := order("a")
	w.Data["want"] = "confirmed"
	results, err := c.Push(t.Context(), "order", []connector.Write{w})
	if err != nil || results[0].Outcome != connector.Done || results[0].Record.Data["state"] != "confirmed" || results[0].Record.Version != "3" {
		t.Errorf("%+v, %v", results, err)
	}
	w = connector.Write{Op: connector.OpUpdate, ID: "1", Data: map[string]any{"title": "a", "want": "confirmed"}}
	if results, err = c.Push(t.Context(), "order", []connector.Write{w}); err != nil || results[0].Outcome != connector.Done {
		t.Errorf("the same again: %+v, %v", results, err)
	}
	if n := s.seen("POST /orders/1/"); n != 2 {
		t.Errorf("%d steps were made, not 2", n)
	}
	w.Data["title"] = "b"
	if results, err = c.Push(t.Context(), "order", []connector.Write{w}); err != nil || results[0].Outcome != connector.Refused || results[0].Err.Class != connector.ClassBusiness {
		t.Errorf("a change of a confirmed order: %+v, %v", results, err)
	}
}

func TestInterruptedStepsGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, withSteps()), "good")
	s.first(1, "POST /orders/1/confirm", status(http.StatusBadRequest))
	w := order("a")
	w.Data["want"] = "confirmed"
	results, err := c.Push(t.Context(), "order", []connector.Write{w})
	if err != nil || results[0].Outcome != connector.Unknown || results[0].Err.Class != connector.ClassData || !strings.HasPrefix(results[0].Err.Message, "confirm: ") || results[0].Record.ID != "1" {
		t.Errorf("it is there and must not be created again: %+v, %v", results, err)
	}
	found, err := c.Find(t.Context(), "order", "a")
	if err != nil || found == nil {
		t.Fatalf("%v, %v", found, err)
	}
	w.Op, w.ID = connector.OpUpdate, found.ID
	results, err = c.Push(t.Context(), "order", []connector.Write{w})
	if err != nil || results[0].Outcome != connector.Done || results[0].Record.Data["state"] != "confirmed" {
		t.Errorf("%+v, %v", results, err)
	}
	if n := s.seen("POST /orders/1/quote"); n != 1 {
		t.Errorf("quoted %d times", n)
	}
}

func TestLookupsTurnNamesIntoIDs(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	manifest := strings.Replace(shop, `body: {$spread: "{{data}}", reference`, `body: {$spread: "{{data}}", currency: "{{data.currency? | lookup:currency}}", agent: "{{data.agent? | seek:currency}}", reference`, 1) + `
lookups:
  currency: {path: /currencies, query: {code: "{{key}}"}, value: /0/id, remedy: Add the currency to the shop.}
`
	c := s.open(t, parse(t, manifest), "good")
	for _, ref := range []string{"a", "b"} {
		w := order(ref)
		w.Data["currency"], w.Data["agent"] = "EUR", "nobody"
		results, err := c.Push(t.Context(), "order", []connector.Write{w})
		if err != nil || results[0].Outcome != connector.Done {
			t.Fatalf("%+v, %v", results, err)
		}
	}
	got := s.order(2)
	delete(got, "changed_at")
	want := map[string]any{"id": 2, "rev": 1, "state": "draft", "title": "b", "reference": "b", "currency": float64(7)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the order (-want +got):\n%s", diff)
	}
	if n := s.seen("GET /currencies?code=EUR"); n != 1 {
		t.Errorf("looked up %d times", n)
	}
	w := order("c")
	w.Data["currency"] = "XXX"
	results, err := c.Push(t.Context(), "order", []connector.Write{w})
	want2 := &connector.Error{Class: connector.ClassData, Message: `the remote has no currency "XXX"`, Remedy: "Add the currency to the shop.", Said: schema.Say("lacks_there", "currency", "XXX")}
	if err != nil || results[0].Outcome != connector.Refused {
		t.Fatalf("%+v, %v", results, err)
	}
	if diff := cmp.Diff(want2, results[0].Err); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestRefusedBatchFindsTheBadRecord(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	// This shop takes all or nothing.
	s.mutex.Lock()
	s.handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/orders/all" {
			return false
		}
		var list []map[string]any
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			refusal(w, http.StatusBadRequest, "no JSON")
			return true
		}
		for _, o := range list {
			if o["title"] == "bad" {
				refusal(w, http.StatusUnprocessableEntity, "one is bad")
				return true
			}
		}
		s.mutex.Lock()
		defer s.mutex.Unlock()
		made := []any{}
		for _, o := range list {
			made = append(made, s.add(o)["id"])
		}
		answer(w, http.StatusOK, made)
		return true
	}
	s.mutex.Unlock()
	manifest := strings.Replace(shop, plainCreate, `
      path: /orders/all
      batch: 10
      atomic: true
      item: {title: "{{data.title}}", reference: "{{reference}}"}
      body: "{{items}}"
      id: ""
`, 1)
	results, err := s.open(t, parse(t, manifest), "good").Push(t.Context(), "order", []connector.Write{order("x"), order("bad"), order("y"), {Op: connector.OpCreate, Reference: "z"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []connector.Outcome
	for _, r := range results {
		got = append(got, r.Outcome)
	}
	if diff := cmp.Diff([]connector.Outcome{connector.Done, connector.Refused, connector.Done, connector.Refused}, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func TestUpdateOfWhatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	c := s.open(t, parse(t, shop), "good")
	results, err := c.Push(t.Context(), "order", []connector.Write{
		{Op: connector.OpUpdate, ID: "77", Data: map[string]any{"title": "a"}},
		{Op: connector.OpDelete, ID: "77"},
	})
	if err != nil || results[0].Outcome != connector.Refused || results[1].Outcome != connector.Done {
		t.Errorf("%+v, %v", results, err)
	}
}
