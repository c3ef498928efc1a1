package rest

import (
	"context"
	"fmt"
	"net/http"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Get reads one record.
func (s *session) Get(ctx context.Context, record, id string) (*connector.Record, error) {
	st, err := s.stream(record)
	if err != nil {
		return nil, err
	}
	if st.get == nil {
		return nil, unable(st, "get")
	}
	if st.get.several {
		found, err := s.getSeveral(ctx, st, []any{id})
		if err != nil || len(found) == 0 {
			return nil, err
		}
		return found[id], nil
	}
	a, f := s.do(ctx, st.get.call, &scope{id: id, fields: st.fields})
	if f != nil {
		if gone(a, f) {
			return nil, nil //nolint:nilnil // the contract: no record, no error
		}
		return nil, f.err
	}
	if a.empty() {
		return nil, wrongShape("the answer is empty")
	}
	v, ok := st.get.at.in(a.body)
	if !ok || v == nil {
		return nil, nil //nolint:nilnil // the contract: no record, no error
	}
	if list, isList := v.([]any); isList && st.get.columns.names != nil {
		made, err := st.get.columns.records(list)
		if err != nil || len(made) == 0 {
			return nil, err
		}
		v = made[0]
	}
	if f := s.relate(ctx, st, []any{v}); f != nil {
		return nil, f.err
	}
	r, err := st.toRecord(v)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// getSeveral reads those of the records that there are.
func (s *session) getSeveral(ctx context.Context, st *stream, ids []any) (map[string]*connector.Record, error) {
	a, f := s.do(ctx, st.get.call, &scope{ids: ids, fields: st.fields})
	if f != nil {
		return nil, f.err
	}
	v, _ := st.get.at.in(a.body)
	list, ok := v.([]any)
	if !ok {
		return nil, wrongShape("the answer has no list of records where the manifest says")
	}
	list, err := st.get.columns.records(list)
	if err != nil {
		return nil, err
	}
	if f := s.relate(ctx, st, list); f != nil {
		return nil, f.err
	}
	found := make(map[string]*connector.Record, len(list))
	for _, v := range list {
		r, err := st.toRecord(v)
		if err != nil {
			return nil, err
		}
		found[r.ID] = &r
	}
	return found, nil
}

// gone reports whether a failure says that there is no such thing. A page for people says nothing: it is a proxy's, or another server's.
func gone(a *answer, f *failure) bool {
	return f.absent || a != nil && a.broken == nil && (a.status == http.StatusNotFound || a.status == http.StatusGone) && f.err.Class == connector.ClassData
}

// Find looks up a record by the reference it was created with.
func (s *session) Find(ctx context.Context, record, reference string) (*connector.Record, error) {
	st, err := s.stream(record)
	if err != nil {
		return nil, err
	}
	if st.find == nil {
		return nil, unable(st, "find")
	}
	a, f := s.do(ctx, st.find.call, &scope{reference: reference, fields: st.fields})
	if f != nil {
		if gone(a, f) {
			return nil, nil //nolint:nilnil // the contract: no record, no error
		}
		return nil, f.err
	}
	v, ok := st.find.at.in(a.body)
	switch {
	case !st.find.missing && (a.empty() || !ok && !a.nothing()): // to take it for a no would have the record created twice
		return nil, wrongShape("the answer has no records where the manifest says")
	case !ok || v == nil:
		return nil, nil //nolint:nilnil // the contract: no record, no error
	}
	list, isList := v.([]any)
	if isList {
		if list, err = st.find.columns.records(list); err != nil {
			return nil, err
		}
	}
	switch {
	case !isList:
		list = []any{v}
	case len(list) == 0:
		return nil, nil //nolint:nilnil // the contract: no record, no error
	case len(list) > 1:
		return nil, &connector.Error{
			Class: connector.ClassConflict, Message: fmt.Sprintf("the remote has %d records with the reference", len(list)),
			Remedy: "Merge or remove the duplicates in the remote system, then replay.", Said: schema.Say("duplicates_there", len(list)),
		}
	}
	if f := s.relate(ctx, st, list[:1]); f != nil {
		return nil, f.err
	}
	r, err := st.toRecord(list[0])
	if err != nil {
		return nil, err
	}
	return &r, nil
}
