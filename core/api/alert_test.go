package api_test

import "testing"

func TestAlerts(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.makeAll()
	h.play([]scenario{
		{name: "list", method: "GET", path: "/alerts?status=open&kind=dead_letters", status: 200, has: []string{`"name":"erp"`, `"detail":{"open":1}`, h.ids["alert"]}},
		{name: "none", method: "GET", path: "/alerts?status=resolved", status: 200, has: []string{`{"items":[]}`}},
		{name: "no kind there is", method: "GET", path: "/alerts?kind=noise", status: 400, has: []string{`"parameter":"kind"`}},
		{name: "from nowhere", method: "GET", path: "/alerts?after=x", status: 400, has: []string{`"parameter":"after"`}},
		{name: "get", method: "GET", path: "/alerts/{alert}", status: 200, has: []string{`"kind":"dead_letters"`}, hasNot: []string{"acknowledged"}},
		{name: "acknowledge", method: "POST", path: "/alerts/{alert}/acknowledge", status: 200, has: []string{`"acknowledged_by":"token:`}},
		{name: "settings", method: "GET", path: "/alert-settings", status: 200, has: []string{`{"lag_minutes":10,"dead_letters":1,"conflicts":1,"muted":[]}`}},
		{name: "change them", method: "PATCH", path: "/alert-settings", body: `{"dead_letters":5,"muted":["conflicts"]}`, status: 200, has: []string{`{"lag_minutes":10,"dead_letters":5,"conflicts":1,"muted":["conflicts"]}`}},
		{name: "too much", method: "PATCH", path: "/alert-settings", body: `{"lag_minutes":0}`, status: 422, has: []string{`"pointer":"/lag_minutes"`}},
		{name: "no kind", method: "PATCH", path: "/alert-settings", body: `{"muted":["noise"]}`, status: 422, has: []string{`"pointer":"/muted/0"`}},
	})
}
