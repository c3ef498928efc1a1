package crm

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// Total is what the documents of a kind in one currency add up to.
type Total struct {
	Kind     Kind
	Currency string
	Count    int64
	Amount   decimal.Decimal // orders' and invoices' totals, payments' amounts
	Residual decimal.Decimal // what is still to be paid of invoices; 0 for the others
}

const totals = `
select 'order', currency, count(*), sum(total), 0::numeric from orders where deleted_at is null and status <> 'cancelled' group by currency
union all
select 'invoice', currency, count(*), sum(total), sum(residual) from invoices where deleted_at is null and status <> 'cancelled' group by currency
union all
select 'payment', currency, count(*), sum(amount), 0::numeric from payments where deleted_at is null and status <> 'cancelled' group by currency
order by 1, 2`

// Totals adds up orders, invoices and payments that are neither deleted nor cancelled, by kind and currency.
func (s *Store) Totals(ctx context.Context, tx pgx.Tx) ([]Total, error) {
	rows, err := tx.Query(ctx, totals)
	if err != nil {
		return nil, fmt.Errorf("add up documents: %w", err)
	}
	sums, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Total])
	if err != nil {
		return nil, fmt.Errorf("add up documents: %w", err)
	}
	return sums, nil
}

// Count returns how many entities of a kind there are, deleted ones left out.
func (s *Store) Count(ctx context.Context, tx pgx.Tx, k Kind) (int64, error) {
	name := tableNames(k).name
	var n int64
	if err := tx.QueryRow(ctx, "select count(*) from "+name+" where deleted_at is null").Scan(&n); err != nil {
		return 0, fmt.Errorf("count %s: %w", name, err)
	}
	return n, nil
}
