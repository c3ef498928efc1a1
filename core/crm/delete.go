package crm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/outbox"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Delete marks an entity as deleted, with a version and a change like any other, and returns it. Its code or number is
// free again. A document that counts (an issued invoice, a posted payment, an order under way) cannot be deleted:
// [schema.Violations]; [StaleError] and [ErrNotFound] as for Save.
func (s *Store) Delete(ctx context.Context, tx pgx.Tx, by By, k Kind, id uuid.UUID, version int64) (Entity, error) {
	deleted, err := s.DeleteAll(ctx, tx, by, k, []VersionRef{{ID: id, Version: version}})
	return oneOf(deleted, err)
}

// DeleteMerged is [Store.Delete] of what becomes part of another: nothing stands against it that will refer to the other.
func (s *Store) DeleteMerged(ctx context.Context, tx pgx.Tx, by By, k Kind, id uuid.UUID, version int64) (Entity, error) {
	deleted, err := s.deleteAll(ctx, tx, by, k, []VersionRef{{ID: id, Version: version}}, intoOther)
	return oneOf(deleted, err)
}

func oneOf(deleted []Entity, err error) (Entity, error) {
	if one, ok := errors.AsType[*ItemError](err); ok {
		return nil, one.Err
	}
	if err != nil {
		return nil, err
	}
	return deleted[0], nil
}

// DeleteAll is [Store.Delete] of several, each named once: all of them or, with an *[ItemError] that names one at fault,
// none. Whatever their number, the statements are few.
func (s *Store) DeleteAll(ctx context.Context, tx pgx.Tx, by By, k Kind, which []VersionRef) ([]Entity, error) {
	return s.deleteAll(ctx, tx, by, k, which, byItself)
}

// departure is why an entity goes: the status of the conflicts that end with it.
type departure string

const (
	byItself  departure = "deleted"
	intoOther departure = "merged" // to which all that refers to it will refer
)

func (s *Store) deleteAll(ctx context.Context, tx pgx.Tx, by By, k Kind, which []VersionRef, why departure) ([]Entity, error) {
	ids := make([]uuid.UUID, len(which))
	for i, ref := range which {
		ids[i] = ref.ID
	}
	found, err := s.GetForUpdate(ctx, tx, k, ids)
	if err != nil {
		return nil, fmt.Errorf("delete %d of %s: %w", len(ids), k, err)
	}
	var used map[uuid.UUID]bool
	if why != intoOther {
		if used, err = inUse(ctx, tx, by, k, ids); err != nil {
			return nil, err
		}
	}
	at := s.now()
	deleted, changes, versions := make([]Entity, len(which)), make([]outbox.Change, len(which)), make([]int64, len(which))
	for i, ref := range which {
		e := found[ref.ID]
		if err := deletable(e, ref, used); err != nil {
			return nil, &ItemError{i, err}
		}
		before, h := shallow(e), e.head()
		h.Version++
		h.Origin, h.UpdatedAt, h.UpdatedBy, h.DeletedAt = by.Origin, at, string(by.Actor), &at
		data, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("write %s as JSON: %w", k, err)
		}
		changed, err := diff(before, e)
		if err != nil {
			return nil, err
		}
		deleted[i], versions[i] = e, h.Version
		changes[i] = outbox.Change{
			Entity: string(k), EntityID: ref.ID, Version: h.Version, Type: "deleted", Origin: by.Origin, TraceParent: by.TraceParent,
			Data: data, Diff: changed,
		}
	}
	_, err = tx.Exec(ctx, "update "+tableNames(k).name+" t set version = n.version, origin = $3, updated_at = $4, updated_by = $5, deleted_at = $4"+
		" from unnest($1::uuid[], $2::bigint[]) n (id, version) where t.id = n.id", ids, versions, by.Origin, at, string(by.Actor))
	if err != nil {
		return nil, fmt.Errorf("delete %d of %s: %w", len(ids), k, err)
	}
	if _, err := tx.Exec(ctx, closeConflicts, k, ids, why); err != nil {
		return nil, fmt.Errorf("close the conflicts of %d of %s: %w", len(ids), k, err)
	}
	return deleted, outbox.Append(ctx, tx, changes)
}

const (
	// Nobody has to decide any more what a field of a deleted entity is to be; who takes it back is asked again, unless that field
	// was asked about meanwhile.
	closeConflicts = `
update conflicts set status = $3, settled_by = crmhub_actor(), updated_at = now() where status = 'open' and entity = $1 and entity_id = any($2)`
	reopenConflicts = `
update conflicts c set status = 'open', settled_by = null, updated_at = now()
where c.status = 'deleted' and c.entity = $1 and c.entity_id = $2 and c.id = (
	select o.id from conflicts o
	where o.connection_id = c.connection_id and o.entity = c.entity and o.entity_id = c.entity_id and o.field = c.field
	order by o.id desc limit 1)`
)

// uses are, by kind, the statements that find which of some entities cannot go while others are in them, or need them.
var uses = map[Kind]string{ //nolint:gochecknoglobals // a table
	KindPipeline: "select id from pipelines p where id = any($1) and exists (select from opportunities where pipeline_id = p.id)",
	KindProductCategory: `select id from product_categories c where id = any($1) and (
		exists (select from products where product_category_id = c.id and deleted_at is null) or
		exists (select from product_categories where parent_id = c.id and deleted_at is null))`,
	KindOrder: `select id from orders o where id = any($1) and status in ('draft', 'cancelled') and
		exists (select from invoices where order_id = o.id and status not in ('draft', 'cancelled') and deleted_at is null)`,
	KindCustomer: `select id from customers c where id = any($1) and (
		exists (select from orders where customer_id = c.id and status in ('confirmed', 'in_progress', 'on_hold') and deleted_at is null) or
		exists (select from invoices where customer_id = c.id and status not in ('draft', 'cancelled') and deleted_at is null) or
		exists (select from payments where customer_id = c.id and status = 'posted' and deleted_at is null))`,
}

// restricted say why they cannot go.
var restricted = map[Kind]schema.Violation{ //nolint:gochecknoglobals // a table
	KindPipeline:        {Pointer: "/stages", Rule: "restrict", Message: "cannot go: opportunities stand there; make the pipeline inactive instead"},
	KindProductCategory: {Rule: "restrict", Message: "cannot go: products or other categories are in it"},
	KindOrder:           {Rule: "restrict", Message: "cannot go: invoices are for it"},
	KindCustomer: {
		Rule: "restrict", Message: "cannot go: orders under way, issued invoices or payments are theirs; cancel these, or merge the customer",
	},
}

// inUse are those entities that others are in, whoever may see these. A customer or order that another system says is gone is gone.
func inUse(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID) (used map[uuid.UUID]bool, err error) {
	if uses[k] == "" || (k == KindCustomer || k == KindOrder) && isConnection(by.Actor) {
		return nil, nil
	}
	err = postgres.AsHub(ctx, tx, func() (err error) {
		used, err = readSet(ctx, tx, uses[k], ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up what is in %s: %w", k.Plural(), err)
	}
	return used, nil
}

// Restore takes an entity back that was deleted, with a version and a change like any other, and returns it. It is
// [schema.Violations] where its code or number is taken by another meanwhile, or it was merged into another; [StaleError] as for Save, and
// [ErrNotFound] for what is not there or not deleted.
func (s *Store) Restore(ctx context.Context, tx pgx.Tx, by By, k Kind, id uuid.UUID, version int64) (Entity, error) {
	found, err := s.GetForUpdate(ctx, tx, k, []uuid.UUID{id})
	if err != nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, err)
	}
	e := found[id]
	if e == nil || e.head().DeletedAt == nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, ErrNotFound)
	}
	if h := e.head(); h.Version != version {
		return nil, &StaleError{ID: id, Seen: version, Stored: h.Version}
	}
	if err := merged(ctx, tx, k, id); err != nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, err)
	}
	w := writing{by: by, kind: k, table: tableOf(k), at: s.now(), batch: []Entity{e}, stored: found}
	if p, ok := e.(*Pipeline); ok {
		p.IsDefault = false // another may have become it
	}
	if err := w.setHead(e.head(), e); err != nil {
		return nil, err
	}
	if err := w.write(ctx, tx); err != nil {
		return nil, fmt.Errorf("restore %s %s: %w", k, id, w.atItem(translate(w.table, err)))
	}
	if _, err := tx.Exec(ctx, reopenConflicts, k, id); err != nil {
		return nil, fmt.Errorf("reopen the conflicts of %s %s: %w", k, id, err)
	}
	return e, nil
}

// merged refuses to take back what became part of another: its documents are there, and nothing could make two of them again.
func merged(ctx context.Context, tx pgx.Tx, k Kind, id uuid.UUID) error {
	var is bool
	err := postgres.AsHub(ctx, tx, func() error {
		return tx.QueryRow(ctx, "select exists (select from merge_log where entity = $1 and loser_id = $2 and unmerged_at is null)", k, id).Scan(&is)
	})
	if err != nil {
		return fmt.Errorf("look up merges: %w", err)
	}
	if is {
		return schema.Violations{{Rule: "merged", Message: "is part of another one, with all that was its own: undo the merge instead"}}
	}
	return nil
}

// deletable is nil, or why what was found of an entity cannot be deleted.
func deletable(e Entity, ref VersionRef, used map[uuid.UUID]bool) error {
	switch {
	case e == nil || e.head().DeletedAt != nil:
		return fmt.Errorf("delete %s: %w", ref.ID, ErrNotFound)
	case e.head().Version != ref.Version:
		return &StaleError{ID: ref.ID, Seen: ref.Version, Stored: e.head().Version}
	case used[ref.ID]:
		return schema.Violations{restricted[e.Kind()]}
	}
	var allowed bool
	switch e := e.(type) {
	case *Order:
		allowed = e.Status == "draft" || e.Status == "cancelled"
	case *Invoice:
		allowed = e.Status == "draft"
	case *Payment:
		allowed = e.Status != "posted"
	case *Opportunity:
		allowed = e.Status != "won"
	case *Contract:
		allowed = e.Status == "draft" || e.Status == "in_review" || e.Status == "cancelled"
	default:
		allowed = true
	}
	if allowed {
		return nil
	}
	return schema.Violations{{Pointer: "/status", Rule: "immutable", Message: "forbids to delete it: cancel it instead"}}
}
