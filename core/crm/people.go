package crm

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ContactsOf returns the ids of the contacts that are active at a customer, the main one first.
func (s *Store) ContactsOf(ctx context.Context, tx pgx.Tx, customer uuid.UUID) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, "select contact_id from contact_customers where customer_id = $1 and is_active order by is_primary desc, contact_id limit 200", customer)
	if err != nil {
		return nil, fmt.Errorf("list contacts of customer %s: %w", customer, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("list contacts of customer %s: %w", customer, err)
	}
	return ids, nil
}
