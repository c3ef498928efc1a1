package rest

import (
	"context"
	"slices"

	"crmhub/core/connector"
)

// together takes the steps that the remote can take for several records in one call. It only saves calls: whatever
// fails here is left to finish, which looks at each record by itself and tells whose fault it is.
func (s *session) together(ctx context.Context, st *stream, all []*writing) {
	for i := range st.then {
		step := &st.then[i]
		if !step.together {
			continue
		}
		due := those(all, func(w *writing) bool { return !w.over && step.follows(w.write.Op) && w.wants(step.when) })
		if len(due) < 2 || !s.readTogether(ctx, st, due) {
			continue
		}
		due = those(due, func(w *writing) bool {
			holds, f := w.holds(ctx, step.when)
			return f == nil && holds
		})
		if len(due) < 2 {
			continue
		}
		_, f := s.do(connector.About(ctx, positions(due)...), step.call, &scope{ids: ids(due), fields: st.fields})
		for _, w := range due {
			w.stepped, w.present = w.stepped || f == nil, nil
		}
		if f != nil {
			return
		}
	}
	stepped := those(all, func(w *writing) bool { return !w.over && w.stepped })
	s.readTogether(ctx, st, stepped) // else finish reads one by one
}

// readTogether learns how the records are now, if the remote tells for several at a time.
func (s *session) readTogether(ctx context.Context, st *stream, some []*writing) bool {
	some = those(some, func(w *writing) bool { return w.present == nil })
	if len(some) == 0 {
		return true
	}
	if !st.get.several {
		return false
	}
	found, err := s.getSeveral(connector.Unrecorded(ctx), st, ids(some)) // the answer is many records'
	if err != nil {
		return false
	}
	for _, w := range some {
		w.present = found[w.write.ID]
	}
	return true
}

func ids(some []*writing) []any {
	list := make([]any, len(some))
	for i, w := range some {
		list[i] = w.write.ID
	}
	return list
}

// positions are where the writings stand among the writes of the Push.
func positions(some []*writing) []int {
	list := make([]int, len(some))
	for i, w := range some {
		list[i] = w.position
	}
	return list
}

func those(all []*writing, keep func(*writing) bool) []*writing {
	return slices.DeleteFunc(slices.Clone(all), func(w *writing) bool { return !keep(w) })
}
