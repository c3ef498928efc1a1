package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/signature"
)

// Store reads and writes subscriptions in the caller's transaction.
type Store struct {
	Key      secret.Key // seals the secrets
	Entities []string   // whose changes can be subscribed to
	Mails    bool       // there is a mail server
}

const (
	columns = `id, version, name, target, events, status, failing_since, secret_ends_at, coalesce(disabled_cause, ''),
	created_at, created_by, updated_at, updated_by`
	selectSubscription = `select ` + columns + ` from subscriptions`
)

func scan(row pgx.CollectableRow) (s Subscription, err error) {
	err = row.Scan(&s.ID, &s.Version, &s.Name, &s.Target, &s.Events, &s.Status, &s.FailingSince, &s.SecretEndsAt, &s.DisabledCause,
		&s.CreatedAt, &s.CreatedBy, &s.UpdatedAt, &s.UpdatedBy)
	return s, err
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Subscription, error) {
	return postgres.One(ctx, tx, "read or write a subscription", scan, ErrNotFound, sql, args...)
}

// Get returns a subscription, or ErrNotFound.
func (s *Store) Get(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Subscription, error) {
	return one(ctx, tx, selectSubscription+` where id = $1`, id)
}

// List returns all subscriptions of the organization by name. There are few: they are set up by hand.
func (s *Store) List(ctx context.Context, tx pgx.Tx) ([]Subscription, error) {
	return postgres.All(ctx, tx, "list subscriptions", scan, selectSubscription+` order by name, id`)
}

const insertSubscription = `
insert into subscriptions (id, name, target, events, secrets) values ($1, $2, $3, $4, $5)
returning ` + columns

// Add stores a new, active subscription, which is told of what happens from now on. It returns the secret that its webhooks are
// signed with, which nobody can read later; mails have none. Everything wrong is [schema.Violations].
func (s *Store) Add(ctx context.Context, tx pgx.Tx, in New) (Subscription, secret.Text, error) {
	vs := s.check(in.Name, in.Target, in.Events)
	key := in.Secret
	if key.IsZero() {
		key = signature.NewSecret()
	} else if err := signature.CheckSecret(key); err != nil {
		vs = append(vs, schema.Violation{Pointer: "/secret", Rule: "format", Message: err.Error()})
	}
	if err := vs.Err(); err != nil {
		return Subscription{}, secret.Text{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Subscription{}, secret.Text{}, fmt.Errorf("add subscription: %w", err)
	}
	sealed, err := s.Key.Seal(id.String(), map[string]secret.Text{current: key})
	if err != nil {
		return Subscription{}, secret.Text{}, fmt.Errorf("add subscription: %w", err)
	}
	added, err := one(ctx, tx, insertSubscription, id, in.Name, in.Target, in.Events, sealed)
	if err != nil {
		return Subscription{}, secret.Text{}, err
	}
	if added.Mail() {
		key = secret.Text{}
	}
	return added, key, record(ctx, tx, "created", added.ID, added.Version, shown(added))
}

const updateSubscription = `
update subscriptions
set name = $2, target = $3, events = $4, status = $5, version = version + 1, updated_at = now(), updated_by = crmhub_actor(),
	failing_since = case when target = $3 and status = $5 then failing_since end,
	disabled_cause = null,
	since = case when status = 'active' then since else now() end
where id = $1
returning ` + columns

// Update changes a subscription last seen in the given version. One that was not active is told of what happens from then on.
// Errors: [schema.Violations], [ErrNotFound], [ErrStale].
func (s *Store) Update(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64, in Change) (Subscription, error) {
	old, err := s.lock(ctx, tx, id, version)
	if err != nil {
		return Subscription{}, err
	}
	vs := s.check(in.Name, in.Target, in.Events)
	if !slices.Contains([]Status{Active, Paused}, in.Status) {
		vs = append(vs, schema.Violation{Pointer: "/status", Rule: "enum", Message: "must be active or paused"})
	}
	if err := vs.Err(); err != nil {
		return Subscription{}, err
	}
	got, err := one(ctx, tx, updateSubscription, id, in.Name, in.Target, in.Events, in.Status)
	if err != nil {
		return Subscription{}, err
	}
	changed, err := audit.Diff(shown(old), shown(got))
	if err != nil {
		return Subscription{}, err
	}
	return got, record(ctx, tx, "updated", id, got.Version, changed)
}

// Delete removes a subscription last seen in the given version, with its deliveries. Errors: [ErrNotFound], [ErrStale].
func (s *Store) Delete(ctx context.Context, tx pgx.Tx, id uuid.UUID, version int64) error {
	old, err := s.lock(ctx, tx, id, version)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from subscriptions where id = $1`, id); err != nil {
		return fmt.Errorf("delete a subscription: %w", err)
	}
	return record(ctx, tx, "deleted", id, version, shown(old))
}

// The names of the sealed secrets.
const (
	current  = "current"
	previous = "previous"
)

// overlap is how long the secret before signs, too, so that a receiver can change to the new one without missing anything.
const overlap = 24 * time.Hour

const rotateSecret = `
update subscriptions
set secrets = $2, secret_ends_at = now() + $3::interval, version = version + 1, updated_at = now(), updated_by = crmhub_actor()
where id = $1
returning ` + columns

// RotateSecret gives a subscription a new secret, and returns it. For a day both sign. Errors: [ErrNotFound], [ErrMail].
func (s *Store) RotateSecret(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Subscription, secret.Text, error) {
	none := secret.Text{}
	old, err := s.lock(ctx, tx, id, 0)
	if err != nil {
		return Subscription{}, none, err
	}
	if old.Mail() {
		return Subscription{}, none, ErrMail
	}
	var sealed []byte
	if err := tx.QueryRow(ctx, `select secrets from subscriptions where id = $1`, id).Scan(&sealed); err != nil {
		return Subscription{}, none, fmt.Errorf("read a subscription's secret: %w", err)
	}
	secrets, err := s.Key.Open(id.String(), sealed)
	if err != nil {
		return Subscription{}, none, fmt.Errorf("open a subscription's secret: %w", err)
	}
	fresh := signature.NewSecret()
	sealed, err = s.Key.Seal(id.String(), map[string]secret.Text{current: fresh, previous: secrets[current]})
	if err != nil {
		return Subscription{}, none, fmt.Errorf("seal a subscription's secret: %w", err)
	}
	got, err := one(ctx, tx, rotateSecret, id, sealed, overlap.String())
	if err != nil {
		return Subscription{}, none, err
	}
	return got, fresh, record(ctx, tx, "secret_rotated", id, got.Version, nil)
}

// Test announces an event to one subscription alone, whatever it subscribed to, and returns its delivery.
func (s *Store) Test(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Delivery, error) {
	sub, err := s.Get(ctx, tx, id)
	if err != nil {
		return Delivery{}, err
	}
	e, err := NewEvent("subscription.test", "This is a test.", map[string]any{"subscription_id": sub.ID, "name": sub.Name})
	if err != nil {
		return Delivery{}, err
	}
	return announceTo(ctx, tx, id, e)
}

// lock returns a subscription if it still has the version that was seen; 0 is any.
func (s *Store) lock(ctx context.Context, tx pgx.Tx, id uuid.UUID, seen int64) (Subscription, error) {
	old, err := one(ctx, tx, selectSubscription+` where id = $1 for update`, id)
	if err == nil && seen != 0 && seen != old.Version {
		return old, ErrStale
	}
	return old, err
}

// shown is what the trail says of a subscription. An address may name a person; who reads the trail may.
func shown(s Subscription) map[string]any {
	return map[string]any{"name": s.Name, "target": s.Target, "events": s.Events, "status": s.Status}
}

func record(ctx context.Context, tx pgx.Tx, action string, id uuid.UUID, version int64, detail any) error {
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: "subscription", EntityID: id, Version: version, Detail: detail})
}
