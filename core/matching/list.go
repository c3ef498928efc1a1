package matching

import (
	"context"
	"maps"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/link"
	"crmhub/core/postgres"
)

// Proposals returns what a matching proposes, as somebody may see it: sees says of a kind of entity whether he may read them,
// and which fields are hidden from him. Candidates have the names of those that he sees. Errors: [ErrNotFound], [postgres.ErrPlace].
func Proposals(ctx context.Context, tx pgx.Tx, store *crm.Store, f link.ProposalFilter, sees func(entity string) (read bool, hides func(field string) bool)) (
	postgres.Page[link.Proposal], error,
) {
	m, err := Get(ctx, tx, f.Matching)
	if err != nil {
		return postgres.Page[link.Proposal]{}, err
	}
	found, err := link.ListProposals(ctx, tx, f)
	if err != nil {
		return found, err
	}
	read, hides := sees(m.Entity)
	kind := crm.Kind(m.Entity)
	for i := range found.Items {
		p := &found.Items[i]
		maps.DeleteFunc(p.Theirs, func(field string, _ any) bool { return hides(field) })
		for _, field := range titleFields(kind) {
			if hides(field) {
				p.Title = ""
			}
		}
	}
	if !read || hides(crm.TitleField(kind)) {
		return found, nil
	}
	var ids []uuid.UUID
	for _, p := range found.Items {
		for _, c := range p.Candidates {
			ids = append(ids, c.EntityID)
		}
	}
	titles, err := store.Titles(ctx, tx, kind, ids)
	for _, p := range found.Items {
		for i := range p.Candidates {
			p.Candidates[i].Title = titles[p.Candidates[i].EntityID]
		}
	}
	return found, err
}

// titleFields are the fields by which people know an entity of a kind, the usual one first.
func titleFields(k crm.Kind) []string { return []string{crm.TitleField(k), "number", "code", "sku"} }

// titleOf is what people know a document by.
func titleOf(k crm.Kind, doc map[string]any) string {
	for _, field := range titleFields(k) {
		if s, ok := doc[field].(string); ok && s != "" {
			return s
		}
	}
	return ""
}
