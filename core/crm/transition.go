package crm

import (
	"fmt"
	"slices"
	"strings"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// transitions say for each status which may follow it.
type transitions map[string][]string

// orderTransitions: a confirmed order is cancelled only while nothing of it is delivered or billed, and on_hold goes
// back only to where it came from; both are checked in orderStep.
var orderTransitions = transitions{ //nolint:gochecknoglobals // a table
	"draft":        {"submitted", "confirmed", "cancelled"},
	"submitted":    {"confirmed", "draft", "cancelled"},
	"confirmed":    {"in_progress", "on_hold", "cancelled"},
	"in_progress":  {"completed", "on_hold", "closed_short"},
	"on_hold":      {"confirmed", "in_progress"},
	"completed":    {"in_progress"},
	"closed_short": {},
	"cancelled":    {},
}

var invoiceTransitions = transitions{ //nolint:gochecknoglobals // a table
	"draft":            {"issued", "cancelled"},
	"issued":           {"cancelled", "credited_partial", "credited_full"},
	"credited_partial": {"credited_full"},
	"credited_full":    {},
	"cancelled":        {},
}

// path returns the statuses on the shortest way from one status to another, both included; nil if there is no way.
func (t transitions) path(from, to string, allowed func(from, to string) bool) []string {
	before := map[string]string{from: ""}
	queue := []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if at == to {
			var way []string
			for s := to; s != ""; s = before[s] {
				way = append(way, s)
			}
			slices.Reverse(way)
			return way
		}
		for _, next := range t[at] {
			if _, seen := before[next]; !seen && allowed(at, next) {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// moveOrder checks the way of o's status from the stored order (nil for a new one) and sets where on_hold goes back to.
func moveOrder(actor postgres.Actor, stored, o *Order) schema.Violations {
	if stored == nil {
		return startOrder(actor, o)
	}
	if stored.Status == o.Status {
		o.HeldStatus = stored.HeldStatus
		return nil
	}
	allowed := func(from, to string) bool { return orderStep(stored, o, from, to) }
	way := orderTransitions.path(stored.Status, o.Status, allowed)
	if len(way) == 0 || len(way) > 2 && !isConnection(actor) {
		return forbidden(stored.Status, orderTransitions, allowed)
	}
	if o.Status == "on_hold" {
		o.HeldStatus = way[len(way)-2]
	}
	return nil
}

// orderStep reports whether one step of the table is open to this order.
func orderStep(stored, o *Order, from, to string) bool {
	switch {
	case from == "confirmed" && to == "cancelled":
		return o.DeliveryStatus == "none" && o.BillingStatus == "none"
	case from == "on_hold":
		// A longer way never leads over on_hold: that goes back to where it came from.
		return stored.Status == "on_hold" && to == stored.HeldStatus
	default:
		return true
	}
}

func startOrder(actor postgres.Actor, o *Order) schema.Violations {
	if isConnection(actor) {
		if o.Status == "on_hold" && o.HeldStatus == "" {
			o.HeldStatus = "confirmed"
		}
		return nil
	}
	return start(o.Status, orderTransitions, "draft", "submitted", "confirmed")
}

// moveInvoice checks the way of v's status from the stored invoice, nil for a new one.
func moveInvoice(actor postgres.Actor, stored, v *Invoice) schema.Violations {
	if stored == nil {
		if isConnection(actor) {
			return nil
		}
		return start(v.Status, invoiceTransitions, "draft")
	}
	if stored.Status == v.Status {
		return nil
	}
	always := func(string, string) bool { return true }
	way := invoiceTransitions.path(stored.Status, v.Status, always)
	if len(way) == 0 || len(way) > 2 && !isConnection(actor) {
		return forbidden(stored.Status, invoiceTransitions, always)
	}
	return nil
}

func start(status string, known transitions, allowed ...string) schema.Violations {
	if _, ok := known[status]; !ok || slices.Contains(allowed, status) {
		return nil // an unknown status is an enum violation already
	}
	return schema.Violations{{Pointer: "/status", Rule: "transition", Message: "must begin as " + strings.Join(allowed, " or ")}}
}

func forbidden(from string, t transitions, allowed func(from, to string) bool) schema.Violations {
	var open []string
	for _, to := range t[from] {
		if allowed(from, to) {
			open = append(open, to)
		}
	}
	message := fmt.Sprintf("%s is final", from)
	if len(open) > 0 {
		message = fmt.Sprintf("from %s only %s may follow", from, strings.Join(open, ", "))
	}
	return schema.Violations{{Pointer: "/status", Rule: "transition", Message: message}}
}

// isConnection reports whether another system writes: it may take several steps at once, since it tells what has happened already.
func isConnection(a postgres.Actor) bool { return strings.HasPrefix(string(a), "connection:") }
