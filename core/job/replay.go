package job

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// Replay tries letters of one direction again, in the caller's transaction: it resolves those that succeed and buries
// the others anew. All are open and of one connection and entity.
type Replay func(ctx context.Context, tx pgx.Tx, letters []DeadLetter) error

const lockLetters = `
select ` + letterColumns + `
from dead_letters d
where d.id = any($1) and d.status = 'open'
order by d.id
for update`

// ReplayDeadLetters tries open dead letters again, by the function of their direction. Letters that are closed or
// unknown are left alone. It returns how many were tried; whether one succeeded, its status tells.
func ReplayDeadLetters(ctx context.Context, tx pgx.Tx, by map[Kind]Replay, ids []uuid.UUID) (int, error) {
	letters, err := someLetters(ctx, tx, lockLetters, ids)
	if err != nil {
		return 0, err
	}
	type group struct {
		connection uuid.UUID
		direction  Kind
		entity     string
	}
	var order []group
	groups := map[group][]DeadLetter{}
	for _, d := range letters {
		g := group{d.ConnectionID, d.Direction, d.Entity}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], d)
	}
	for _, g := range order {
		replay, ok := by[g.direction]
		if !ok {
			return 0, fmt.Errorf("replay dead letters: nothing replays a %s", g.direction)
		}
		// Somebody starts it; what comes in is the connection's, whatever he may write himself.
		err := postgres.AsHub(ctx, tx, func() error { return replay(ctx, tx, groups[g]) })
		if err != nil {
			return 0, fmt.Errorf("replay dead letters of a %s of %s: %w", g.direction, g.entity, err)
		}
	}
	acts := make([]audit.Act, len(letters))
	for i, d := range letters {
		acts[i] = audit.Act{Action: "replayed", Entity: "dead_letter", EntityID: d.ID}
	}
	return len(letters), audit.Record(ctx, tx, acts...)
}
