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
// reference that a push left on the record before all others. What has no link after it is new, or held: a matching has
// asked which entity it is, and nobody has answered yet.
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
		} else {
			open = append(open, it)
		}
	}
	if open, err = s.hold(ctx, tx, open); err != nil {
		return err
	}
	docs := make([]map[string]any, len(open))
	for i, it := range open {
		docs[i] = it.doc // none of what is deleted
	}
	found, err := s.recognize(ctx, tx, docs)
	if err != nil {
		return err
	}
	var matched []*item
	for i, it := range open {
		if found[i] != uuid.Nil {
			it.link = &link.Link{EntityID: found[i]}
			matched = append(matched, it)
		}
	}
	return s.adopt(ctx, tx, matched)
}

// hold keeps the newest state of what a person has to decide about, and returns the others.
func (s *stream) hold(ctx context.Context, tx pgx.Tx, items []*item) (free []*item, err error) {
	if len(items) == 0 {
		return nil, nil
	}
	ids := make([]string, len(items))
	for i, it := range items {
		ids[i] = it.record.ID
	}
	held, err := link.HeldRecords(ctx, tx, s.connection.ID, string(s.kind), ids)
	if err != nil || len(held) == 0 {
		return items, err
	}
	var records []link.Held
	for _, it := range items {
		if it.held = held[it.record.ID]; !it.held {
			free = append(free, it)
			continue
		}
		kept, err := it.record.Keep()
		if err != nil {
			return nil, err
		}
		records = append(records, link.Held{RemoteID: it.record.ID, Deleted: it.record.Deleted, Record: kept, Theirs: it.doc})
	}
	return free, link.RenewProposals(ctx, tx, s.connection.ID, string(s.kind), records)
}

// recognize says which entities documents are by the mapping's keys; nil where no key names one.
func (s *stream) recognize(ctx context.Context, tx pgx.Tx, docs []map[string]any) ([]uuid.UUID, error) {
	known := make([]uuid.UUID, len(docs))
	for _, key := range s.keys() {
		var values []string
		for i, doc := range docs {
			if v, _ := doc[key].(string); v != "" && known[i] == uuid.Nil {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			continue
		}
		found, err := s.find(ctx, tx, key, values)
		if err != nil {
			return nil, err
		}
		for i, doc := range docs {
			if v, _ := doc[key].(string); known[i] == uuid.Nil {
				known[i] = found[v]
			}
		}
	}
	return known, nil
}

// keys are the entity fields to match by, in order.
func (s *stream) keys() []string {
	keys := s.mapping.Match()
	if r := s.mapping.Reference(); r != "" && !slices.Contains(keys, r) {
		keys = append([]string{r}, keys...)
	}
	return keys
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
	pairs := make([]link.Pair, len(matched))
	for i, it := range matched {
		pairs[i] = link.Pair{EntityID: it.link.EntityID, RemoteID: it.record.ID}
	}
	rejected, err := link.Rejected(ctx, tx, s.connection.ID, string(s.kind), pairs)
	if err != nil {
		return err
	}
	taken := make(map[uuid.UUID]string, len(matched))
	for i, it := range matched {
		id := it.link.EntityID
		if rejected[pairs[i]] { // somebody said that they are two
			it.link = nil
			continue
		}
		if l, ok := known[refs[i]]; ok {
			if l.State == link.Unlinked { // or took the entity apart from all records
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
