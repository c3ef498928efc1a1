package crm

import (
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"crmhub/core/postgres"
)

// Every pair of statuses: what a person may do in one step, and what another system may report.
func TestOrderStatusMovesByTheTable(t *testing.T) {
	t.Parallel()
	direct := map[string][]string{
		"draft": {"submitted", "confirmed", "cancelled"}, "submitted": {"draft", "confirmed", "cancelled"}, "confirmed": {"in_progress", "on_hold", "cancelled"},
		"in_progress": {"on_hold", "completed", "closed_short"}, "on_hold": {"confirmed"}, "completed": {"in_progress"},
	}
	all := []string{"draft", "submitted", "confirmed", "in_progress", "on_hold", "completed", "closed_short", "cancelled"}
	late := []string{"confirmed", "in_progress", "on_hold", "completed", "closed_short", "cancelled"}
	reachable := map[string][]string{
		"draft": all, "submitted": all, "confirmed": late, "on_hold": late,
		"in_progress": {"on_hold", "in_progress", "completed", "closed_short"},
		"completed":   {"completed", "in_progress", "on_hold", "closed_short"},
	}
	for _, from := range all {
		for _, to := range all {
			stored := &Order{Status: from, DeliveryStatus: "none", BillingStatus: "none"}
			if from == "on_hold" {
				stored.HeldStatus = "confirmed"
			}
			by := func(actor postgres.Actor) bool {
				next := &Order{Status: to, DeliveryStatus: "none", BillingStatus: "none"}
				return moveOrder(actor, stored, next) == nil && (next.HeldStatus != "") == (to == "on_hold")
			}
			if got, want := by(postgres.User(uuid.Nil)), from == to || slices.Contains(direct[from], to); got != want {
				t.Errorf("a person moves %s → %s: %v, want %v", from, to, got, want)
			}
			if got, want := by(postgres.Connection(uuid.Nil)), from == to || slices.Contains(reachable[from], to); got != want {
				t.Errorf("a connection moves %s → %s: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestDeliveredOrderCannotBeCancelled(t *testing.T) {
	t.Parallel()
	stored := &Order{Status: "confirmed", DeliveryStatus: "none", BillingStatus: "none"}
	for _, next := range []*Order{
		{Status: "cancelled", DeliveryStatus: "partial", BillingStatus: "none"},
		{Status: "cancelled", DeliveryStatus: "none", BillingStatus: "full"},
	} {
		for _, actor := range []postgres.Actor{postgres.User(uuid.Nil), postgres.Connection(uuid.Nil)} {
			vs := moveOrder(actor, stored, next)
			if len(vs) != 1 || vs[0].Message != "from confirmed only in_progress, on_hold may follow" {
				t.Errorf("%s: %v", actor, vs)
			}
		}
	}
}

func TestHeldOrderGoesBackWhereItCameFrom(t *testing.T) {
	t.Parallel()
	hold := func(actor postgres.Actor, from string) *Order {
		next := &Order{Status: "on_hold", HeldStatus: "confirmed"}
		if vs := moveOrder(actor, &Order{Status: from}, next); vs != nil {
			t.Fatal(vs)
		}
		return next
	}
	person, system := postgres.User(uuid.Nil), postgres.Connection(uuid.Nil)
	got := []string{hold(person, "confirmed").HeldStatus, hold(person, "in_progress").HeldStatus, hold(system, "draft").HeldStatus, hold(system, "completed").HeldStatus}
	if diff := cmp.Diff([]string{"confirmed", "in_progress", "confirmed", "in_progress"}, got); diff != "" {
		t.Errorf("held status (-want +got):\n%s", diff)
	}
	vs := moveOrder(person, &Order{Status: "on_hold", HeldStatus: "in_progress"}, &Order{Status: "confirmed"})
	if len(vs) != 1 || vs[0].Message != "from on_hold only in_progress may follow" {
		t.Errorf("back to another status: %v", vs)
	}
}

func TestNewOneBeginsAtTheBeginning(t *testing.T) {
	t.Parallel()
	for status := range orderTransitions {
		want := status == "draft" || status == "submitted" || status == "confirmed"
		if got := moveOrder(postgres.User(uuid.Nil), nil, &Order{Status: status}) == nil; got != want {
			t.Errorf("a person begins an order as %s: %v, want %v", status, got, want)
		}
		next := &Order{Status: status}
		if vs := moveOrder(postgres.Connection(uuid.Nil), nil, next); vs != nil || (next.HeldStatus != "") != (status == "on_hold") {
			t.Errorf("a connection begins an order as %s: %v, held %q", status, vs, next.HeldStatus)
		}
	}
	begin := map[Kind][]string{
		KindInvoice: {"draft"}, KindContract: {"draft", "in_review", "signed"}, KindCampaign: {"planning", "active"},
		KindCampaignMember: {"targeted", "sent", "responded"}, KindTicket: {"new", "assigned"}, KindTask: {"not_started", "started", "deferred", "completed"},
	}
	for k, l := range lifecycles {
		if k == KindOrder {
			continue
		}
		for status := range l.next {
			if got, want := moveStatus(postgres.User(uuid.Nil), nil, standing(k, status)) == nil, slices.Contains(begin[k], status); got != want {
				t.Errorf("a person begins a %s as %s: %v, want %v", k, status, got, want)
			}
			if vs := moveStatus(postgres.Connection(uuid.Nil), nil, standing(k, status)); vs != nil {
				t.Errorf("a connection begins a %s as %s: %v", k, status, vs)
			}
		}
	}
}

// standing is an entity with a status.
func standing(k Kind, status string) Entity {
	e := New(k)
	reflect.ValueOf(e).Elem().FieldByName("Status").SetString(status)
	return e
}

// Every pair of statuses of every kind: what a person may do in one step, and what another system may report.
func TestStatusMovesByTheTable(t *testing.T) {
	t.Parallel()
	for k, table := range map[Kind]struct{ direct, reachable map[string][]string }{
		KindInvoice: {
			direct: map[string][]string{
				"draft": {"issued", "cancelled"}, "issued": {"cancelled", "credited_partial", "credited_full"}, "credited_partial": {"credited_full"},
			},
			reachable: map[string][]string{
				"draft":  {"issued", "cancelled", "credited_partial", "credited_full"},
				"issued": {"cancelled", "credited_partial", "credited_full"}, "credited_partial": {"credited_full"},
			},
		},
		KindContract: {
			direct: map[string][]string{
				"draft": {"in_review", "signed", "cancelled"}, "in_review": {"draft", "signed", "cancelled"}, "signed": {"fulfilled", "terminated"},
			},
			reachable: map[string][]string{
				"draft":     {"in_review", "signed", "cancelled", "fulfilled", "terminated"},
				"in_review": {"draft", "signed", "cancelled", "fulfilled", "terminated"}, "signed": {"fulfilled", "terminated"},
			},
		},
		KindCampaign: {
			direct: map[string][]string{
				"planning": {"active", "inactive"}, "active": {"inactive", "complete"}, "inactive": {"planning", "active", "complete"},
			},
			reachable: map[string][]string{
				"planning": {"active", "inactive", "complete"}, "active": {"planning", "inactive", "complete"}, "inactive": {"planning", "active", "complete"},
			},
		},
		KindCampaignMember: {
			direct: map[string][]string{
				"targeted": {"sent", "responded", "converted", "opted_out", "bounced"},
				"sent":     {"opened", "clicked", "responded", "converted", "opted_out", "bounced"},
				"opened":   {"clicked", "responded", "converted", "opted_out"}, "clicked": {"responded", "converted", "opted_out"},
				"responded": {"converted", "opted_out"}, "converted": {"opted_out"}, "bounced": {"targeted", "sent"},
			},
			reachable: map[string][]string{
				"targeted": {"sent", "opened", "clicked", "responded", "converted", "opted_out", "bounced"},
				"sent":     {"targeted", "opened", "clicked", "responded", "converted", "opted_out", "bounced"},
				"opened":   {"clicked", "responded", "converted", "opted_out"}, "clicked": {"responded", "converted", "opted_out"},
				"responded": {"converted", "opted_out"}, "converted": {"opted_out"},
				"bounced": {"targeted", "sent", "opened", "clicked", "responded", "converted", "opted_out"},
			},
		},
		KindTicket: {
			direct: map[string][]string{
				"new": {"assigned", "pending", "resolved", "rejected", "duplicate"}, "assigned": {"pending", "resolved", "rejected", "duplicate"},
				"pending": {"assigned", "resolved", "rejected", "duplicate"}, "resolved": {"closed", "assigned"}, "closed": {"assigned"}, "rejected": {"assigned"},
			},
			reachable: map[string][]string{
				"new":      {"assigned", "pending", "resolved", "closed", "rejected", "duplicate"},
				"assigned": {"pending", "resolved", "closed", "rejected", "duplicate"},
				"pending":  {"assigned", "resolved", "closed", "rejected", "duplicate"},
				"resolved": {"assigned", "pending", "closed", "rejected", "duplicate"},
				"closed":   {"assigned", "pending", "resolved", "rejected", "duplicate"},
				"rejected": {"assigned", "pending", "resolved", "closed", "duplicate"},
			},
		},
		KindTask: {
			direct: map[string][]string{
				"not_started": {"started", "deferred", "completed", "cancelled"}, "started": {"not_started", "deferred", "completed", "cancelled"},
				"deferred": {"not_started", "started", "completed", "cancelled"}, "completed": {"started"}, "cancelled": {"not_started"},
			},
			reachable: map[string][]string{
				"not_started": {"started", "deferred", "completed", "cancelled"}, "started": {"not_started", "deferred", "completed", "cancelled"},
				"deferred": {"not_started", "started", "completed", "cancelled"}, "completed": {"not_started", "started", "deferred", "cancelled"},
				"cancelled": {"not_started", "started", "deferred", "completed"},
			},
		},
	} {
		for from := range lifecycles[k].next {
			for to := range lifecycles[k].next {
				stored, next := standing(k, from), standing(k, to)
				if got, want := moveStatus(postgres.User(uuid.Nil), stored, next) == nil, from == to || slices.Contains(table.direct[from], to); got != want {
					t.Errorf("a person moves a %s %s → %s: %v, want %v", k, from, to, got, want)
				}
				if got, want := moveStatus(postgres.Connection(uuid.Nil), stored, next) == nil, from == to || slices.Contains(table.reachable[from], to); got != want {
					t.Errorf("a connection moves a %s %s → %s: %v, want %v", k, from, to, got, want)
				}
			}
		}
	}
}

func TestForbiddenStatusNamesThoseAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		k              Kind
		from, to, want string
	}{
		{KindTicket, "resolved", "pending", "from resolved only closed, assigned may follow"},
		{KindTicket, "duplicate", "new", "duplicate is final"},
		{KindCampaign, "complete", "active", "complete is final"},
		{KindContract, "signed", "draft", "from signed only fulfilled, terminated may follow"},
	} {
		vs := moveStatus(postgres.User(uuid.Nil), standing(tc.k, tc.from), standing(tc.k, tc.to))
		if len(vs) != 1 || vs[0].Message != tc.want || vs[0].Rule != "transition" {
			t.Errorf("%s %s → %s: got %v, want %q", tc.k, tc.from, tc.to, vs, tc.want)
		}
	}
}

func TestTransitionTablesKnowEveryStatus(t *testing.T) {
	t.Parallel()
	for kind, l := range lifecycles {
		for _, f := range shapes()[kind] {
			if f.name != "status" {
				continue
			}
			for _, status := range f.enum {
				if _, ok := l.next[status]; !ok {
					t.Errorf("%s: %s is no status of the table", kind, status)
				}
			}
			if len(l.next) != len(f.enum) {
				t.Errorf("%s: the table has %d statuses, the type %d", kind, len(l.next), len(f.enum))
			}
		}
		for from, to := range l.next {
			for _, status := range append(to, l.begin...) {
				if _, ok := l.next[status]; !ok {
					t.Errorf("%s: %s → %s, which is no status", kind, from, status)
				}
			}
		}
	}
}
