package transfer

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/schema"
)

// apply writes what is right of the items, and gives each its result.
func (w *taking) apply(ctx context.Context, tx pgx.Tx, items []*item) error {
	if err := w.resolve(ctx, tx, items); err != nil {
		return err
	}
	open := make([]*item, 0, len(items))
	for _, it := range items {
		if it.entity == nil && len(it.broken) == 0 && len(it.faults) == 0 {
			w.build.make(it)
		}
		if len(it.faults) == 0 {
			open = append(open, it)
		}
	}
	if err := w.match(ctx, tx, open); err != nil {
		return err
	}
	for _, it := range open {
		w.decide(it)
	}
	for _, it := range items {
		if len(it.faults) > 0 && it.result == "" {
			it.result = "error"
			w.build.further(it, w.Mode)
		}
	}
	return w.save(ctx, tx, open)
}

// resolve looks up what the items refer to, each natural key of a kind by one statement.
func (w *taking) resolve(ctx context.Context, tx pgx.Tx, items []*item) error {
	wanted := make(map[lookup][]string)
	for _, it := range items {
		for _, r := range it.refs {
			wanted[lookup{r.kind, r.by}] = append(wanted[lookup{r.kind, r.by}], r.value)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	found := make(map[lookup]map[string]uuid.UUID, len(wanted))
	for l, values := range wanted {
		ids, err := w.Entities.FindByKey(ctx, tx, l.kind, l.by, values)
		if err != nil {
			return err
		}
		found[l] = ids
	}
	for _, it := range items {
		it.resolve(found)
	}
	return nil
}

// match finds what the items are in the store, by the first key that names one; a row of the same file before it counts.
func (w *taking) match(ctx context.Context, tx pgx.Tx, items []*item) error {
	if !w.matches() {
		return nil
	}
	w.matchEarlier(items)
	ids := make(map[*item]uuid.UUID)
	var all []uuid.UUID
	for _, key := range w.MatchBy {
		found, err := w.find(ctx, tx, key, keysOf(items, key))
		if err != nil {
			return err
		}
		for _, it := range items {
			if _, ok := ids[it]; ok {
				continue
			}
			if id, ok := found[it.key(key)]; ok {
				ids[it] = id
				all = append(all, id)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	stored, err := w.Entities.GetForUpdate(ctx, tx, w.Entity, all)
	if err != nil {
		return err
	}
	mine, err := w.written(ctx, tx, stored)
	if err != nil {
		return err
	}
	taken := make(map[uuid.UUID]bool, len(all))
	for _, it := range items {
		id, ok := ids[it]
		e := stored[id]
		if !ok || e == nil || crm.HeadOf(e).DeletedAt != nil {
			continue
		}
		it.stored = e
		if (mine[id] || taken[id]) && len(it.faults) == 0 {
			it.duplicate("", "is in an earlier row of this file")
		}
		taken[id] = true
	}
	return nil
}

// matchEarlier finds items whose key an earlier one of this batch has; in a dry run, of the whole file.
func (w *taking) matchEarlier(items []*item) {
	seen := make(map[[2]string]bool, len(items))
	for _, it := range items {
		at, known := "", false
		if w.dry {
			at, known = w.known(it)
		}
		for _, key := range w.MatchBy {
			value := it.key(key)
			if value == "" {
				continue
			}
			if seen[[2]string{key, value}] && !known {
				at, known = key, true
			}
			seen[[2]string{key, value}] = true
		}
		if known {
			it.duplicate("/"+at, "is in an earlier row of this file")
		}
	}
}

func (it *item) duplicate(at, message string) {
	it.fault(at, "duplicate", message)
	it.result = "duplicate"
}

func (w *taking) find(ctx context.Context, tx pgx.Tx, key string, values []string) (map[string]uuid.UUID, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if key != "id" {
		return w.Entities.FindByKey(ctx, tx, w.Entity, key, values)
	}
	found := make(map[string]uuid.UUID, len(values))
	for _, v := range values {
		if id, err := uuid.Parse(v); err == nil {
			found[v] = id
		}
	}
	return found, nil
}

// written tells which of the entities an earlier batch of this import wrote.
func (w *taking) written(ctx context.Context, tx pgx.Tx, stored map[uuid.UUID]crm.Entity) (map[uuid.UUID]bool, error) {
	var fresh []uuid.UUID
	for id, e := range stored {
		if w.StartedAt == nil || !crm.HeadOf(e).UpdatedAt.Before(*w.StartedAt) {
			fresh = append(fresh, id)
		}
	}
	if len(fresh) == 0 || w.dry {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `select entity_id from import_effects where import_id = $1 and entity_id = any($2)`, w.ID, fresh)
	if err != nil {
		return nil, fmt.Errorf("find earlier rows: %w", err)
	}
	mine := make(map[uuid.UUID]bool)
	var id uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { mine[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("find earlier rows: %w", err)
	}
	return mine, nil
}

// decide says what is to become of an item: its result is create, update or unchanged, or its faults say why not.
func (w *taking) decide(it *item) {
	switch {
	case len(it.faults) > 0:
	case it.stored == nil && w.Mode == Update:
		it.fault("", "exists", "is not here yet, and this import only updates")
	case it.stored == nil && len(it.broken) > 0:
		it.faults = it.broken
	case it.stored == nil:
		it.result = "create"
	case w.Mode == Create:
		it.duplicate("", "is here already, and this import only creates")
	default:
		w.merge(it)
	}
	if w.by != nil && (it.result == "create" || it.result == "update") {
		w.permit(it)
	}
}

// permit refuses what whoever asked for the import may not do, by the rules of the API: fields that he may not write, rows
// that are out of his reach, orders that he may not confirm. What he creates is his where nothing else fits.
func (w *taking) permit(it *item) {
	resource := access.Resource(w.Entity)
	vs := w.by.Unwritable(resource, it.doc)
	owned := func(at string, a access.Action, owner *uuid.UUID) {
		if !w.by.Covers(resource, a, owner) {
			vs = append(vs, schema.Violation{Pointer: at, Rule: "permission", Message: "needs your permission " + string(w.Entity) + ":" + string(a) + " to reach it"})
		}
	}
	if it.result == "create" {
		if crm.Owned(w.Entity) && crm.OwnerOf(it.entity) == nil && w.by.Owners(resource, access.Create) != nil {
			crm.SetOwner(it.entity, &w.by.UserID)
		}
		owned("/owner_id", access.Create, crm.OwnerOf(it.entity))
	} else {
		before, after := crm.OwnerOf(it.stored), crm.OwnerOf(it.entity)
		owned("", access.Update, before)
		if (before == nil) != (after == nil) || before != nil && *before != *after {
			owned("/owner_id", access.Assign, before)
			owned("/owner_id", access.Assign, after)
		}
	}
	if o, ok := it.entity.(*crm.Order); ok {
		if was, _ := it.stored.(*crm.Order); o.NeedsApproval(was) {
			owned("/status", access.Approve, o.OwnerID)
		}
	}
	if len(vs) > 0 {
		it.refuse(append(vs, it.entity.Validate()...))
	}
}

// merge makes the updated entity of what is stored and what the row says. An empty cell says nothing; a list is replaced.
func (w *taking) merge(it *item) {
	doc, err := crm.Document(it.stored)
	if err != nil {
		it.faults = violationsOf(err)
		return
	}
	before := *crm.HeadOf(it.stored)
	overlay(doc, it.doc)
	e, err := crm.FromDocument(w.Entity, doc)
	if err != nil {
		it.faults = violationsOf(err)
		return
	}
	*crm.HeadOf(e) = before
	e.Normalize()
	it.entity, it.result = e, "update"
	if sameDocument(e, it.stored) {
		it.result = "unchanged"
	}
}

func sameDocument(a, b crm.Entity) bool {
	x, errX := crm.Document(a)
	y, errY := crm.Document(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

func overlay(doc, over map[string]any) {
	for name, value := range over {
		below, isObject := value.(map[string]any)
		into, wasObject := doc[name].(map[string]any)
		if isObject && wasObject {
			overlay(into, below)
			continue
		}
		doc[name] = value
	}
}

// save writes the items that change something; those of which one is at fault are halved until it is found.
func (w *taking) save(ctx context.Context, tx pgx.Tx, items []*item) error {
	changed := make([]*item, 0, len(items))
	for _, it := range items {
		if it.result == "create" || it.result == "update" {
			changed = append(changed, it)
		}
	}
	return w.saveSome(ctx, tx, changed)
}

func (w *taking) saveSome(ctx context.Context, tx pgx.Tx, items []*item) error {
	for len(items) > 0 {
		entities := make([]crm.Entity, len(items))
		for i, it := range items {
			entities[i] = it.entity
		}
		err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { // a savepoint
			return w.Entities.Save(ctx, tx, crm.By{Actor: w.actor, Origin: "crm"}, entities)
		})
		if err == nil {
			return nil
		}
		if one, ok := errors.AsType[*crm.ItemError](err); ok {
			items[one.Index].refuse(violationsOf(one.Err))
			items = sound(items)
			continue
		}
		vs, ok := errors.AsType[schema.Violations](err)
		switch {
		case !ok:
			return err
		case len(items) == 1:
			items[0].refuse(vs)
			return nil
		}
		if err := w.saveSome(ctx, tx, items[:len(items)/2]); err != nil {
			return err
		}
		items = items[len(items)/2:]
	}
	return nil
}

// sound refuses all items that break a rule of their type, since the store names only the first one, and returns the rest.
func sound(items []*item) []*item {
	left := make([]*item, 0, len(items))
	for _, it := range items {
		if vs := it.entity.Validate(); len(vs) > 0 {
			it.refuse(vs)
		}
		if len(it.faults) == 0 {
			left = append(left, it)
		}
	}
	return left
}

func (it *item) refuse(vs schema.Violations) { it.faults, it.result = vs, "error" }
