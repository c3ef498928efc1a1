package crm

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Count returns how many entities of a kind there are, deleted ones left out.
func (s *Store) Count(ctx context.Context, tx pgx.Tx, k Kind) (int64, error) {
	name := tableNames(k).name
	var n int64
	if err := tx.QueryRow(ctx, "select count(*) from "+name+" where deleted_at is null").Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", name, err)
	}
	return n, nil
}
