package crm

import (
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

func TestNewDocumentBeginsAtTheBeginning(t *testing.T) {
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
	for status := range invoiceTransitions {
		if got := moveInvoice(postgres.User(uuid.Nil), nil, &Invoice{Status: status}) == nil; got != (status == "draft") {
			t.Errorf("a person begins an invoice as %s: %v", status, got)
		}
		if vs := moveInvoice(postgres.Connection(uuid.Nil), nil, &Invoice{Status: status}); vs != nil {
			t.Errorf("a connection begins an invoice as %s: %v", status, vs)
		}
	}
}

func TestInvoiceStatusMovesByTheTable(t *testing.T) {
	t.Parallel()
	direct := map[string][]string{
		"draft": {"issued", "cancelled"}, "issued": {"cancelled", "credited_partial", "credited_full"}, "credited_partial": {"credited_full"},
	}
	reachable := map[string][]string{
		"draft": {"issued", "cancelled", "credited_partial", "credited_full"}, "issued": direct["issued"], "credited_partial": direct["credited_partial"],
	}
	for from := range invoiceTransitions {
		for to := range invoiceTransitions {
			stored, next := &Invoice{Status: from}, &Invoice{Status: to}
			if got, want := moveInvoice(postgres.User(uuid.Nil), stored, next) == nil, from == to || slices.Contains(direct[from], to); got != want {
				t.Errorf("a person moves %s → %s: %v, want %v", from, to, got, want)
			}
			if got, want := moveInvoice(postgres.Connection(uuid.Nil), stored, next) == nil, from == to || slices.Contains(reachable[from], to); got != want {
				t.Errorf("a connection moves %s → %s: %v, want %v", from, to, got, want)
			}
		}
	}
}

func TestTransitionTablesKnowEveryStatus(t *testing.T) {
	t.Parallel()
	for kind, table := range map[Kind]transitions{KindOrder: orderTransitions, KindInvoice: invoiceTransitions} {
		for _, f := range shapes()[kind] {
			if f.name != "status" {
				continue
			}
			for _, status := range f.enum {
				if _, ok := table[status]; !ok {
					t.Errorf("%s: %s is no status of the table", kind, status)
				}
			}
			if len(table) != len(f.enum) {
				t.Errorf("%s: the table has %d statuses, the type %d", kind, len(table), len(f.enum))
			}
		}
	}
}
