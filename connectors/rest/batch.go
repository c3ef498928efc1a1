package rest

import (
	"context"
	"time"

	"crmhub/core/connector"
)

// createBatch creates several records by one call.
func (s *session) createBatch(ctx context.Context, st *stream, writes []connector.Write, chunk []int, results []connector.Result) {
	plan := st.create
	sent := make([]int, 0, len(chunk))
	items := make([]any, 0, len(chunk))
	for _, i := range chunk {
		w := &writing{session: s, stream: st, write: writes[i]}
		item, f := s.item(connector.About(ctx, i), plan, w.scope())
		if f != nil {
			results[i] = f.result()
			continue
		}
		sent, items = append(sent, i), append(items, item)
	}
	if len(sent) > 0 {
		s.sendBatch(ctx, st, sent, items, results)
	}
}

// item renders one element; lookups in it want a login.
func (s *session) item(ctx context.Context, plan *writePlan, sc *scope) (any, *failure) {
	login, f := s.login(ctx, nil)
	if f != nil {
		return nil, f
	}
	if sc.session, sc.ctx = s, ctx; login != nil {
		sc.values = login.values
	}
	v, _, err := plan.item.render(sc)
	if err != nil {
		return nil, unrendered(err)
	}
	return v, nil
}

func (s *session) sendBatch(ctx context.Context, st *stream, sent []int, items []any, results []connector.Result) {
	plan := st.create
	began := time.Now()
	a, f := s.do(connector.Unrecorded(ctx), plan.call, &scope{items: items, fields: st.fields})
	if f != nil {
		for k, i := range sent {
			s.recordElement(connector.About(ctx, i), plan.call, a, items[k], nil, began)
		}
		if plan.atomic && len(sent) > 1 && !f.unknown && aboutRecords(f.err.Class) {
			for k, i := range sent {
				s.sendBatch(ctx, st, []int{i}, items[k:k+1], results)
			}
			return
		}
		for _, i := range sent {
			results[i] = f.result()
		}
		return
	}
	v, _ := plan.results.in(a.body)
	list, ok := v.([]any)
	if !ok || len(list) != len(sent) {
		err := wrongShape("%d records were sent, %d results came back", len(sent), len(list))
		for _, i := range sent {
			results[i] = connector.Result{Outcome: connector.Unknown, Err: err}
		}
		return
	}
	for k, i := range sent {
		s.recordElement(connector.About(ctx, i), plan.call, a, items[k], list[k], began)
		results[i] = s.element(st, &answer{whole: list[k], hidden: a.hidden})
	}
}

// aboutRecords tells the classes that one record of a batch may be the cause of.
func aboutRecords(c connector.Class) bool {
	return c == connector.ClassData || c == connector.ClassConflict || c == connector.ClassBusiness
}

// element reads the result of one record in a batch's answer.
func (s *session) element(st *stream, a *answer) connector.Result {
	for i := range s.plan.rules {
		r := &s.plan.rules[i]
		if r.match.statuses == nil && r.match.header == "" && r.match.fits(0, nil, a.whole) {
			return connector.Result{Outcome: connector.Refused, Err: s.ruled(r, a)}
		}
	}
	plan := st.create
	if plan.record != nil {
		at, _ := plan.record.in(a.whole)
		r, err := st.toRecord(at)
		if err != nil {
			return connector.Result{Outcome: connector.Unknown, Err: connector.AsError(err)}
		}
		return connector.Result{Outcome: connector.Done, Record: r}
	}
	raw, _ := plan.id.in(a.whole, nil)
	id, err := text(raw)
	if err != nil || id == "" {
		return connector.Result{Outcome: connector.Unknown, Err: wrongShape("a result of a batch has no id where the manifest says")}
	}
	return connector.Result{Outcome: connector.Done, Record: connector.Record{ID: id}}
}
