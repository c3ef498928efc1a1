package pull

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/mapping"
)

// match finds each item's link: by the record's id, else by the first of the mapping's keys that names one entity, the
// reference that a push left on the record before all others. What has no link after it is new.
func (s *stream) match(ctx context.Context, tx pgx.Tx, items []*item) error {
	refs := make([]mapping.Ref, len(items))
	for i, it := range items {
		refs[i] = mapping.Ref{Entity: string(s.kind), ID: it.record.ID}
	}
	known, err := link.ByRemote(ctx, tx, s.connection.ID, refs)
	if err != nil {
		return err
	}
	var open []*item
	for i, it := range items {
		if l, ok := known[refs[i]]; ok {
			it.link = &l
		} else if it.entity != nil {
			open = append(open, it)
		}
	}
	var matched []*item
	for _, key := range s.keys() {
		if open, err = s.matchBy(ctx, tx, key, open, &matched); err != nil {
			return err
		}
	}
	return s.adopt(ctx, tx, matched)
}

// keys are the entity fields to match by, in order.
func (s *stream) keys() []string {
	keys := s.mapping.Match()
	if r := s.mapping.Reference(); r != "" && !slices.Contains(keys, r) {
		keys = append([]string{r}, keys...)
	}
	return keys
}

// matchBy matches items by one field and returns those that stay open.
func (s *stream) matchBy(ctx context.Context, tx pgx.Tx, key string, items []*item, matched *[]*item) (open []*item, err error) {
	var values []string
	for _, it := range items {
		if v, _ := it.doc[key].(string); v != "" {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return items, nil
	}
	found, err := s.find(ctx, tx, key, values)
	if err != nil {
		return nil, err
	}
	for _, it := range items {
		v, _ := it.doc[key].(string)
		id, ok := found[v]
		if !ok {
			open = append(open, it)
			continue
		}
		it.link = &link.Link{EntityID: id}
		*matched = append(*matched, it)
	}
	return open, nil
}

func (s *stream) find(ctx context.Context, tx pgx.Tx, key string, values []string) (map[string]uuid.UUID, error) {
	if key != "id" {
		return s.Entities.FindByKey(ctx, tx, s.kind, key, values)
	}
	var ids []uuid.UUID
	for _, v := range values {
		if id, err := uuid.Parse(v); err == nil {
			ids = append(ids, id)
		}
	}
	entities, err := s.Entities.Get(ctx, tx, s.kind, ids)
	found := make(map[string]uuid.UUID, len(entities))
	for id := range entities {
		found[id.String()] = id
	}
	return found, err
}

// adopt gives matched items the link their entity has already: a push may be about to make it. An entity that is
// another record's is not taken from it.
func (s *stream) adopt(ctx context.Context, tx pgx.Tx, matched []*item) error {
	if len(matched) == 0 {
		return nil
	}
	refs := make([]mapping.Ref, len(matched))
	for i, it := range matched {
		refs[i] = mapping.Ref{Entity: string(s.kind), ID: it.link.EntityID.String()}
	}
	known, err := link.ByEntity(ctx, tx, s.connection.ID, refs)
	if err != nil {
		return err
	}
	taken := make(map[uuid.UUID]string, len(matched))
	for i, it := range matched {
		id := it.link.EntityID
		if l, ok := known[refs[i]]; ok {
			if l.State == link.Unlinked { // somebody said that they are two
				it.link = nil
				continue
			}
			it.link = &l
			if l.RemoteID != "" {
				taken[id] = l.RemoteID
			}
		}
		if other, ok := taken[id]; ok {
			it.fault = &fault{stage: mergeStage, class: "conflict", err: fmt.Errorf(
				"the record has the keys of %s %s, which is linked with record %s already", s.kind, id, other)}
			it.link = nil
			continue
		}
		taken[id] = it.record.ID
	}
	return nil
}

// entities reads and locks what the items are linked with.
func (s *stream) entities(ctx context.Context, tx pgx.Tx, items []*item) (map[uuid.UUID]crm.Entity, error) {
	var ids []uuid.UUID
	for _, it := range items {
		if it.link != nil {
			ids = append(ids, it.link.EntityID)
		}
	}
	return s.Entities.GetForUpdate(ctx, tx, s.kind, ids)
}
