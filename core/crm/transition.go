package crm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// transitions say for each status which may follow it.
type transitions map[string][]string

// lifecycle is how the status of a kind moves.
type lifecycle struct {
	next  transitions
	begin []string // where a person's new one may stand; another system tells of any
}

// lifecycles are the kinds whose status moves by a table. An order's has more rules, see orderStep; an opportunity's
// follows from its stage, see stageTransitions.
var lifecycles = map[Kind]lifecycle{ //nolint:gochecknoglobals // a table
	KindOrder: {orderTransitions, []string{"draft", "submitted", "confirmed"}},
	KindInvoice: {transitions{
		"draft":            {"issued", "cancelled"},
		"issued":           {"cancelled", "credited_partial", "credited_full"},
		"credited_partial": {"credited_full"},
		"credited_full":    {},
		"cancelled":        {},
	}, []string{"draft"}},
	KindContract: {transitions{
		"draft":      {"in_review", "signed", "cancelled"},
		"in_review":  {"draft", "signed", "cancelled"},
		"signed":     {"fulfilled", "terminated"},
		"fulfilled":  {},
		"terminated": {},
		"cancelled":  {},
	}, []string{"draft", "in_review", "signed"}},
	KindCampaign: {transitions{
		"planning": {"active", "inactive"},
		"active":   {"inactive", "complete"},
		"inactive": {"planning", "active", "complete"},
		"complete": {},
	}, []string{"planning", "active"}},
	KindCampaignMember: {transitions{
		"targeted":  {"sent", "responded", "converted", "opted_out", "bounced"},
		"sent":      {"opened", "clicked", "responded", "converted", "opted_out", "bounced"},
		"opened":    {"clicked", "responded", "converted", "opted_out"},
		"clicked":   {"responded", "converted", "opted_out"},
		"responded": {"converted", "opted_out"},
		"converted": {"opted_out"},
		"opted_out": {},
		"bounced":   {"targeted", "sent"},
	}, []string{"targeted", "sent", "responded"}},
	KindTicket: {transitions{
		"new":       {"assigned", "pending", "resolved", "rejected", "duplicate"},
		"assigned":  {"pending", "resolved", "rejected", "duplicate"},
		"pending":   {"assigned", "resolved", "rejected", "duplicate"},
		"resolved":  {"closed", "assigned"},
		"closed":    {"assigned"},
		"rejected":  {"assigned"},
		"duplicate": {},
	}, []string{"new", "assigned"}},
	KindTask: {transitions{
		"not_started": {"started", "deferred", "completed", "cancelled"},
		"started":     {"not_started", "deferred", "completed", "cancelled"},
		"deferred":    {"not_started", "started", "completed", "cancelled"},
		"completed":   {"started"},
		"cancelled":   {"not_started"},
	}, []string{"not_started", "started", "deferred", "completed"}},
}

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

// stageTransitions say which kinds of stage may follow another. What was closed is opened before it ends otherwise, so
// that its history tells.
var stageTransitions = transitions{ //nolint:gochecknoglobals // a table
	"open": {"won", "lost"},
	"won":  {"open"},
	"lost": {"open"},
}

// Transitions returns for each status of a kind which may follow it, not to be changed; nil for a kind whose status, if
// it has one, is moved otherwise.
func Transitions(k Kind) map[string][]string { return lifecycles[k].next }

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
	return start(KindOrder, o.Status)
}

func always(string, string) bool { return true }

// reachable reports whether a status may follow another in one step, or is the same.
func reachable(t transitions, from, to string) bool {
	return from == to || slices.Contains(t[from], to)
}

// moveStatus checks the way of e's status from the stored one, nil for a new one.
func moveStatus(actor postgres.Actor, stored, e Entity) schema.Violations {
	k, to := e.Kind(), statusOf(e)
	if stored == nil {
		if isConnection(actor) {
			return nil
		}
		return start(k, to)
	}
	from := statusOf(stored)
	if from == to {
		return nil
	}
	table := lifecycles[k].next
	way := table.path(from, to, always)
	if len(way) == 0 || len(way) > 2 && !isConnection(actor) {
		return forbidden(from, table, always)
	}
	return nil
}

// statusOf returns the status of an entity that has one.
func statusOf(e Entity) string { return reflect.ValueOf(e).Elem().FieldByName("Status").String() }

func start(k Kind, status string) schema.Violations {
	l := lifecycles[k]
	if _, ok := l.next[status]; !ok || slices.Contains(l.begin, status) {
		return nil // an unknown status is an enum violation already
	}
	return schema.Violations{{Pointer: "/status", Rule: "transition", Message: "must begin as " + strings.Join(l.begin, " or ")}}
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
