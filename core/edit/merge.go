package edit

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/audit"
	"crmhub/core/duplicate"
	"crmhub/core/postgres"
)

// Merge makes two entities one. Who may not merge both gets a [ForbiddenError]; fields that he may not write are
// [schema.Violations] at /take. Other errors are those of [duplicate.Do].
func (e *Editor) Merge(ctx context.Context, tx pgx.Tx, a Author, r duplicate.Request) (m duplicate.Merge, err error) {
	if err := e.permitMerge(ctx, tx, a, r); err != nil {
		return m, err
	}
	err = postgres.AsHub(ctx, tx, func() (err error) { // what refers to them moves, whosever it is
		m, err = duplicate.Do(ctx, tx, e.store, a.By, r)
		return err
	})
	if err != nil {
		return m, err
	}
	return m, audit.Record(ctx, tx, audit.Act{
		Action: "merged", Entity: string(r.Kind), EntityID: r.Survivor.ID, Detail: map[string]any{"loser_id": r.Loser.ID, "take": r.Take},
	})
}

// Unmerge makes two again of what was merged. Whether the author may merge at all, the caller has asked.
func (e *Editor) Unmerge(ctx context.Context, tx pgx.Tx, a Author, id uuid.UUID) (u duplicate.Unmerged, err error) {
	err = postgres.AsHub(ctx, tx, func() (err error) {
		u, err = duplicate.Undo(ctx, tx, e.store, a.By, id)
		return err
	})
	if err != nil {
		return u, err
	}
	return u, audit.Record(ctx, tx, audit.Act{Action: "unmerged", Entity: "merge", EntityID: id})
}

func (e *Editor) permitMerge(ctx context.Context, tx pgx.Tx, a Author, r duplicate.Request) error {
	sides := []uuid.UUID{r.Survivor.ID, r.Loser.ID}
	found, err := e.store.Get(ctx, tx, r.Kind, sides)
	if err != nil {
		return err
	}
	for _, id := range sides {
		if found[id] == nil {
			continue // whoever merges says so
		}
		if err := Permit(a.Identity, found[id], access.Merge); err != nil {
			return err
		}
	}
	fields := make(map[string]any, len(r.Take))
	for _, name := range r.Take {
		fields[name] = nil
	}
	vs := a.Unwritable(access.Resource(r.Kind), fields)
	for i := range vs {
		at := slices.Index(r.Take, strings.TrimPrefix(vs[i].Pointer, "/"))
		vs[i].Pointer = "/take/" + strconv.Itoa(max(at, 0))
	}
	return vs.Err()
}
