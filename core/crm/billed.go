package crm

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// billed is what the invoices of an order come to in a currency, less credit notes: never nothing.
type billed struct {
	currency string
	total    decimal.Decimal
}

// An invoice credited in full binds nobody, whether or not the credit note is known here.
const billedOrders = `
select i.order_id, i.currency::text, sum(i.total)
from invoices i
left join invoices r on r.id = i.reverses_id
where i.order_id = any($1) and i.status not in ('draft', 'cancelled', 'credited_full') and i.deleted_at is null
	and coalesce(r.status, '') <> 'credited_full'
group by i.order_id, i.currency
having sum(i.total) <> 0`

// readBilled reads what the orders that a person changes were billed, whoever may see the invoices.
func (w *writing) readBilled(ctx context.Context, tx pgx.Tx) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		o, _ := e.(*Order)
		old, _ := w.stored[o.ID].(*Order)
		if old != nil && !isConnection(w.by.Actor) && (o.Status != old.Status || o.CustomerID != old.CustomerID || o.Currency != old.Currency || !sameLines(old, o)) {
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	w.facts.billed = make(map[uuid.UUID][]billed)
	err := postgres.AsHub(ctx, tx, func() error {
		rows, err := tx.Query(ctx, billedOrders, ids)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var id uuid.UUID
		var b billed
		_, err = pgx.ForEachRow(rows, []any{&id, &b.currency, &b.total}, func() error {
			w.facts.billed[id] = append(w.facts.billed[id], b)
			return nil
		})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("look up what orders were billed: %w", err)
	}
	return nil
}

func sameLines(a, b *Order) bool {
	same, err := sameJSON(a.Lines, b.Lines)
	return err == nil && same
}

// bound refuses what a person makes of an order that its invoices contradict: they are out, and would be owed for
// something else or for nothing.
func bound(stored, o *Order, invoiced []billed) schema.Violations {
	if stored == nil || len(invoiced) == 0 {
		return nil
	}
	var f faults
	if o.Status == "cancelled" && stored.Status != "cancelled" {
		f.add("/status", "billed", "cannot be cancelled while its invoices come to %s %s: cancel or credit them first", invoiced[0].total, invoiced[0].currency)
	}
	if o.CustomerID != stored.CustomerID {
		f.add("/customer_id", "billed", "cannot be changed while there are invoices: cancel or credit them first")
	}
	if o.Currency != stored.Currency {
		f.add("/currency", "billed", "cannot be changed while there are invoices: cancel or credit them first")
	}
	for _, b := range invoiced {
		if b.currency == o.Currency && o.Currency == stored.Currency && o.Total.LessThan(b.total) && o.Total.LessThan(stored.Total) {
			f.tell("/lines", "billed", "field_billed_at_least", "cannot come to less than %s, what its invoices come to: credit them first", b.total)
		}
	}
	return f.violations
}

// handled judges what a person says of an order's deliveries and bills, and lets their statuses follow the lines where he
// changed these alone. An ERP tells both.
func handled(actor postgres.Actor, stored, o *Order) schema.Violations {
	if isConnection(actor) {
		return nil
	}
	var f faults
	for i, l := range o.Lines {
		at := "/lines/" + strconv.Itoa(i)
		if stored != nil && i < len(stored.Lines) && stored.Lines[i].QtyDelivered.Equal(l.QtyDelivered) && stored.Lines[i].QtyBilled.Equal(l.QtyBilled) {
			continue
		}
		f.atLeastZero(at+"/qty_delivered", &l.QtyDelivered)
		f.atLeastZero(at+"/qty_billed", &l.QtyBilled)
	}
	var old Order
	if stored != nil {
		old = *stored
	}
	amounts := make([]amount, len(o.Instalments))
	for i, n := range o.Instalments {
		amounts[i] = amount{at: "/instalments/" + strconv.Itoa(i) + "/amount", is: n.Amount}
		if i < len(old.Instalments) {
			amounts[i].was = old.Instalments[i].Amount
		}
	}
	f.countable(o.Currency, amounts)
	if stored == nil {
		return f.violations
	}
	delivered := func(l OrderLine) decimal.Decimal { return l.QtyDelivered }
	if now := o.progress(delivered); o.DeliveryStatus == stored.DeliveryStatus && now != stored.progress(delivered) {
		o.DeliveryStatus = now
	}
	billed := func(l OrderLine) decimal.Decimal { return l.QtyBilled }
	if now := o.progress(billed); o.BillingStatus == stored.BillingStatus && now != stored.progress(billed) {
		o.BillingStatus = now
	}
	if o.Status == "completed" && stored.Status == "in_progress" && (o.DeliveryStatus != "full" || o.BillingStatus != "full") {
		f.add("/status", "incomplete", "cannot be completed before it is delivered and billed in full (delivery is %s, billing %s): close it short if nothing more comes",
			o.DeliveryStatus, o.BillingStatus)
	}
	return f.violations
}

// billed are the orders that a person billed by this write, or bills no longer. How much an ERP has billed it says itself.
func (w *writing) billed() []uuid.UUID {
	if isConnection(w.by.Actor) {
		return nil
	}
	var ids []uuid.UUID
	for _, e := range w.batch {
		v, _ := e.(*Invoice)
		if old, _ := w.stored[v.ID].(*Invoice); v.OrderID != nil && (old == nil || old.Status != v.Status) {
			ids = append(ids, *v.OrderID)
		}
	}
	return ids
}

// origin is the order that an invoice is for, or the invoice that it reverses.
type origin struct {
	customers []uuid.UUID // who can be billed for it: whoever ordered, his parent, and who has him as parent
	currency  string
	left      decimal.Decimal // of an invoice: what is not credited yet
}

const originsOfInvoices = `
select o.id, o.currency::text, 0::numeric,
	array[o.customer_id] || array_remove(array[c.parent_id], null) || array(select b.id from customers b where b.parent_id = o.customer_id and b.deleted_at is null)
from orders o join customers c on c.id = o.customer_id
where o.id = any($1)
union all
select i.id, i.currency::text, i.total + coalesce((
	select sum(n.total) from invoices n where n.reverses_id = i.id and n.id <> all($3) and n.status <> 'cancelled' and n.deleted_at is null), 0), array[i.customer_id]
from invoices i
where i.id = any($2)`

// lockReversed lets credit notes for one invoice be judged one after the other: two at once would both find it not credited yet.
const lockReversed = `select from invoices where id = any($1) order by id for no key update`

// readOrigins reads what the invoices that a person writes are for, where he says so anew.
func (w *writing) readOrigins(ctx context.Context, tx pgx.Tx) error {
	if isConnection(w.by.Actor) {
		return nil
	}
	var orders, invoices, written []uuid.UUID
	for _, e := range w.batch {
		v, _ := e.(*Invoice)
		old, _ := w.stored[v.ID].(*Invoice)
		if old != nil && old.Status != "draft" {
			continue // what it says stands there for good
		}
		written = append(written, v.ID)
		if v.OrderID != nil {
			orders = append(orders, *v.OrderID)
		}
		if v.ReversesID != nil {
			invoices = append(invoices, *v.ReversesID)
		}
	}
	if len(orders)+len(invoices) == 0 {
		return nil
	}
	w.facts.origins = make(map[uuid.UUID]*origin)
	err := postgres.AsHub(ctx, tx, func() error {
		if len(invoices) > 0 {
			if _, err := tx.Exec(ctx, lockReversed, invoices); err != nil {
				return err //nolint:wrapcheck // below
			}
		}
		rows, err := tx.Query(ctx, originsOfInvoices, orders, invoices, written)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		var id uuid.UUID
		var o origin
		_, err = pgx.ForEachRow(rows, []any{&id, &o.currency, &o.left, &o.customers}, func() error {
			w.facts.origins[id] = new(o)
			o = origin{}
			return nil
		})
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("look up what invoices are for: %w", err)
	}
	return nil
}

// fitting refuses an invoice of a person that does not fit the order it is for, or the invoice that it reverses.
func (v *Invoice) fitting(origins map[uuid.UUID]*origin) schema.Violations {
	var f faults
	fit := func(at string, id *uuid.UUID, what string) *origin {
		if id == nil || origins[*id] == nil {
			return nil
		}
		from := origins[*id]
		if !slices.Contains(from.customers, v.CustomerID) {
			f.add(at, "customer", "must be %s of the invoice's customer", what)
		}
		if from.currency != v.Currency {
			f.add(at, "currency", "must be %s in %s, the invoice's currency", what, v.Currency)
			return nil
		}
		return from
	}
	fit("/order_id", v.OrderID, "an order")
	if from := fit("/reverses_id", v.ReversesID, "an invoice"); from != nil && v.Type == "credit_note" && fits(v.Total) && v.Status != "cancelled" {
		if from.left.Add(v.Total).IsNegative() {
			f.tell("/total", "minimum", "field_credit_left", "cannot be less than %s: no more is left to be credited of the invoice", from.left.Neg())
		} else {
			from.left = from.left.Add(v.Total)
		}
	}
	return f.violations
}
