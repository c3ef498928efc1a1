package crm

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// FillSearch makes the tokens of rows that have none, those that were there before there was search. It goes through all
// organizations in small transactions, may be ended and begun again at any time, and returns how many rows it filled.
func FillSearch(ctx context.Context, db *postgres.DB) (int, error) {
	var organizations []uuid.UUID
	err := db.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id from organizations order by id")
		if err != nil {
			return err
		}
		organizations, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("fill search: %w", err)
	}
	filled := 0
	for _, o := range organizations {
		for _, k := range Kinds() {
			for n := batchOfFill; n == batchOfFill; filled += n {
				err := db.As(ctx, postgres.Principal{Organization: o, Actor: postgres.System}, func(tx pgx.Tx) (err error) {
					n, err = fillSearch(ctx, tx, k)
					return err
				})
				if err != nil {
					return filled, fmt.Errorf("fill search of %s: %w", k, err)
				}
			}
		}
	}
	return filled, nil
}

const batchOfFill = 1000

// fillSearch writes what is derived, and nothing else: it is no new version.
func fillSearch(ctx context.Context, tx pgx.Tx, k Kind) (int, error) {
	t := tableOf(k)
	found, err := t.query(ctx, tx, k, "select "+names(t.columns, "")+" from "+t.name+" where search is null order by id limit $1 for no key update skip locked", batchOfFill)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	rows := make([][]byte, len(found))
	for i, e := range found {
		if rows[i], err = t.row(fmt.Appendf(nil, `{"id":"%s"}`, e.head().ID), e); err != nil {
			return 0, err
		}
	}
	derived := t.derived()
	_, err = tx.Exec(ctx, "update "+t.name+" t set ("+strings.Join(derived, ", ")+") = row (n."+strings.Join(derived, ", n.")+") from json_populate_recordset(null::"+t.name+", $1) n where t.id = n.id", array(rows))
	return len(found), err
}
