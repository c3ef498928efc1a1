package notify

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// DeliveryStatus says where a delivery stands.
type DeliveryStatus string

// The statuses.
const (
	Pending   DeliveryStatus = "pending"
	Delivered DeliveryStatus = "delivered"
	Failed    DeliveryStatus = "failed" // tried for three days; it can be sent again
)

// DeliveryStatuses are all there are.
var DeliveryStatuses = []DeliveryStatus{Pending, Delivered, Failed} //nolint:gochecknoglobals // a list

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID             uuid.UUID      `json:"id"`
	SubscriptionID uuid.UUID      `json:"subscription_id"`
	EventID        uuid.UUID      `json:"event_id"` // the webhook-id header
	Event          string         `json:"event"`
	Summary        string         `json:"summary"`
	Status         DeliveryStatus `json:"status"`
	Attempts       []Attempt      `json:"attempts"`
	NextAttemptAt  *time.Time     `json:"next_attempt_at,omitempty"` // nil unless pending
	CreatedAt      time.Time      `json:"created_at"`
	DeliveredAt    *time.Time     `json:"delivered_at,omitempty"`

	// Body is what is sent. Lists leave it out.
	Body json.RawMessage `json:"body,omitempty"`
}

// Attempt is one try to deliver.
type Attempt struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty"` // of HTTP, or of SMTP; absent if there was no answer
	Error      string    `json:"error,omitempty"`
}

const (
	deliveryColumns = `id, subscription_id, event_id, event, summary, status, attempts, case when status = 'pending' then next_attempt_at end,
	created_at, delivered_at, body`
	selectDelivery = `select ` + deliveryColumns + ` from deliveries`
)

func scanDelivery(row pgx.CollectableRow) (d Delivery, err error) {
	var body string
	err = row.Scan(&d.ID, &d.SubscriptionID, &d.EventID, &d.Event, &d.Summary, &d.Status, &d.Attempts, &d.NextAttemptAt, &d.CreatedAt, &d.DeliveredAt, &body)
	d.Body = json.RawMessage(body)
	return d, err
}

func oneDelivery(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Delivery, error) {
	return postgres.One(ctx, tx, "read or write a delivery", scanDelivery, ErrNotFound, sql, args...)
}

// Delivery returns one with its body, or ErrNotFound.
func (s *Store) Delivery(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Delivery, error) {
	return oneDelivery(ctx, tx, selectDelivery+` where id = $1`, id)
}

// Filter chooses deliveries; the zero value takes all.
type Filter struct {
	Subscription uuid.UUID
	Status       DeliveryStatus
	After        string // Next of the page before
	Limit        int
}

const listDeliveries = `
select id, subscription_id, event_id, event, summary, status, attempts, case when status = 'pending' then next_attempt_at end,
	created_at, delivered_at, ''
from deliveries
where ($1::uuid is null or subscription_id = $1) and ($2 = '' or status = $2) and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
order by created_at desc, id desc
limit $5`

// Deliveries lists the newest first, without bodies. Errors: [postgres.ErrPlace].
func (s *Store) Deliveries(ctx context.Context, tx pgx.Tx, f Filter) (p postgres.Page[Delivery], err error) {
	after, err := postgres.ParsePlace(f.After)
	if err != nil {
		return p, err
	}
	before, _, id := after.Args()
	return postgres.List(ctx, tx, "list deliveries", scanDelivery, f.Limit,
		func(d Delivery) string { return postgres.Place{At: d.CreatedAt, ID: d.ID}.String() }, listDeliveries, postgres.OrNull(f.Subscription), f.Status, before, id)
}

const resend = `
update deliveries set status = 'pending', next_attempt_at = now(), tries = 0, delivered_at = null
where id = $1
returning ` + deliveryColumns

// Resend sends a delivery again, whatever became of it, with the same id. Errors: [ErrNotFound].
func (s *Store) Resend(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Delivery, error) {
	d, err := oneDelivery(ctx, tx, resend, id)
	if err != nil {
		return Delivery{}, err
	}
	return d, wake(ctx, tx)
}
