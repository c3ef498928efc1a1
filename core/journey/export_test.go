package journey

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// PruneBefore deletes what is older.
func (p *Pruner) PruneBefore(ctx context.Context, at time.Time) error {
	return p.prune(ctx, at)
}

// Explain says how the server finds a journey.
func Explain(ctx context.Context, tx pgx.Tx, f Filter) (string, error) {
	rows, _ := tx.Query(ctx, "explain (analyze, buffers) "+query(), f.Entity, f.EntityID, nil, 0, 0, 500)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// SightWithout is that of somebody who reads entities of a kind, but for some fields.
func SightWithout(k crm.Kind, blind []string, mappings Mappings) Sight {
	return Sight{resource: access.Resource(k), hidden: hidden(k, blind), mappings: mappings}
}
