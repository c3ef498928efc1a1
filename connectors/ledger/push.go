package ledger

import (
	"context"
	"errors"

	"crmhub/core/connector"
	"crmhub/core/schema"
)

// Push writes records one after the other. What a file system did not confirm has an unknown outcome; writing it again is
// harmless.
func (s *session) Push(ctx context.Context, stream string, writes []connector.Write) ([]connector.Result, error) {
	results := make([]connector.Result, len(writes))
	err := s.in(ctx, func(f *folder) error {
		for i, w := range writes {
			results[i] = s.push(ctx, f, stream, w)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (s *session) push(ctx context.Context, f *folder, stream string, w connector.Write) connector.Result {
	r, err := s.write(ctx, f, stream, w)
	if err == nil {
		return connector.Result{Outcome: connector.Done, Record: r}
	}
	if faults, ok := errors.AsType[schema.Violations](err); ok {
		return connector.Result{Outcome: connector.Refused, Err: &connector.Error{Class: connector.ClassData, Message: faults.Error(), Err: err, Said: faults.Saying()}}
	}
	e := connector.AsError(err)
	if e.Class == connector.ClassTransient {
		return connector.Result{Outcome: connector.Unknown, Err: e}
	}
	return connector.Result{Outcome: connector.Refused, Err: e}
}

func (s *session) write(ctx context.Context, f *folder, stream string, w connector.Write) (r connector.Record, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	id := w.ID
	if w.Op == connector.OpCreate {
		id = idOf(w.Reference)
	}
	if !idForm.MatchString(id) {
		return r, schema.Violations{{Pointer: "/id", Rule: "pattern", Message: "is no id of this ledger"}}
	}
	l, err := f.load(ctx, stream, id)
	if err != nil {
		return r, err
	}
	switch {
	case l == nil && w.Op == connector.OpDelete:
		return connector.Record{ID: id, Deleted: true}, nil
	case l == nil:
		l = &leaf{Reference: w.Reference}
	case w.Op != connector.OpDelete && l.Data["uid"] != w.Data["uid"]:
		return r, &connector.Error{
			Class: connector.ClassBusiness, Message: "the ledger has another " + stream + " with this reference",
			Remedy: "Give one of the two another number, or keep its books in a folder of its own.", Said: schema.Say("ledger_has_another"),
		}
	}
	if l.Deleted = w.Op == connector.OpDelete; !l.Deleted {
		l.Data = w.Data
	}
	if err := s.bind(ctx, f, stream, id, l); err != nil {
		return r, err
	}
	return l.record(id), nil
}
