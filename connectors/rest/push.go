package rest

import (
	"context"
	"slices"
	"sync"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Push writes records: creates in the remote's arrays where it takes them, all else one by one, several at a time.
func (s *session) Push(ctx context.Context, record string, writes []connector.Write) ([]connector.Result, error) {
	st, err := s.stream(record)
	if err != nil {
		return nil, err
	}
	results := make([]connector.Result, len(writes))
	var single, together []int
	for i, w := range writes {
		if w.Op == connector.OpCreate && st.create != nil && st.create.batch > 0 {
			together = append(together, i)
		} else {
			single = append(single, i)
		}
	}
	if len(together) > 0 {
		for chunk := range slices.Chunk(together, st.create.batch) {
			s.createBatch(ctx, st, writes, chunk, results)
		}
		for _, i := range together {
			if results[i].Outcome == connector.Done {
				single = append(single, i) // its steps
			}
		}
	}
	all := make([]*writing, len(single))
	for k, i := range single {
		all[k] = &writing{session: s, stream: st, write: writes[i], result: results[i], position: i}
	}
	s.each(all, func(w *writing) { w.begin(connector.About(ctx, w.position)) })
	s.together(ctx, st, all)
	s.each(all, func(w *writing) { w.finish(connector.About(ctx, w.position)) })
	for k, i := range single {
		results[i] = all[k].result
	}
	return results, nil
}

// each calls f for every writing, for as many at a time as the remote is said to stand, and waits for them.
func (s *session) each(all []*writing, f func(*writing)) {
	queue := make(chan *writing)
	var running sync.WaitGroup
	for range min(len(all), s.plan.limits.concurrency) {
		running.Go(func() {
			for w := range queue {
				f(w)
			}
		})
	}
	for _, w := range all {
		queue <- w
	}
	close(queue)
	running.Wait()
}

func (f *failure) result() connector.Result {
	outcome := connector.Refused
	if f.unknown {
		outcome = connector.Unknown
	}
	return connector.Result{Outcome: outcome, Err: f.err}
}

// writing is one write under way.
type writing struct {
	session *session
	stream  *stream
	write   connector.Write
	result  connector.Result // Done already for a create that went with others

	position int // among the writes of the Push

	present *connector.Record // the remote's record as it is now; nil when it has to be read
	stepped bool              // a step was taken
	over    bool              // the result is final
}

func (w *writing) scope() *scope {
	sc := &scope{
		data: w.write.Data, reference: w.write.Reference, id: w.write.ID,
		remoteVersion: w.write.RemoteVersion, fields: w.stream.fields,
	}
	if sc.data == nil {
		sc.data = map[string]any{}
	}
	if w.write.ID != "" {
		sc.ids = []any{w.write.ID}
	}
	if w.present != nil {
		sc.record = w.present.Data
	}
	return sc
}

// begin writes the record itself; finish takes the steps after that.
func (w *writing) begin(ctx context.Context) {
	var f *failure
	switch w.write.Op {
	case connector.OpCreate:
		f = w.create(ctx)
	case connector.OpUpdate:
		f = w.update(ctx)
	case connector.OpDelete:
		f, w.over = w.remove(ctx), true
	default:
		f = refuse(nil, connector.ClassConfig, "there is no write "+string(w.write.Op), "")
	}
	if f != nil {
		w.fail(f)
	}
}

func (w *writing) finish(ctx context.Context) {
	if w.over {
		return
	}
	plan := w.stream.update
	if w.write.Op == connector.OpCreate {
		plan = w.stream.create
	}
	if f := w.afterwards(ctx, plan); f != nil {
		f.unknown = f.unknown || w.write.Op == connector.OpCreate // "refused" would have it created again
		w.fail(f)
	}
}

// fail ends the write, and keeps what is known of the record.
func (w *writing) fail(f *failure) {
	record := w.result.Record
	w.result, w.over = f.result(), true
	w.result.Record = record
}

func (w *writing) create(ctx context.Context) *failure {
	plan := w.stream.create
	if plan == nil {
		return &failure{err: unable(w.stream, "create")}
	}
	if w.result.Outcome != connector.Done {
		sc := w.scope()
		a, f := w.session.doTo(ctx, plan.call, sc, "", plan.header)
		if f != nil {
			return f
		}
		if f := w.take(ctx, plan, a); f != nil {
			f.unknown = true // the record is there, but which it is must be looked up
			return f
		}
	}
	w.write.ID = w.result.Record.ID
	return nil
}

// take reads what a write's answer says about the record.
func (w *writing) take(ctx context.Context, plan *writePlan, a *answer) *failure {
	w.result = connector.Result{Outcome: connector.Done, Record: connector.Record{ID: w.write.ID}}
	if plan.record != nil {
		v, ok := plan.record.in(a.body)
		if !ok || v == nil {
			return &failure{err: wrongShape("the answer to a write has no record where the manifest says")}
		}
		if f := w.session.relate(ctx, w.stream, []any{v}); f != nil {
			return f
		}
		r, err := w.stream.toRecord(v)
		if err != nil {
			return &failure{err: connector.AsError(err)}
		}
		w.result.Record = r
		return nil
	}
	if plan.locate != nil {
		sc := w.scope()
		sc.answer = a.body
		found, f := w.session.do(ctx, plan.locate, sc)
		if f != nil {
			return f
		}
		return w.takeID(plan.locateID.in(found.body))
	}
	if w.write.Op == connector.OpCreate {
		return w.takeID(plan.id.in(a.body, a.header))
	}
	return nil
}

func (w *writing) takeID(v any, _ bool) *failure {
	id, err := text(v)
	if err != nil || id == "" {
		return &failure{err: wrongShape("the answer to a create has no id where the manifest says")}
	}
	w.result.Record.ID = id
	return nil
}

func (w *writing) update(ctx context.Context) *failure {
	plan := w.stream.update
	if plan == nil {
		return &failure{err: unable(w.stream, "update")}
	}
	w.result = connector.Result{Outcome: connector.Done, Record: connector.Record{ID: w.write.ID}}
	if f := w.steps(ctx, w.stream.before); f != nil {
		return f
	}
	holds, f := w.holds(ctx, plan.when)
	if f != nil {
		return f
	}
	if holds {
		a, f := w.session.do(ctx, plan.call, w.scope())
		if f != nil {
			return f
		}
		w.present = nil
		if f := w.take(ctx, plan, a); f != nil {
			f.unknown = true
			return f
		}
	}
	return nil
}

func (w *writing) remove(ctx context.Context) *failure {
	plan := w.stream.remove
	if plan == nil {
		return &failure{err: unable(w.stream, "delete")}
	}
	w.result = connector.Result{Outcome: connector.Done, Record: connector.Record{ID: w.write.ID, Deleted: true}}
	holds, f := w.holds(ctx, plan.when)
	if f != nil || !holds {
		return f
	}
	if a, f := w.session.do(ctx, plan.call, w.scope()); f != nil && !gone(a, f) {
		return f
	}
	return nil
}

// afterwards takes the steps that follow a write and reads the record back where that is wanted or they changed it.
func (w *writing) afterwards(ctx context.Context, plan *writePlan) *failure {
	if f := w.steps(ctx, w.stream.then); f != nil || !w.stepped && !plan.readBack {
		return f
	}
	if f := w.read(ctx); f != nil {
		return f
	}
	w.result.Record = *w.present
	return nil
}

// read learns how the record is now.
func (w *writing) read(ctx context.Context) *failure {
	if w.present != nil {
		return nil
	}
	r, err := w.session.Get(ctx, w.stream.record, w.write.ID)
	if err != nil {
		return &failure{err: connector.AsError(err)}
	}
	if r == nil {
		return refuse(schema.Say("gone_there"), connector.ClassConflict, "the record does not exist any more", "Restore it in the remote system, or unlink it.")
	}
	w.present = r
	return nil
}

// steps runs those whose conditions hold.
func (w *writing) steps(ctx context.Context, steps []step) *failure {
	for i := range steps {
		st := &steps[i]
		if !st.follows(w.write.Op) {
			continue
		}
		holds, f := w.holds(ctx, st.when)
		if f != nil {
			return f
		}
		if !holds {
			continue
		}
		if st.refuse != "" {
			return refuse(schema.Say("not_from_here"), connector.ClassBusiness, st.refuse, "")
		}
		if f := w.read(ctx); f != nil {
			return f
		}
		if _, f := w.session.do(ctx, st.call, w.scope()); f != nil {
			f.err.Message = st.name + ": " + f.err.Message
			return f
		}
		w.stepped, w.present = true, nil
	}
	return nil
}

func (s *step) follows(op connector.Op) bool {
	return len(s.on) == 0 || slices.Contains(s.on, string(op))
}

// holds asks the data first: most steps are then settled without reading the remote's record.
func (w *writing) holds(ctx context.Context, when *when) (bool, *failure) {
	if when == nil {
		return true, nil
	}
	if !w.wants(when) {
		return false, nil
	}
	if len(when.record) == 0 && len(when.differs) == 0 {
		return true, nil
	}
	if f := w.read(ctx); f != nil {
		return false, f
	}
	for _, c := range when.record {
		if !c.holds(w.present.Data) {
			return false, nil
		}
	}
	if len(when.differs) == 0 {
		return true, nil
	}
	for _, at := range when.differs {
		wanted, ok := at.in(w.write.Data)
		has, _ := at.in(w.present.Data)
		if ok && differs(wanted, has) {
			return true, nil
		}
	}
	return false, nil
}

// wants reports whether the data fit.
func (w *writing) wants(when *when) bool {
	return when == nil || !slices.ContainsFunc(when.data, func(c condition) bool { return !c.holds(w.write.Data) })
}
