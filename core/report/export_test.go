package report

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// WholeOf is Whole with another bound.
func (s *Store) WholeOf(ctx context.Context, tx pgx.Tx, r Report, given Parameters, most int) (Result, error) {
	return s.whole(ctx, tx, r, given, most)
}
