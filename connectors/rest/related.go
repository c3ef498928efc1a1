package rest

import (
	"context"
	"maps"
	"slices"
	"strconv"
)

// relation is a place where records have ids of others, which are read and put there.
type relation struct {
	at      pointer // * is every element of a list
	call    *call
	records pointer
	id      pointer
}

// keeping says which elements of a list belong to a record.
type keeping struct {
	list      pointer
	condition condition
}

// relate adds what the connection knows, leaves away what does not belong to the records, and puts related ones in the
// place of their ids, by one call for each relation. What the remote does not tell of stays away.
func (s *session) relate(ctx context.Context, st *stream, rows []any) *failure {
	for _, p := range st.set {
		v, ok, err := p.value.render(&scope{session: s, ctx: ctx})
		if err != nil {
			return unrendered(err)
		}
		for _, row := range rows {
			if object, isObject := row.(map[string]any); isObject && ok {
				object[p.name] = v
			}
		}
	}
	for _, k := range st.keep {
		visitAll(rows, k.list, func(list []any) []any {
			return slices.DeleteFunc(list, func(item any) bool { return !k.condition.holds(item) })
		})
	}
	for _, r := range st.related {
		found, f := s.relatedOf(ctx, st, r, rows)
		if f != nil {
			return f
		}
		if found == nil {
			continue
		}
		visitAll(rows, r.at, func(list []any) []any {
			put := make([]any, 0, len(list))
			for _, id := range list {
				str, _ := text(id) // what is no id is not found
				if record, ok := found[str]; ok {
					put = append(put, record)
				}
			}
			return put
		})
	}
	return nil
}

// relatedOf asks for the records whose ids the rows have where a relation says; nil if they have none.
func (s *session) relatedOf(ctx context.Context, st *stream, r relation, rows []any) (map[string]any, *failure) {
	ids := map[string]any{}
	visitAll(rows, r.at, func(list []any) []any {
		for _, id := range list {
			if str, err := text(id); err == nil && str != "" {
				ids[str] = id
			}
		}
		return list
	})
	if len(ids) == 0 {
		return nil, nil
	}
	asked := make([]any, 0, len(ids))
	for _, str := range slices.Sorted(maps.Keys(ids)) {
		asked = append(asked, ids[str])
	}
	a, f := s.do(ctx, r.call, &scope{ids: asked, fields: st.fields})
	if f != nil {
		return nil, f
	}
	v, _ := r.records.in(a.body)
	list, ok := v.([]any)
	if !ok {
		return nil, &failure{err: wrongShape("the answer has no list of related records where the manifest says")}
	}
	found := make(map[string]any, len(list))
	for _, record := range list {
		id, _ := r.id.in(record)
		if str, err := text(id); err == nil {
			found[str] = record
		}
	}
	return found, nil
}

func visitAll(rows []any, at pointer, replace func([]any) []any) {
	for _, row := range rows {
		visit(row, at, replace)
	}
}

// visit replaces the lists that a pointer with stars leads to.
func visit(doc any, at pointer, replace func([]any) []any) {
	if len(at) == 0 {
		return
	}
	switch v := doc.(type) {
	case map[string]any:
		if list, ok := v[at[0]].([]any); ok && len(at) == 1 {
			v[at[0]] = replace(list)
			return
		}
		visit(v[at[0]], at[1:], replace)
	case []any:
		if at[0] == "*" {
			for _, item := range v {
				visit(item, at[1:], replace)
			}
			return
		}
		if i, err := strconv.Atoi(at[0]); err == nil && i >= 0 && i < len(v) {
			visit(v[i], at[1:], replace)
		}
	}
}
