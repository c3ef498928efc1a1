package report

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/money"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Target is what the organization, one of its departments or one of its people means to reach in a month.
type Target struct {
	ID           uuid.UUID       `json:"id"`
	OwnerID      *uuid.UUID      `json:"owner_id,omitempty"`
	DepartmentID *uuid.UUID      `json:"department_id,omitempty"` // of all in it and below; neither: the organization's
	Month        string          `json:"month"`                   // "2026-01"
	Measure      Measure         `json:"measure"`
	Amount       decimal.Decimal `json:"amount"`             // a number of orders where that is what is measured
	Currency     string          `json:"currency,omitempty"` // "" where orders are counted
	CreatedAt    time.Time       `json:"created_at"`
	CreatedBy    string          `json:"created_by"`
	UpdatedAt    time.Time       `json:"updated_at"`
}

// Measure is what a target is about.
type Measure string

// The measures.
const (
	MeasureRevenue  Measure = "revenue"  // untaxed amount of orders booked, as of the report booked
	MeasureOrders   Measure = "orders"   // number of orders booked
	MeasureInvoiced Measure = "invoiced" // untaxed amount invoiced, as of the report invoiced
	MeasureWon      Measure = "won"      // amount of opportunities won, as of the report win-rate
)

// Measures returns the measures there are.
func Measures() []Measure {
	return []Measure{MeasureRevenue, MeasureOrders, MeasureInvoiced, MeasureWon}
}

// NewTarget is a target to be set.
type NewTarget struct {
	OwnerID      *uuid.UUID
	DepartmentID *uuid.UUID // not with an OwnerID
	Month        string
	Measure      Measure
	Amount       decimal.Decimal
	Currency     string // the organization's base currency if empty
}

// ErrNoTarget says that there is no such target.
var ErrNoTarget = postgres.NotFound("no such target")

const (
	targetColumns = `id, owner_id, department_id, to_char(month, 'YYYY-MM'), measure, amount, coalesce(currency, ''), created_at, created_by, updated_at`
	insertTarget  = `
insert into targets (id, owner_id, department_id, month, measure, amount, currency)
values ($1, $2, $3, $4, $5, $6, case when $5 <> 'orders' then coalesce(nullif($7, ''), (select base_currency from organizations)) end)
returning ` + targetColumns
	whoseTarget = `
select $1::uuid is null or exists (select from users where id = $1), $2::uuid is null or exists (select from departments where id = $2)`
	updateTarget = `
update targets set amount = $2, updated_at = now() where id = $1
returning ` + targetColumns
	listTargets = `
select ` + targetColumns + ` from targets
where ($1::date is null or month = $1) and ($2::uuid is null or owner_id = $2)
order by month desc, measure, owner_id nulls first, department_id nulls first`
)

func scanTarget(row pgx.CollectableRow) (t Target, err error) {
	err = row.Scan(&t.ID, &t.OwnerID, &t.DepartmentID, &t.Month, &t.Measure, &t.Amount, &t.Currency, &t.CreatedAt, &t.CreatedBy, &t.UpdatedAt)
	t.CreatedAt, t.UpdatedAt = t.CreatedAt.UTC(), t.UpdatedAt.UTC()
	return t, err
}

// AddTarget sets a target. What is wrong with it is [schema.Violations].
func (s *Store) AddTarget(ctx context.Context, tx pgx.Tx, in NewTarget) (Target, error) {
	month, faults := parseMonth(in.Month)
	faults = append(faults, checkAmount(in.Measure, in.Amount)...)
	switch _, err := money.Digits(in.Currency); {
	case !slices.Contains(Measures(), in.Measure):
		faults = append(faults, schema.Violation{Pointer: "/measure", Rule: "enum", Message: "must be one of revenue, orders, invoiced, won"})
	case in.Measure == MeasureOrders && in.Currency != "":
		faults = append(faults, schema.Violation{Pointer: "/currency", Rule: "not", Message: "must be left out where orders are counted"})
	case in.Currency != "" && (err != nil || !currencyForm.MatchString(in.Currency)):
		faults = append(faults, schema.Violation{Pointer: "/currency", Rule: "format", Message: "must be an ISO 4217 currency like EUR"})
	}
	var user, department bool
	if err := tx.QueryRow(ctx, whoseTarget, in.OwnerID, in.DepartmentID).Scan(&user, &department); err != nil {
		return Target{}, fmt.Errorf("add target: %w", err)
	}
	if !user {
		faults = append(faults, schema.Violation{Pointer: "/owner_id", Rule: "exists", Message: "must be the id of something here"})
	}
	switch {
	case in.OwnerID != nil && in.DepartmentID != nil:
		faults = append(faults, schema.Violation{Pointer: "/department_id", Rule: "not", Message: "must be left out where the target is a user's"})
	case !department:
		faults = append(faults, schema.Violation{Pointer: "/department_id", Rule: "exists", Message: "must be the id of something here"})
	}
	if len(faults) > 0 {
		return Target{}, faults
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Target{}, fmt.Errorf("add target: %w", err)
	}
	t, err := oneTarget(ctx, tx, insertTarget, id, in.OwnerID, in.DepartmentID, month, in.Measure, in.Amount, in.Currency)
	if _, constraint := postgres.ErrorCode(err); constraint == "targets_one" {
		return Target{}, schema.Violations{{Pointer: "/month", Rule: "unique", Message: "has such a target already"}}
	}
	return t, err
}

var currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)

// UpdateTarget changes how much a target asks for; what it is about never changes. Errors: [schema.Violations], [ErrNoTarget].
func (s *Store) UpdateTarget(ctx context.Context, tx pgx.Tx, id uuid.UUID, amount decimal.Decimal) (Target, error) {
	t, err := s.Target(ctx, tx, id)
	if err != nil {
		return Target{}, err
	}
	if err := checkAmount(t.Measure, amount).Err(); err != nil {
		return Target{}, err
	}
	return oneTarget(ctx, tx, updateTarget, id, amount)
}

// Target returns a target, or [ErrNoTarget].
func (s *Store) Target(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Target, error) {
	return oneTarget(ctx, tx, `select `+targetColumns+` from targets where id = $1`, id)
}

// Targets lists targets, the newest month first: of a month ("" for all) and an owner (nil for all). There are few: some a month and head.
func (s *Store) Targets(ctx context.Context, tx pgx.Tx, month string, owner *uuid.UUID) ([]Target, error) {
	var of *time.Time
	if month != "" {
		first, faults := parseMonth(month)
		if err := faults.Err(); err != nil {
			return nil, err
		}
		of = &first
	}
	rows, err := tx.Query(ctx, listTargets, of, owner)
	if err != nil {
		return nil, fmt.Errorf("list targets: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanTarget)
	if err != nil {
		return nil, fmt.Errorf("list targets: %w", err)
	}
	return list, nil
}

// RemoveTarget takes a target away, or returns [ErrNoTarget].
func (s *Store) RemoveTarget(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	tag, err := tx.Exec(ctx, `delete from targets where id = $1`, id)
	if err != nil {
		return fmt.Errorf("remove target: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNoTarget
	}
	return nil
}

func oneTarget(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Target, error) {
	return postgres.One(ctx, tx, "read or write a target", scanTarget, ErrNoTarget, sql, args...)
}

func parseMonth(s string) (time.Time, schema.Violations) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Before(firstDay) || t.After(lastDay) {
		return t, schema.Violations{{Pointer: "/month", Rule: "format", Message: "must be a month like 2006-01"}}
	}
	return t, nil
}

// maxTarget is what the column holds.
var maxTarget = decimal.New(1, 16) //nolint:gochecknoglobals // a constant

func checkAmount(m Measure, amount decimal.Decimal) schema.Violations {
	switch {
	case !amount.IsPositive():
		return schema.Violations{{Pointer: "/amount", Rule: "exclusiveMinimum", Message: "must be positive"}}
	case amount.Cmp(maxTarget) >= 0:
		return schema.Violations{{Pointer: "/amount", Rule: "maximum", Message: "has too many digits"}}
	case !amount.Equal(amount.Truncate(documentDigits)), m == MeasureOrders && !amount.IsInteger():
		return schema.Violations{{Pointer: "/amount", Rule: "multipleOf", Message: "has too many decimals"}}
	}
	return nil
}
