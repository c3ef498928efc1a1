package link

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Standing is how many links of a connection stand where.
type Standing struct {
	Linked  int64 `json:"linked"`  // both sides agreed on the newest version wanted
	Pending int64 `json:"pending"` // on its way: wanted, sent, parked or waiting
	Failed  int64 `json:"failed"`  // needs a person
}

const standing = `
select connection_id,
	count(*) filter (where state = 'linked' and next_attempt_at is null),
	count(*) filter (where state <> 'failed' and (state <> 'linked' or next_attempt_at is not null)),
	count(*) filter (where state = 'failed')
from links
group by connection_id`

// Standings returns how the links of every connection stand; a connection without links is absent.
func Standings(ctx context.Context, tx pgx.Tx) (map[uuid.UUID]Standing, error) {
	rows, err := tx.Query(ctx, standing)
	if err != nil {
		return nil, fmt.Errorf("count links: %w", err)
	}
	standings := map[uuid.UUID]Standing{}
	var id uuid.UUID
	var s Standing
	_, err = pgx.ForEachRow(rows, []any{&id, &s.Linked, &s.Pending, &s.Failed}, func() error {
		standings[id] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count links: %w", err)
	}
	return standings, nil
}
