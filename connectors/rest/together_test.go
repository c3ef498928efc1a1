package rest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"crmhub/core/connector"
)

// withStepsTogether is a shop that quotes and confirms several orders in one call, all or none, and tells of several.
func withStepsTogether() string {
	manifest := strings.Replace(shop, `get: {path: "/orders/{{id}}"}`, `get: {path: /orders, query: {ids: "{{ids | join:,}}"}, records: /items}`, 1)
	return strings.Replace(manifest, plainCreate, `
      path: /orders/batch
      batch: 10
      item: {$spread: "{{data}}", reference: "{{reference}}"}
      body: {orders: "{{items}}"}
      results: /results
`, 1) + `
    then:
      - {name: quote, together: true, when: {data: [{at: /want, in: [quoted, confirmed]}], record: [{at: /state, equals: draft}]}, method: POST, path: /steps/quoted, body: {ids: "{{ids}}"}}
      - {name: confirm, together: true, when: {data: [{at: /want, equals: confirmed}], record: [{at: /state, equals: quoted}]}, method: POST, path: /steps/confirmed, body: {ids: "{{ids}}"}}
`
}

// takeSteps serves those calls. An order titled "poison" cannot be confirmed.
func (s *stub) takeSteps(w http.ResponseWriter, r *http.Request) bool {
	state, ok := strings.CutPrefix(r.URL.Path, "/steps/")
	if !ok {
		return false
	}
	var asked struct{ IDs []string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		refusal(w, http.StatusBadRequest, "no JSON")
		return true
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var some []map[string]any
	for _, o := range s.orders {
		id, _ := json.Marshal(o["id"])
		if slices.Contains(asked.IDs, string(id)) {
			some = append(some, o)
		}
	}
	if state == "confirmed" && slices.ContainsFunc(some, func(o map[string]any) bool { return o["title"] == "poison" }) {
		refusal(w, http.StatusUnprocessableEntity, "one of them is poison")
		return true
	}
	for _, o := range some {
		o["state"], o["rev"] = state, o["rev"].(int)+1
	}
	answer(w, http.StatusOK, map[string]any{})
	return true
}

// wanted are orders as they are to be.
func wanted(state string, titles ...string) []connector.Write {
	writes := make([]connector.Write, len(titles))
	for i, title := range titles {
		writes[i] = order(title)
		writes[i].Data["want"] = state
	}
	return writes
}

func TestStepsAreTakenTogether(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.handle = s.takeSteps
	c := s.open(t, parse(t, withStepsTogether()), "good")
	push := func(writes []connector.Write, state, version string) {
		t.Helper()
		results, err := c.Push(t.Context(), "order", writes)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.Outcome != connector.Done || r.Record.Data["state"] != state || r.Record.Version != version {
				t.Errorf("%+v %v", r, r.Err)
			}
			writes[i].Op, writes[i].ID = connector.OpUpdate, r.Record.ID
		}
	}
	orders := wanted("quoted", "a", "b", "c")
	push(orders, "quoted", "2")
	if steps, reads := s.seen("POST /steps/"), s.seen("GET /orders?ids="); steps != 1 || reads != 2 {
		t.Errorf("%d steps and %d reads of three creates, not 1 and 2", steps, reads)
	}
	for _, w := range orders {
		w.Data["want"] = "confirmed"
	}
	push(orders, "confirmed", "4") // 3 is the update itself
	if steps := s.seen("POST /steps/"); steps != 2 {
		t.Errorf("%d steps after three updates, not 2", steps)
	}
}

func TestRecordThatRefusesAStepLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := newStub(t)
	s.handle = s.takeSteps
	c := s.open(t, parse(t, withStepsTogether()), "good")
	results, err := c.Push(t.Context(), "order", wanted("confirmed", "a", "poison", "b"))
	if err != nil {
		t.Fatal(err)
	}
	if r := results[1]; r.Outcome != connector.Unknown || r.Err.Class != connector.ClassData || r.Err.Message != "confirm: one of them is poison" || s.order(2)["state"] != "quoted" {
		t.Errorf("the poison: %+v %v", r, r.Err)
	}
	for _, i := range []int{0, 2} {
		if r := results[i]; r.Outcome != connector.Done || r.Record.Data["state"] != "confirmed" {
			t.Errorf("a good one: %+v %v", r, r.Err)
		}
	}
}
