package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Kind says which condition holds.
type Kind string

// The kinds.
const (
	RunFailed             Kind = "run_failed"             // the last run of a job failed, or found suspiciously little
	PushLag               Kind = "push_lag"               // something waits to be pushed for longer than it should
	ConnectionHeld        Kind = "connection_held"        // a system is away, or refuses the credentials
	DeadLetters           Kind = "dead_letters"           // records were refused
	Conflicts             Kind = "conflicts"              // fields were changed on both sides
	ReconciliationDiffers Kind = "reconciliation_differs" // the last comparison found what is still to be mended
	SubscriptionFailing   Kind = "subscription_failing"   // a receiver does not answer, or was given up
	SchemaDrift           Kind = "schema_drift"           // records look other than before, and nobody said that he knows
	RateMissing           Kind = "rate_missing"           // documents in another currency count at 1, since no rate was kept for their day
)

// Kinds are all there are.
var Kinds = []Kind{RunFailed, PushLag, ConnectionHeld, DeadLetters, Conflicts, ReconciliationDiffers, SubscriptionFailing, SchemaDrift, RateMissing} //nolint:gochecknoglobals // a list

// Alert is a condition that holds, or held.
type Alert struct {
	ID             uuid.UUID       `json:"id"`
	Kind           Kind            `json:"kind"`
	Subject        string          `json:"subject"` // the id of the job, connection or subscription; of a comparison the connection's and the entity; a currency
	Name           string          `json:"name"`    // of the subject, for people
	Detail         json.RawMessage `json:"detail"`  // of the condition as last seen
	OpenedAt       time.Time       `json:"opened_at"`
	SeenAt         time.Time       `json:"seen_at"` // when the condition was last seen to hold
	ResolvedAt     *time.Time      `json:"resolved_at,omitempty"`
	AcknowledgedAt *time.Time      `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string          `json:"acknowledged_by,omitempty"`
}

// Summary is the alert in one sentence without personal data.
func (a Alert) Summary() string {
	s := strings.ReplaceAll(string(a.Kind), "_", " ") + ": " + a.Name
	if a.ResolvedAt != nil {
		return "resolved: " + s
	}
	return s
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the alert does not exist")
)

const (
	columns     = `id, kind, subject, name, detail, opened_at, seen_at, resolved_at, acknowledged_at, coalesce(acknowledged_by, '')`
	selectAlert = `select ` + columns + ` from alerts`
)

func scan(row pgx.CollectableRow) (a Alert, err error) {
	err = row.Scan(&a.ID, &a.Kind, &a.Subject, &a.Name, &a.Detail, &a.OpenedAt, &a.SeenAt, &a.ResolvedAt, &a.AcknowledgedAt, &a.AcknowledgedBy)
	return a, err
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Alert, error) {
	return postgres.One(ctx, tx, "read or write an alert", scan, ErrNotFound, sql, args...)
}

// Get returns an alert, or ErrNotFound.
func Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Alert, error) {
	return one(ctx, tx, selectAlert+` where id = $1`, id)
}

// Filter chooses alerts; the zero value takes all.
type Filter struct {
	Status string // "open", "resolved" or ""
	Kind   Kind
	After  string // Next of the page before
	Limit  int
}

const selectList = selectAlert + `
where ($1 = '' or ($1 = 'open') = (resolved_at is null)) and ($2 = '' or kind = $2) and ($3::timestamptz is null or (opened_at, id) < ($3, $4::uuid))
order by opened_at desc, id desc
limit $5`

// List returns alerts, the one opened last first. Errors: [postgres.ErrPlace].
func List(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Alert], err error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return p, err
	}
	before, _, id := after.Args()
	return postgres.List(ctx, tx, "list alerts", scan, f.Limit,
		func(one Alert) string { return postgres.Place{At: one.OpenedAt, ID: one.ID}.String() }, selectList, f.Status, f.Kind, before, id)
}

const acknowledge = `
update alerts set acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, crmhub_actor())
where id = $1
returning ` + columns

// Acknowledge says that somebody looks after it. It stays open until its condition ends. Errors: [ErrNotFound].
func Acknowledge(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Alert, error) {
	a, err := one(ctx, tx, acknowledge, id)
	if err != nil {
		return Alert{}, err
	}
	return a, audit.Record(ctx, tx, audit.Act{Action: "acknowledged", Entity: "alert", EntityID: id, Detail: map[string]any{"kind": a.Kind, "subject": a.Subject}})
}

// Settings say from when on something is worth an alert.
type Settings struct {
	LagMinutes  int    `json:"lag_minutes" minimum:"1" maximum:"10080" doc:"How long something may wait to be pushed."`
	DeadLetters int    `json:"dead_letters" minimum:"1" maximum:"1000000" doc:"How many open dead letters of a connection."`
	Conflicts   int    `json:"conflicts" minimum:"1" maximum:"1000000" doc:"How many open conflicts of a connection."`
	Muted       []Kind `json:"muted" nullable:"false" doc:"Kinds that are not watched."`
}

func (s Settings) check() (vs schema.Violations) {
	most := func(field string, value, limit int) {
		if value < 1 || value > limit {
			vs = append(vs, schema.Violation{Pointer: "/" + field, Rule: "range", Message: "must be 1 to " + strconv.Itoa(limit)})
		}
	}
	most("lag_minutes", s.LagMinutes, 7*24*60)
	most("dead_letters", s.DeadLetters, 1_000_000)
	most("conflicts", s.Conflicts, 1_000_000)
	for i, kind := range s.Muted {
		if !slices.Contains(Kinds, kind) {
			vs = append(vs, schema.Violation{Pointer: "/muted/" + strconv.Itoa(i), Rule: "enum", Message: "is no kind of alert"})
		}
	}
	return vs
}

// GetSettings returns the organization's settings.
func GetSettings(ctx context.Context, tx pgx.Tx) (Settings, error) {
	s := Settings{LagMinutes: 10, DeadLetters: 1, Conflicts: 1, Muted: []Kind{}}
	err := tx.QueryRow(ctx, `select lag_minutes, dead_letters, conflicts, muted from alert_settings`).Scan(&s.LagMinutes, &s.DeadLetters, &s.Conflicts, &s.Muted)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Settings{}, fmt.Errorf("read the settings of alerts: %w", err)
	}
	return s, nil
}

const writeSettings = `
insert into alert_settings (lag_minutes, dead_letters, conflicts, muted) values ($1, $2, $3, $4)
on conflict (organization_id) do update set lag_minutes = $1, dead_letters = $2, conflicts = $3, muted = $4, updated_at = now(), updated_by = crmhub_actor()`

// UpdateSettings changes them. What is wrong is [schema.Violations].
func UpdateSettings(ctx context.Context, tx pgx.Tx, s Settings) (Settings, error) {
	if err := s.check().Err(); err != nil {
		return Settings{}, err
	}
	old, err := GetSettings(ctx, tx)
	if err != nil {
		return Settings{}, err
	}
	if s.Muted == nil {
		s.Muted = []Kind{}
	}
	if _, err := tx.Exec(ctx, writeSettings, s.LagMinutes, s.DeadLetters, s.Conflicts, s.Muted); err != nil {
		return Settings{}, fmt.Errorf("change the settings of alerts: %w", err)
	}
	changed, err := audit.Diff(old, s)
	if err != nil {
		return Settings{}, err
	}
	return s, audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "alert_settings", Detail: changed})
}
