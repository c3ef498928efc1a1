package report_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/report"
	"crmhub/core/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// books are an organization's, whose base currency is EUR, on 15 March 2026.
type books struct {
	db    *postgres.DB
	who   postgres.Principal
	store report.Store
}

func newBooks(t testing.TB) *books {
	t.Helper()
	return openBooks(t, postgrestest.New(t))
}

func openBooks(t testing.TB, db *postgres.DB) *books {
	t.Helper()
	return &books{db: db, who: postgrestest.Organization(t, db), store: report.Store{Now: today}}
}

func today() time.Time { return time.Date(2026, 3, 15, 9, 30, 0, 0, time.UTC) }

func (b *books) as(t testing.TB, fn func(ctx context.Context, tx pgx.Tx) error) error {
	t.Helper()
	return b.db.As(t.Context(), b.who, func(tx pgx.Tx) error { return fn(t.Context(), tx) })
}

func (b *books) run(t testing.TB, name string, given report.Parameters) report.Result {
	t.Helper()
	result, err := b.tryRun(t, name, given)
	if err != nil {
		t.Fatalf("%s %v: %v", name, given, err)
	}
	return result
}

func (b *books) tryRun(t testing.TB, name string, given report.Parameters) (result report.Result, err error) {
	t.Helper()
	r, err := report.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	err = b.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
		result, err = b.store.Run(ctx, tx, r, given)
		return err
	})
	return result, err
}

// behind returns all records behind a number, read page by page.
func (b *books) behind(t testing.TB, name string, given report.Parameters, ask report.Behind) (all []report.Row) {
	t.Helper()
	r, err := report.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	for {
		var page report.Page
		if err := b.as(t, func(ctx context.Context, tx pgx.Tx) (err error) {
			page, err = b.store.Rows(ctx, tx, r, given, ask)
			return err
		}); err != nil {
			t.Fatalf("%s %v %+v: %v", name, given, ask, err)
		}
		if all = append(all, page.Items...); page.Next == "" {
			return all
		}
		ask.After = page.Next
	}
}

// insert writes rows of a table; what every entity has is filled in.
func (b *books) insert(t testing.TB, table string, rows ...map[string]any) {
	t.Helper()
	err := b.as(t, func(ctx context.Context, tx pgx.Tx) error {
		var batch pgx.Batch
		for _, row := range rows {
			sql, values, args := "insert into "+table+" (", "", []any{}
			for column, v := range row {
				if len(args) > 0 {
					sql, values = sql+", ", values+", "
				}
				args = append(args, v)
				sql, values = sql+column, values+fmt.Sprintf("$%d", len(args))
			}
			batch.Queue(sql+") values ("+values+")", args...)
		}
		return tx.SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		t.Fatalf("insert into %s: %v", table, err)
	}
}

// entity is a row with what every entity has.
func entity(row map[string]any) map[string]any {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	all := map[string]any{"version": 1, "created_at": at, "created_by": "system", "updated_at": at, "updated_by": "system"}
	maps.Copy(all, row)
	if all["id"] == nil {
		all["id"] = newID()
	}
	return all
}

func customerRow(id uuid.UUID, name string) map[string]any {
	return entity(map[string]any{"id": id, "code": name, "name": name, "kind": "company", "lifecycle": "customer"})
}

func orderRow(customer uuid.UUID, date, untaxed string) map[string]any {
	id := newID()
	return entity(map[string]any{
		"id": id, "number": id.String(), "customer_id": customer, "date": date, "currency": "EUR", "status": "confirmed", "delivery_status": "none",
		"billing_status": "none", "payment_status": "none", "untaxed": untaxed, "tax": "0", "total": untaxed,
	})
}

func invoiceRow(customer uuid.UUID, issued, untaxed string) map[string]any {
	id := newID()
	kind := "invoice"
	if untaxed[0] == '-' {
		kind = "credit_note"
	}
	return entity(map[string]any{
		"id": id, "number": id.String(), "kind": kind, "customer_id": customer, "issue_date": issued, "currency": "EUR", "status": "issued",
		"payment_status": "unpaid", "untaxed": untaxed, "tax": "0", "total": untaxed, "residual": untaxed,
	})
}

func departmentRow(id uuid.UUID, parent *uuid.UUID, path string) map[string]any {
	return map[string]any{"id": id, "parent_id": parent, "name": id.String(), "path": path}
}

// pipelineRows are a pipeline of three stages and its two ends.
func pipelineRows(id uuid.UUID, isDefault bool) (pipeline map[string]any, stages []map[string]any) {
	for i, s := range [][]string{{"qualify", "open", "10"}, {"proposal", "open", "50"}, {"contract", "open", "90"}, {"won", "won", "100"}, {"lost", "lost", "0"}} {
		stages = append(stages, map[string]any{"pipeline_id": id, "seq": i, "code": s[0], "name": "Stage " + s[0], "kind": s[1], "probability": s[2], "rotten_days": 14})
	}
	return entity(map[string]any{"id": id, "name": id.String(), "is_default": isDefault, "is_active": true}), stages
}

// opportunityRow is one at a stage; its status follows.
func opportunityRow(pipeline, customer uuid.UUID, stage, amount string) map[string]any {
	id := newID()
	status, category := "open", "pipeline"
	probability := map[string]int{"qualify": 10, "proposal": 50, "contract": 90, "won": 100}[stage]
	switch {
	case stage == "won":
		status, category = "won", "closed"
	case stage == "lost":
		status, category = "lost", "omitted"
	case probability >= 75:
		category = "commit"
	case probability >= 50:
		category = "best_case"
	}
	row := entity(map[string]any{
		"id": id, "number": id.String(), "name": "Deal", "customer_id": customer, "pipeline_id": pipeline, "stage": stage, "stage_entered_at": "2026-02-01T12:00:00Z",
		"status": status, "amount": amount, "currency": "EUR", "rate_to_base": "1", "probability": probability, "forecast_category": category,
	})
	if status != "open" {
		row["closed_at"] = "2026-03-01T12:00:00Z"
	}
	if status == "lost" {
		row["lost_reason"] = "price"
	}
	return row
}

// ticketRow is one that must be answered within four hours and settled within a day.
func ticketRow(customer uuid.UUID, at string) map[string]any {
	id, begun := newID(), must(time.Parse(time.RFC3339, at))
	return entity(map[string]any{
		"id": id, "number": id.String(), "subject": "Leaks", "customer_id": customer, "kind": "question", "priority": "normal", "status": "new", "created_at": begun,
		"first_response_due": begun.Add(4 * time.Hour), "resolve_due": begun.Add(24 * time.Hour),
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func with(row map[string]any, columns map[string]any) map[string]any {
	maps.Copy(row, columns)
	return row
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

func dec(s any) decimal.Decimal {
	switch s := s.(type) {
	case string:
		return decimal.RequireFromString(s)
	case int64:
		return decimal.NewFromInt(s)
	default:
		return decimal.Zero
	}
}

// rules are the violations in err as "pointer rule".
func rules(err error) []string {
	var vs schema.Violations
	if !errors.As(err, &vs) {
		return []string{fmt.Sprint(err)}
	}
	var out []string
	for _, v := range vs {
		out = append(out, v.Pointer+" "+v.Rule)
	}
	return out
}
