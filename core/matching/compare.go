package matching

import (
	"bytes"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/link"
	"crmhub/core/mapping"
	"crmhub/core/match"
)

// most is how many candidates of a record are kept.
const most = 5

// keyScore is what a mapping's key counts: a pull would take the two for one because of it alone.
const keyScore = 100

// finding is a record and what it may be.
type finding struct {
	record     connector.Record
	doc        map[string]any
	fault      error // why there is no doc
	candidates []link.Candidate
}

// unlinked are the findings whose records are linked with nothing.
func (r *reading) unlinked(ctx context.Context, tx pgx.Tx, found []*finding) ([]*finding, error) {
	refs := make([]mapping.Ref, len(found))
	for i, f := range found {
		refs[i] = mapping.Ref{Entity: string(r.kind), ID: f.record.ID}
	}
	known, err := link.ByRemote(ctx, tx, r.connection.ID, refs)
	if err != nil {
		return nil, err
	}
	var open []*finding
	for i, f := range found {
		if _, linked := known[refs[i]]; !linked {
			open = append(open, f)
		}
	}
	return open, nil
}

// compare finds the candidates of records: by the mapping's keys and, where entities have them, by those of duplicates.
func (r *reading) compare(ctx context.Context, tx pgx.Tx, found []*finding) error {
	var readable []*finding
	var docs []map[string]any
	var entities []crm.Entity
	for _, f := range found {
		if f.fault != nil {
			continue
		}
		e, err := crm.FromDocument(r.kind, f.doc)
		if err != nil {
			f.fault = err
			continue
		}
		e.Normalize()
		readable, docs, entities = append(readable, f), append(docs, f.doc), append(entities, e)
	}
	byKey, err := r.Puller.Recognize(ctx, tx, r.connection, string(r.kind), docs)
	if err != nil {
		return err
	}
	alike := make([][]duplicate.Match, len(readable))
	if compared(r.kind) {
		if alike, err = duplicate.CheckAll(ctx, tx, r.Entities, entities...); err != nil {
			return err
		}
	}
	for i, f := range readable {
		for _, m := range alike[i] {
			if m.ID != nil { // the hub sees all of them
				f.add(*m.ID, m.Score, m.Reasons...)
			}
		}
		if byKey[i] != uuid.Nil {
			f.add(byKey[i], keyScore, match.Reason{Kind: match.Mapped, Score: keyScore})
		}
	}
	return r.strike(ctx, tx, readable)
}

// add adds what speaks for an entity.
func (f *finding) add(id uuid.UUID, score int, reasons ...match.Reason) {
	i := slices.IndexFunc(f.candidates, func(c link.Candidate) bool { return c.EntityID == id })
	if i < 0 {
		i, f.candidates = len(f.candidates), append(f.candidates, link.Candidate{EntityID: id})
	}
	c := &f.candidates[i]
	c.Score += score
	c.Reasons = append(c.Reasons, reasons...)
}

// strike takes away candidates that are linked, on their way to a record of their own, or were rejected; and leaves the best.
func (r *reading) strike(ctx context.Context, tx pgx.Tx, found []*finding) error {
	var refs []mapping.Ref
	var pairs []link.Pair
	for _, f := range found {
		for _, c := range f.candidates {
			refs = append(refs, mapping.Ref{Entity: string(r.kind), ID: c.EntityID.String()})
			pairs = append(pairs, link.Pair{EntityID: c.EntityID, RemoteID: f.record.ID})
		}
	}
	known, err := link.ByEntity(ctx, tx, r.connection.ID, refs)
	if err != nil {
		return err
	}
	rejected, err := link.Rejected(ctx, tx, r.connection.ID, string(r.kind), pairs)
	if err != nil {
		return err
	}
	for _, f := range found {
		f.candidates = slices.DeleteFunc(f.candidates, func(c link.Candidate) bool {
			l, ok := known[mapping.Ref{Entity: string(r.kind), ID: c.EntityID.String()}]
			taken := ok && (l.RemoteID != "" || l.State == link.Sending || l.State == link.Unknown || l.State == link.Unlinked)
			return taken || rejected[link.Pair{EntityID: c.EntityID, RemoteID: f.record.ID}]
		})
		slices.SortFunc(f.candidates, func(a, b link.Candidate) int {
			if a.Score != b.Score {
				return b.Score - a.Score
			}
			return bytes.Compare(a.EntityID[:], b.EntityID[:])
		})
		f.candidates = f.candidates[:min(len(f.candidates), most)]
	}
	return nil
}

// proposal is the finding as it is kept.
func (f *finding) proposal(k crm.Kind) (link.New, error) {
	record, err := f.record.Keep()
	n := link.New{RemoteID: f.record.ID, Title: titleOf(k, f.doc), Theirs: f.doc, Record: record, Candidates: f.candidates}
	if f.fault != nil {
		n.Message, n.Said, n.Candidates = f.fault.Error(), mapping.SayingOf(f.fault), nil
	}
	return n, err
}
