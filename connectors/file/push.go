package file

import (
	"context"
	"errors"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Push hands records over one after the other. What they say already is not written again.
func (s *session) Push(ctx context.Context, stream string, writes []connector.Write) ([]connector.Result, error) {
	results := make([]connector.Result, len(writes))
	err := s.do(ctx, func() error {
		l, err := s.writable(stream)
		if err != nil {
			return err
		}
		for i, w := range writes {
			results[i] = s.push(ctx, l, w)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Find looks a record up by the reference it was created with, which is its id.
func (s *session) Find(ctx context.Context, stream, reference string) (*connector.Record, error) {
	return s.Get(ctx, stream, reference)
}

// Get reads a record as it was handed over last; there is none that was said to be deleted.
func (s *session) Get(ctx context.Context, stream, id string) (found *connector.Record, err error) {
	err = s.do(ctx, func() error {
		l, err := s.writable(stream)
		if err != nil {
			return err
		}
		k, err := s.known(ctx, l, id)
		if err != nil || k.last == nil || k.last.deleted() {
			return err
		}
		r := k.last.record()
		found = &r
		return nil
	})
	return found, err
}

func (s *session) writable(stream string) (*layout, error) {
	l, err := s.layout(stream)
	if err == nil && l.format == "" {
		err = misconfigured(stream + " is read over this connection, not written")
	}
	return l, err
}

func (s *session) push(ctx context.Context, l *layout, w connector.Write) connector.Result {
	st, content, err := s.next(ctx, l, w)
	if err == nil && content != nil {
		err = s.prepare(ctx, l, *st, content)
	}
	if err != nil { // nobody has seen anything of it
		return connector.Result{Outcome: connector.Refused, Err: refusal(err)}
	}
	if content != nil {
		if err := s.place.rename(ctx, draftOfState(st.File), st.File); err != nil {
			return connector.Result{Outcome: connector.Unknown, Err: failed(err)}
		}
		n := notesOf(l, st.ID)
		if err := s.place.rename(ctx, n.next, n.current); err != nil { // then it is read as next, and the write that follows does it
			s.logger(ctx, "what was sent is noted as next still", n.next, err)
		}
	}
	return connector.Result{Outcome: connector.Done, Record: st.record()}
}

func refusal(err error) *connector.Error {
	if faults, ok := errors.AsType[schema.Violations](err); ok {
		return &connector.Error{Class: connector.ClassData, Message: faults.Error(), Err: err, Said: faults.Saying()}
	}
	return failed(err)
}

// next is the state that a write makes, with the file; without one it is what was handed over last.
func (s *session) next(ctx context.Context, l *layout, w connector.Write) (*sent, []byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	id := w.ID
	if w.Op == connector.OpCreate {
		id = w.Reference
	}
	if id == "" {
		return nil, nil, schema.Violations{{Rule: "required", Message: "has no reference to name its file after"}}
	}
	k, err := s.known(ctx, l, id)
	if err != nil {
		return nil, nil, err
	}
	there := k.last != nil && !k.last.deleted()
	switch {
	case w.Op == connector.OpDelete && !there: // what was never sent needs no file that says so
		return &sent{ID: id, Data: map[string]any{deletedField: "yes"}}, nil, nil
	case w.Op == connector.OpDelete:
		w.Data = k.last.gone(l)
	case there && w.Op == connector.OpCreate:
		return nil, nil, &connector.Error{
			Class: connector.ClassConflict, Message: "a " + l.record + " with this reference was sent already", Remedy: "Give one of the two another number.", Said: schema.Say("sent_already"),
		}
	}
	if there && same(k.last.Data, w.Data) {
		return k.last, nil, nil
	}
	st := sent{ID: id, N: 1, Data: w.Data}
	if k.last != nil {
		st.N = k.last.N + 1
	}
	st.File = l.fileOf(id, st.N)
	content, err := s.settings.encode(l, w.Data)
	if err != nil {
		return nil, nil, err
	}
	return &st, content, s.makeRoom(ctx, l, k, st)
}

// makeRoom sees to it that the note of the next state is free and its file's name, too.
func (s *session) makeRoom(ctx context.Context, l *layout, k known, st sent) error {
	n := notesOf(l, st.ID)
	if k.ahead {
		if err := s.place.rename(ctx, n.next, n.current); err != nil {
			return err
		}
	}
	if k.pending != nil { // the note first: without its draft it would mean that the file was handed over
		if err := s.place.remove(ctx, n.next); err != nil {
			return err
		}
		if err := s.place.remove(ctx, draftOfState(k.pending.File)); err != nil {
			return err
		}
	}
	taken, err := s.place.has(ctx, st.File)
	if err == nil && taken {
		err = &connector.Error{
			Class: connector.ClassBusiness, Message: "there is another file " + st.File, Remedy: "Take it away, or choose other names for the files.", Said: schema.Say("other_file", st.File),
		}
	}
	return err
}

// prepare writes the file under a name that nobody reads, and then the note of it: whoever finds the note and no draft knows that
// the file was handed over.
func (s *session) prepare(ctx context.Context, l *layout, st sent, content []byte) error {
	if err := s.place.store(ctx, draftOfState(st.File), content); err != nil {
		return err
	}
	return s.setNote(ctx, notesOf(l, st.ID), st)
}
