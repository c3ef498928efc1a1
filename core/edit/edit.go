// Package edit is how people write entities, by whichever door they come: API and console ask it alike.
//
// Promises: a document is judged by the kind's JSON Schema and then by the store, and what is wrong is told with its place;
// nobody writes a field, takes or gives an owner, or moves a status that his roles do not let him (access); what a new entity
// would repeat is told before it is stored (duplicate); nothing is overwritten that the writer has not seen.
// It leaves to others: what is correct (crm), who somebody is (access), how a request looks (api, console).
package edit

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/match"
	"crmhub/core/schema"
)

// Editor writes entities inside the transaction of the one who writes.
type Editor struct {
	store   *crm.Store
	schemas map[crm.Kind]*schema.Schema
}

// Author is who writes, and what the store notes down about him.
type Author struct {
	access.Identity
	By crm.By
}

// New returns an editor that judges by <kind>.v1.json among the schemas.
func New(store *crm.Store, schemas *schema.Set) (*Editor, error) {
	e := &Editor{store, map[crm.Kind]*schema.Schema{}}
	for _, k := range crm.Kinds() {
		file := string(k) + ".v1.json"
		s, ok := schemas.Get(file)
		if !ok {
			return nil, fmt.Errorf("there is no schema %s", file)
		}
		e.schemas[k] = s
	}
	return e, nil
}

// Schema is what judges documents of a kind.
func (e *Editor) Schema(k crm.Kind) *schema.Schema { return e.schemas[k] }

// Read makes a new entity of a document, complete with an owner where the author may create for himself only. What the
// schema marks readOnly is ignored. It is [schema.Violations] or a [ForbiddenError] where the author may not create it.
func (e *Editor) Read(a Author, k crm.Kind, doc map[string]any) (crm.Entity, error) {
	doc = e.schemas[k].Writable(doc)
	delete(doc, "version") // what is created is new, whatever it was copied from
	entity, err := e.judge(k, doc)
	if err != nil {
		return nil, err
	}
	return entity, permitNew(a, doc, entity)
}

// Compared reports whether new entities of a kind are checked for duplicates.
func Compared(k crm.Kind) bool { return slices.Contains(crm.Matched(), k) }

// Create stores what Read made. An entity that is there already is a [DuplicateError]: with [match.Same] one that surely is,
// with [match.Possible] one that may be as well, and with "" all are accepted.
func (e *Editor) Create(ctx context.Context, tx pgx.Tx, a Author, entity crm.Entity, refuse match.Class) error {
	if Compared(entity.Kind()) && refuse != "" {
		entity.Normalize()
		check := duplicate.CheckSure
		if refuse == match.Possible {
			check = duplicate.CheckAll
		}
		matches, err := check(ctx, tx, e.store, entity)
		if err != nil {
			return err
		}
		if len(matches[0]) > 0 {
			return &DuplicateError{matches[0]}
		}
	}
	return e.store.Save(ctx, tx, a.By, []crm.Entity{entity})
}

// Change applies a merge patch (RFC 7396) to what is stored, if that still is the version the author has seen; 0 is any.
// It returns [crm.StaleError], [crm.ErrNotFound], [schema.Violations], or a [ForbiddenError].
func (e *Editor) Change(ctx context.Context, tx pgx.Tx, a Author, k crm.Kind, id uuid.UUID, seen int64, patch map[string]any) (crm.Entity, error) {
	stored, err := e.lock(ctx, tx, a, k, id, access.Update, access.Assign)
	if err != nil {
		return nil, err
	}
	entity, err := e.Revise(a, stored, seen, patch)
	if err != nil {
		return nil, err
	}
	return entity, e.store.Save(ctx, tx, a.By, []crm.Entity{entity})
}

// Revise is [Editor.Change] of an entity that the caller has locked and will save.
func (e *Editor) Revise(a Author, stored crm.Entity, seen int64, patch map[string]any) (crm.Entity, error) {
	if err := current(stored, seen); err != nil {
		return nil, err
	}
	patch = e.schemas[stored.Kind()].Writable(patch)
	entity, err := e.merge(stored, patch)
	if err != nil {
		return nil, err
	}
	return entity, permitChange(a, patch, stored, entity)
}

// MoveActions are the permissions of which one is needed to move a kind's status: to approve an order is enough to confirm it.
func MoveActions(k crm.Kind) []access.Action {
	if k == crm.KindOpportunity {
		return []access.Action{access.Update}
	}
	return []access.Action{access.Update, access.Approve}
}

// Move is [Editor.Change] of a status or stage and what belongs to it.
func (e *Editor) Move(ctx context.Context, tx pgx.Tx, a Author, k crm.Kind, id uuid.UUID, seen int64, patch map[string]any) (crm.Entity, error) {
	stored, err := e.lock(ctx, tx, a, k, id, MoveActions(k)...)
	if err != nil {
		return nil, err
	}
	if err := current(stored, seen); err != nil {
		return nil, err
	}
	entity, err := e.merge(stored, patch)
	if err != nil {
		return nil, err
	}
	if err := permitMove(a, patch, stored, entity); err != nil {
		return nil, err
	}
	return entity, e.store.Save(ctx, tx, a.By, []crm.Entity{entity})
}

// Delete deletes what is stored, if that still is the version the author has seen; 0 is any.
func (e *Editor) Delete(ctx context.Context, tx pgx.Tx, a Author, k crm.Kind, id uuid.UUID, seen int64) error {
	stored, err := e.lock(ctx, tx, a, k, id, access.Delete)
	if err != nil {
		return err
	}
	if err := Deletable(a, stored, seen); err != nil {
		return err
	}
	_, err = e.store.Delete(ctx, tx, a.By, k, id, crm.HeadOf(stored).Version)
	return err
}

// Deletable refuses what [Editor.Delete] refuses, of an entity that the caller has locked.
func Deletable(a Author, stored crm.Entity, seen int64) error {
	if err := current(stored, seen); err != nil {
		return err
	}
	return Permit(a.Identity, stored, access.Delete)
}

// Restore takes back what was deleted; what was not is [crm.ErrNotFound].
func (e *Editor) Restore(ctx context.Context, tx pgx.Tx, a Author, k crm.Kind, id uuid.UUID, seen int64) (crm.Entity, error) {
	found, err := e.store.GetForUpdate(ctx, tx, k, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	deleted := found[id]
	if deleted == nil || crm.HeadOf(deleted).DeletedAt == nil {
		return nil, crm.ErrNotFound
	}
	if err := Permit(a.Identity, deleted, access.Delete); err != nil {
		return nil, err
	}
	now := crm.HeadOf(deleted).Version
	if seen != 0 && seen != now {
		return nil, &crm.StaleError{ID: id, Seen: seen, Stored: now}
	}
	return e.store.Restore(ctx, tx, a.By, k, id, now)
}

// lock returns a stored entity, locked, for one of the actions.
func (e *Editor) lock(ctx context.Context, tx pgx.Tx, a Author, k crm.Kind, id uuid.UUID, actions ...access.Action) (crm.Entity, error) {
	found, err := e.store.GetForUpdate(ctx, tx, k, []uuid.UUID{id})
	if err != nil {
		return nil, err
	}
	if stored := found[id]; stored != nil {
		return stored, nil
	}
	if found, err = e.store.Get(ctx, tx, k, []uuid.UUID{id}); err != nil {
		return nil, err
	}
	return nil, Unchangeable(a, found[id], actions...)
}

// Unchangeable says why an entity cannot be locked for one of the actions: the author sees it but may do none of them, or
// it is not there for him, and nil.
func Unchangeable(a Author, seen crm.Entity, actions ...access.Action) error {
	if seen != nil && crm.HeadOf(seen).DeletedAt == nil {
		if err := Permit(a.Identity, seen, actions...); err != nil {
			return err
		}
	}
	return crm.ErrNotFound // or it came into reach this very moment: whoever asks again finds it
}

// current refuses what is not the version that somebody has seen. What was deleted counts as none.
func current(stored crm.Entity, seen int64) error {
	h := crm.HeadOf(stored)
	switch {
	case h.DeletedAt != nil:
		return crm.ErrNotFound
	case seen != 0 && seen != h.Version:
		return &crm.StaleError{ID: h.ID, Seen: seen, Stored: h.Version}
	}
	return nil
}

// merge applies a patch of writable fields to a stored entity; the outcome is judged as a whole.
func (e *Editor) merge(stored crm.Entity, patch map[string]any) (crm.Entity, error) {
	doc, err := crm.Document(stored)
	if err != nil {
		return nil, err
	}
	merged, _ := schema.MergePatch(doc, patch).(map[string]any)
	merged["id"], merged["version"] = doc["id"], doc["version"]
	entity, err := e.judge(stored.Kind(), merged)
	if err != nil {
		return nil, err
	}
	*crm.HeadOf(entity) = *crm.HeadOf(stored)
	return entity, nil
}

func (e *Editor) judge(k crm.Kind, doc map[string]any) (crm.Entity, error) {
	if broken := e.schemas[k].Validate(doc); broken != nil {
		return nil, crm.Explain(k, doc, broken)
	}
	return crm.FromDocument(k, doc)
}
