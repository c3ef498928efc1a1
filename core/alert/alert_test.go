package alert

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// office is an organization with a connection, a job and somebody who is told of alerts.
type office struct {
	testing.TB
	db              *postgres.DB
	who             postgres.Principal
	store           *notify.Store
	connection, job uuid.UUID
}

func newOffice(t testing.TB) *office {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{TB: t, db: postgrestest.New(t), store: &notify.Store{Key: key}, connection: uuid.New(), job: uuid.New()}
	o.who = postgrestest.Organization(t, o.db)
	o.who.Actor = postgres.System
	o.exec("insert into connections (id, code, name, connector) values ($1, 'erp', 'ERP', 'stub')", o.connection)
	o.exec("insert into jobs (id, connection_id, name, kind, entity) values ($1, $2, 'pull order', 'pull', 'order')", o.job, o.connection)
	o.as(func(tx pgx.Tx) error {
		_, _, err := o.store.Add(t.Context(), tx, notify.New{Name: "ops", Target: "https://ops.example.com", Events: []string{"alert.*"}})
		return err
	})
	return o
}

func (o *office) as(fn func(tx pgx.Tx) error) {
	o.Helper()
	if err := o.db.As(o.Context(), o.who, fn); err != nil {
		o.Fatal(err)
	}
}

func (o *office) exec(sql string, args ...any) {
	o.Helper()
	o.as(func(tx pgx.Tx) error {
		_, err := tx.Exec(o.Context(), sql, args...)
		return err
	})
}

// look looks, and returns what is open and what was announced so far, the last first.
func (o *office) look() (open []Kind, told []string) {
	o.Helper()
	o.as(func(tx pgx.Tx) error { return Look(o.Context(), tx) })
	o.as(func(tx pgx.Tx) error {
		list, err := List(o.Context(), tx, Filter{Status: "open", Limit: 100})
		for _, a := range list.Items {
			open = append(open, a.Kind)
		}
		if err != nil {
			return err
		}
		deliveries, err := o.store.Deliveries(o.Context(), tx, notify.Filter{Limit: 100})
		for _, d := range deliveries.Items {
			told = append(told, d.Event+" "+d.Summary)
		}
		return err
	})
	slices.Sort(open)
	return open, told
}

func (o *office) run(status string) {
	o.Helper()
	o.exec(`insert into runs (id, job_id, cause, status, queued_at, finished_at, failed) values (gen_random_uuid(), $1, 'schedule', $2, clock_timestamp(), clock_timestamp(), 3)`, o.job, status)
}

func TestConditionHasOneAlertUntilItEnds(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("succeeded")
	if open, told := o.look(); open != nil || told != nil {
		t.Errorf("all is well, but: %v %v", open, told)
	}
	o.run("failed")
	o.look()
	open, told := o.look()
	if diff := cmp.Diff([]Kind{RunFailed}, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"alert.opened run failed: pull order (erp)"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	o.as(func(tx pgx.Tx) error {
		n, err := waiting(t.Context(), tx)
		if n != 1 {
			t.Errorf("%d wait for somebody", n)
		}
		list, err2 := List(t.Context(), tx, Filter{Kind: RunFailed, Limit: 1})
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		a, err := Acknowledge(t.Context(), tx, list.Items[0].ID)
		if a.AcknowledgedAt == nil || a.AcknowledgedBy != "system" || a.ResolvedAt != nil {
			t.Errorf("acknowledged: %+v", a)
		}
		if n, _ = waiting(t.Context(), tx); n != 0 {
			t.Errorf("%d wait for somebody who looks after it", n)
		}
		return err
	})
	o.run("succeeded")
	open, told = o.look()
	if open != nil || len(told) != 2 || told[0] != "alert.resolved resolved: run failed: pull order (erp)" {
		t.Errorf("after it ended: %v %v", open, told)
	}
	o.run("suspect")
	if open, told = o.look(); len(open) != 1 || len(told) != 3 {
		t.Errorf("when it holds again: %v %v", open, told)
	}
}

// An amount in another currency that nobody gave a rate for counts as it is, in each report: somebody has to know.
func TestDocumentsWithoutARateAreSeen(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	customer := uuid.New()
	o.exec(`insert into customers (id, version, code, name, kind, lifecycle, created_at, created_by, updated_at, updated_by)
		values ($1, 1, 'C', 'C', 'company', 'lead', now(), 'system', now(), 'system')`, customer)
	order := func(currency, rate string) {
		o.exec(`insert into orders (id, number, customer_id, date, currency, rate_to_base, status, delivery_status, billing_status, payment_status, untaxed, tax, total, version,
				created_at, created_by, updated_at, updated_by)
			values (gen_random_uuid(), gen_random_uuid()::text, $1, '2026-11-20', $2, $3, 'confirmed', 'none', 'none', 'none', 1, 0, 1, 1, now(), 'system', now(), 'system')`,
			customer, currency, rate)
	}
	rate := func(currency, day, rate string) {
		o.exec(`insert into currency_rates (id, version, base, currency, date, rate, created_at, created_by, updated_at, updated_by)
			select gen_random_uuid(), 1, base_currency, $1, $2, $3, now(), 'system', now(), 'system' from organizations where id = crmhub_organization()`, currency, day, rate)
	}
	order("EUR", "1")
	order("USD", "0.9")
	order("BAM", "1")
	rate("BAM", "2026-11-01", "1")
	if open, _ := o.look(); open != nil {
		t.Errorf("all have a rate, but: %v", open)
	}
	order("JPY", "1")
	order("JPY", "1")
	rate("JPY", "2026-11-01", "0.006") // too late for those
	open, told := o.look()
	if !slices.Equal(open, []Kind{RateMissing}) || len(told) != 1 || told[0] != "alert.opened rate missing: JPY" {
		t.Errorf("%v %v", open, told)
	}
	o.exec("update orders set rate_to_base = 0.006 where currency = 'JPY'")
	if open, _ := o.look(); open != nil {
		t.Errorf("mended, but: %v", open)
	}
}

func TestEachConditionIsSeen(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	link := `insert into links (id, connection_id, entity, entity_id, state, wanted_version, next_attempt_at) values (gen_random_uuid(), $1, 'order', gen_random_uuid(), 'pending', 1, now() - $2::interval)`
	letter := `insert into dead_letters (id, connection_id, direction, entity, remote_id, stage, class, message, fingerprint) values (gen_random_uuid(), $1, 'pull', 'order', gen_random_uuid()::text, 'schema', 'data', 'bad', 'f')`
	o.exec(link, o.connection, "9 minutes")
	if open, _ := o.look(); open != nil {
		t.Errorf("too early: %v", open)
	}
	o.exec(link, o.connection, "11 minutes")
	o.exec(letter, o.connection)
	o.exec(`insert into conflicts (id, connection_id, entity, entity_id, field) values (gen_random_uuid(), $1, 'order', gen_random_uuid(), 'total')`, o.connection)
	o.exec(`update subscriptions set failing_since = now() - interval '2 hours'`)
	o.exec(`insert into breakers (connection_id, state, since) values ($1, 'open', now() - interval '2 minutes')`, o.connection)
	o.exec(`insert into reconciliations (id, connection_id, run_id, entity, verdict, mapping_version)
		values ('00000000-0000-7000-8000-000000000001', $1, gen_random_uuid(), 'order', 'differs', '1'), ('00000000-0000-7000-8000-000000000002', $1, gen_random_uuid(), 'order', 'failed', '1')`, o.connection)
	o.exec(`insert into differences (id, reconciliation_id, kind) values (gen_random_uuid(), '00000000-0000-7000-8000-000000000001', 'missing_there')`)
	o.exec(`insert into drift_findings (id, connection_id, entity, record, kind, pointer, count, of, run_id)
		values (gen_random_uuid(), $1, 'order', 'sale', 'new_field', '/extra', 1, 1, gen_random_uuid())`, o.connection)
	open, _ := o.look()
	if diff := cmp.Diff([]Kind{Conflicts, ConnectionHeld, DeadLetters, PushLag, ReconciliationDiffers, SchemaDrift, SubscriptionFailing}, open); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	o.exec(`update breakers set state = 'closed'`)
	o.exec(`update differences set state = 'mended'`)
	o.exec(`update drift_findings set acknowledged_at = now()`)
	o.as(func(tx pgx.Tx) error {
		_, err := UpdateSettings(t.Context(), tx, Settings{LagMinutes: 60, DeadLetters: 2, Conflicts: 1, Muted: []Kind{SubscriptionFailing}})
		return err
	})
	if open, _ = o.look(); !slices.Equal(open, []Kind{Conflicts}) {
		t.Errorf("with other settings: %v", open)
	}
	o.exec(letter, o.connection)
	o.exec(`update connections set status = 'paused'`)
	if open, _ = o.look(); !slices.Equal(open, []Kind{Conflicts, DeadLetters}) {
		t.Errorf("of a paused connection: %v", open)
	}
}

func TestWrongSettingsAreRefusedWhole(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	err := o.db.As(t.Context(), o.who, func(tx pgx.Tx) error {
		_, err := UpdateSettings(t.Context(), tx, Settings{DeadLetters: 1, Conflicts: 2_000_000, Muted: []Kind{PushLag, "noise"}})
		return err
	})
	vs, _ := errors.AsType[schema.Violations](err)
	var pointers []string
	for _, v := range vs {
		pointers = append(pointers, v.Pointer)
	}
	if diff := cmp.Diff([]string{"/lag_minutes", "/conflicts", "/muted/1"}, pointers); diff != "" {
		t.Errorf("at fault (-want +got):\n%s", diff)
	}
}

func TestListGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for range 5 {
		o.exec(`insert into alerts (kind, subject, name, opened_at) values ('run_failed', gen_random_uuid()::text, 'x', '2026-09-01')`)
	}
	seen := map[uuid.UUID]bool{}
	o.as(func(tx pgx.Tx) error {
		for after, pages := "", 0; ; pages++ {
			list, err := List(t.Context(), tx, Filter{After: after, Limit: 2})
			if err != nil {
				return err
			}
			for _, a := range list.Items {
				seen[a.ID] = true
			}
			if list.Next == "" {
				if len(seen) != 5 || pages != 2 {
					t.Errorf("%d alerts on %d pages", len(seen), pages+1)
				}
				return nil
			}
			after = list.Next
		}
	})
	for _, after := range []string{"x", "eA", "!"} {
		err := o.db.As(t.Context(), o.who, func(tx pgx.Tx) error {
			_, err := List(t.Context(), tx, Filter{After: after, Limit: 2})
			return err
		})
		if !errors.Is(err, postgres.ErrPlace) {
			t.Errorf("%s: %v", after, err)
		}
	}
}

func TestOneWatcherLooksAtEveryOrganization(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	other := *o
	other.who = postgrestest.Organization(t, o.db)
	other.who.Actor = postgres.System
	o.run("failed")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() { done <- (&Watcher{DB: o.db, Logger: slog.New(slog.DiscardHandler)}).Run(ctx) }()
	}
	for deadline, n := time.Now().Add(2*time.Minute), 0; n == 0; {
		o.as(func(tx pgx.Tx) (err error) { n, err = waiting(t.Context(), tx); return err })
		if time.Now().After(deadline) {
			t.Fatal("nobody looked")
		}
	}
	cancel()
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
	other.as(func(tx pgx.Tx) error {
		n, err := waiting(t.Context(), tx)
		if n != 0 {
			t.Error("one sees another's alerts")
		}
		return err
	})
}

// waiting is how many alerts are open that nobody looks after.
func waiting(ctx context.Context, tx pgx.Tx) (n int, err error) {
	err = tx.QueryRow(ctx, `select count(*) from alerts where resolved_at is null and acknowledged_at is null`).Scan(&n)
	return n, err
}
