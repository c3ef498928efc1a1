package crm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// prepare makes room for what is about to be written: a new default pipeline takes the mark from the old one.
func (s *Store) prepare(ctx context.Context, tx pgx.Tx, w *writing) error {
	if w.kind != KindPipeline {
		return nil
	}
	return postgres.AsHub(ctx, tx, func() error { return s.preparePipelines(ctx, tx, w) })
}

func (s *Store) preparePipelines(ctx context.Context, tx pgx.Tx, w *writing) error {
	var keep []uuid.UUID
	for _, e := range w.batch {
		if p, _ := e.(*Pipeline); p.IsDefault {
			keep = append(keep, p.ID)
		}
	}
	if err := w.keepStages(ctx, tx); err != nil || len(keep) == 0 {
		return err
	}
	rows, err := tx.Query(ctx, "select id from pipelines where is_default and deleted_at is null and id <> all($1)", keep)
	if err != nil {
		return fmt.Errorf("look up the default pipeline: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("look up the default pipeline: %w", err)
	}
	return s.rewrite(ctx, tx, w.by, KindPipeline, ids, func(e Entity) bool {
		p, _ := e.(*Pipeline)
		p.IsDefault = false
		return true
	})
}

// follow writes what follows from what was just written: statuses of orders, dates of customers, histories.
func (s *Store) follow(ctx context.Context, tx pgx.Tx, w *writing) error {
	switch w.kind {
	case KindInvoice:
		return s.settle(ctx, tx, w.by, w.batch, w.billed()...)
	case KindPayment:
		return s.payInvoices(ctx, tx, w)
	case KindActivity:
		return s.touch(ctx, tx, w)
	case KindOpportunity:
		return w.logStages(ctx, tx)
	case KindCampaignMember:
		if err := w.logEvents(ctx, tx); err != nil {
			return err
		}
		return s.optOut(ctx, tx, w)
	default:
		return nil
	}
}

// rewrite changes stored entities on behalf of a write of others, each with a version and a change of its own. Rows are
// locked first and change sees the newest version, so nobody's write is stale; where change returns false nothing is written.
// It reaches every row of the organization, since what follows does not depend on who wrote.
func (s *Store) rewrite(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID, change func(Entity) bool) error {
	if len(ids) == 0 {
		return nil
	}
	return postgres.AsHub(ctx, tx, func() error { return s.rewriteAll(ctx, tx, by, k, ids, change) })
}

func (s *Store) rewriteAll(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID, change func(Entity) bool) error {
	w := writing{by: by, kind: k, table: tableOf(k), at: s.now()}
	var err error
	if w.stored, err = get(ctx, tx, k, ids, forUpdate); err != nil {
		return err
	}
	for _, id := range ids {
		stored := w.stored[id]
		if stored == nil || stored.head().DeletedAt != nil {
			continue
		}
		e := empty(k)
		reflect.ValueOf(e).Elem().Set(reflect.ValueOf(stored).Elem())
		if !change(e) {
			continue
		}
		if err := w.setHead(e.head(), stored); err != nil {
			return err
		}
		w.batch = append(w.batch, e)
	}
	if len(w.batch) == 0 {
		return nil
	}
	if err := w.write(ctx, tx); err != nil {
		return fmt.Errorf("let %s follow: %w", w.table.name, err)
	}
	return nil
}

// touch lets customers' last and next contact follow the activities just saved, and notes a ticket's first response. The
// newest activity decides on the next contact: what it says, and if it says nothing an appointment that it kept is over.
func (s *Store) touch(ctx context.Context, tx pgx.Tx, w *writing) error {
	newest := make(map[uuid.UUID]*Activity)
	answered := make(map[uuid.UUID]time.Time)
	var customers, tickets []uuid.UUID
	for _, e := range w.batch {
		a, _ := e.(*Activity)
		if old, _ := w.stored[a.ID].(*Activity); a.Type == "note" || old != nil && old.samePoint(a) {
			continue
		}
		if old := newest[a.CustomerID]; old == nil {
			newest[a.CustomerID], customers = a, append(customers, a.CustomerID)
		} else if old.At.Before(a.At) {
			newest[a.CustomerID] = a
		}
		if a.TicketID == nil {
			continue
		}
		if at, ok := answered[*a.TicketID]; !ok {
			answered[*a.TicketID], tickets = a.At, append(tickets, *a.TicketID)
		} else if a.At.Before(at) {
			answered[*a.TicketID] = a.At
		}
	}
	err := s.rewrite(ctx, tx, w.by, KindCustomer, customers, func(e Entity) bool {
		c, _ := e.(*Customer)
		return c.contacted(newest[c.ID])
	})
	if err != nil {
		return err
	}
	return s.rewrite(ctx, tx, w.by, KindTicket, tickets, func(e Entity) bool {
		t, _ := e.(*Ticket)
		at := answered[t.ID]
		if t.FirstRespondedAt != nil && !at.Before(*t.FirstRespondedAt) {
			return false
		}
		t.FirstRespondedAt = &at
		return true
	})
}

// samePoint reports whether a says of the customer's contacts what it said before.
func (a *Activity) samePoint(b *Activity) bool {
	return a.Type == b.Type && a.CustomerID == b.CustomerID && a.At.Equal(b.At) && sameTime(a.NextContactAt, b.NextContactAt)
}

// optOut lets contacts who opted out of a campaign be left alone by the others.
func (s *Store) optOut(ctx context.Context, tx pgx.Tx, w *writing) error {
	var ids []uuid.UUID
	for _, e := range w.batch {
		if m, _ := e.(*CampaignMember); m.Status == "opted_out" && m.ContactID != nil && !slices.Contains(ids, *m.ContactID) {
			ids = append(ids, *m.ContactID)
		}
	}
	return s.rewrite(ctx, tx, w.by, KindContact, ids, func(e Entity) bool {
		c, _ := e.(*Contact)
		was := c.OptOut
		c.OptOut = true
		return !was
	})
}

// contacted moves c's last and next contact, and reports whether that changed anything.
func (c *Customer) contacted(a *Activity) bool {
	if c.LastContactAt != nil && a.At.Before(*c.LastContactAt) {
		return false
	}
	next := c.NextContactAt
	switch {
	case a.NextContactAt != nil:
		next = a.NextContactAt
	case next != nil && !next.After(a.At):
		next = nil
	}
	changed := !sameTime(c.LastContactAt, &a.At) || !sameTime(c.NextContactAt, next)
	c.LastContactAt, c.NextContactAt = &a.At, next
	return changed
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
