package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// batch is how many customers, or rows of a hand-over, change hands in one transaction.
const batch = 500

// Recycle puts an organization's customers that are due into the pool, as the hub, and returns how many. A batch is one
// transaction, so that what was done stays if the process dies; what is due still is due the next time. A customer that
// somebody sees to while it waits for its turn stays.
func (s *Store) Recycle(ctx context.Context, db *postgres.DB, organization uuid.UUID) (int, error) {
	hub := postgres.Principal{Organization: organization, Actor: postgres.System}
	now := s.now()
	var ids []uuid.UUID
	err := db.As(ctx, hub, func(tx pgx.Tx) error {
		found, err := s.due(ctx, tx, now, dueQuery{})
		for _, d := range found {
			ids = append(ids, d.CustomerID)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	recycled := 0
	for part := range slices.Chunk(ids, batch) {
		n, err := postgres.Get(ctx, db, hub, func(tx pgx.Tx) (int, error) { return s.recycle(ctx, tx, now, part) })
		if err != nil {
			return recycled, fmt.Errorf("recycle customers: %w", err)
		}
		recycled += n
	}
	return recycled, nil
}

// recycle puts those of some customers into the pool that are due now that they are locked.
func (s *Store) recycle(ctx context.Context, tx pgx.Tx, now time.Time, ids []uuid.UUID) (int, error) {
	if _, err := s.Entities.GetForUpdate(ctx, tx, crm.KindCustomer, ids); err != nil {
		return 0, err
	}
	found, err := s.due(ctx, tx, now, dueQuery{customers: ids})
	if err != nil {
		return 0, err
	}
	events := make([]event, len(found))
	for i := range found {
		d := &found[i]
		events[i] = event{customer: d.CustomerID, what: Recycled, from: d.OwnerID, due: d}
	}
	return len(events), s.pass(ctx, tx, crm.By{Actor: postgres.System, Origin: "crm"}, nil, events)
}

// recycleDue applies the rules of all organizations whose hour has come.
func (r *Runner) recycleDue(ctx context.Context) error {
	var due []uuid.UUID
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		due, err = postgres.All(ctx, tx, "look which rules are to be applied", pgx.RowTo[uuid.UUID],
			`select organization_id from pool_settings where next_recycle_at <= $1`, r.Store.now())
		return err
	})
	if err != nil {
		return err
	}
	var failed error
	for _, organization := range due {
		start := r.Store.now()
		n, err := r.Store.Recycle(ctx, r.DB, organization)
		if err == nil {
			err = r.planNext(ctx, organization, start)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("organization %s: %w", organization, err))
			continue
		}
		r.Logger.InfoContext(ctx, "customers fell into the pool", "organization", organization, "customers", n, "took", r.Store.now().Sub(start))
	}
	return failed
}

// planNext notes when the rules of an organization are applied next, unless somebody asked for it since they began to be.
func (r *Runner) planNext(ctx context.Context, organization uuid.UUID, began time.Time) error {
	return r.DB.As(ctx, postgres.Principal{Organization: organization, Actor: postgres.System}, func(tx pgx.Tx) error {
		p, err := r.Store.Settings(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update pool_settings set next_recycle_at = $1 where next_recycle_at <= $2`, p.next(began), began); err != nil {
			return fmt.Errorf("plan when the rules are applied next: %w", err)
		}
		return nil
	})
}
