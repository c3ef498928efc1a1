package edit

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// mostNamed is how many entities of a kind a text stands for at most.
const mostNamed = 50

// Named returns the ids of what somebody may mean by a text: those whose number, code or name it finds, among what he may see.
// Without a kind it looks through all.
func Named(ctx context.Context, tx pgx.Tx, store *crm.Store, who access.Identity, kind, text string) ([]uuid.UUID, error) {
	return named(ctx, tx, store, kind, text, func(r access.Resource) (bool, crm.Query) {
		return who.May(r, access.Read) != "", crm.Query{Owners: who.Owners(r, access.Read), Blind: who.Blind(r)}
	})
}

// NamedForHub is Named for the hub itself, which sees all.
func NamedForHub(ctx context.Context, tx pgx.Tx, store *crm.Store, kind, text string) ([]uuid.UUID, error) {
	return named(ctx, tx, store, kind, text, func(access.Resource) (bool, crm.Query) { return true, crm.Query{} })
}

func named(ctx context.Context, tx pgx.Tx, store *crm.Store, kind, text string, sight func(access.Resource) (may bool, as crm.Query)) ([]uuid.UUID, error) {
	ids := []uuid.UUID{}
	for _, k := range crm.Kinds() {
		may, q := sight(access.Resource(k))
		if kind != "" && kind != string(k) || !may {
			continue
		}
		q.Text, q.Limit = text, mostNamed
		hits, err := store.Search(ctx, tx, k, q)
		if err != nil {
			return nil, err
		}
		for _, h := range hits {
			ids = append(ids, h.ID)
		}
	}
	return ids, nil
}
