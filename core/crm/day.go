package crm

import (
	"context"
	"fmt"
	"time"
	_ "time/tzdata" // time zones are input: they must not depend on what the machine has installed

	"github.com/jackc/pgx/v5"
)

// Zone is, within a statement, the time zone in which the organization's days begin and end: UTC unless its settings say another.
const Zone = `coalesce((select time_zone from pool_settings), 'UTC')`

// Location is the time zone in which the organization's days begin and end.
func (*Store) Location(ctx context.Context, tx pgx.Tx) (*time.Location, error) {
	return location(ctx, tx)
}

func location(ctx context.Context, tx pgx.Tx) (*time.Location, error) {
	var name string
	if err := tx.QueryRow(ctx, "select "+Zone).Scan(&name); err != nil {
		return nil, fmt.Errorf("read the organization's time zone: %w", err)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("read the organization's time zone: %w", err)
	}
	return zone, nil
}

// Today is the day that it is where the organization is.
func (s *Store) Today(ctx context.Context, tx pgx.Tx) (Date, error) {
	zone, err := location(ctx, tx)
	if err != nil {
		return Date{}, err
	}
	return DateOf(s.now().In(zone)), nil
}
