package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/bus"
)

// Event is something that happened.
type Event struct {
	ID      uuid.UUID
	Type    string    // "order.created", "alert.opened"
	Time    time.Time // when; a subscription younger than that is not told
	Summary string    // one sentence without personal data: the subject of a mail
	Data    json.RawMessage

	Entity   string    // of a change; "" for others
	EntityID uuid.UUID // of a change
	Version  int64     // of a change: what receivers order by
}

// NewEvent is an event that happens now.
func NewEvent(eventType, summary string, data any) (Event, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Event{}, fmt.Errorf("make an event: %w", err)
	}
	b, err := json.Marshal(data)
	if err != nil {
		return Event{}, fmt.Errorf("make an event: %w", err)
	}
	return Event{ID: id, Type: eventType, Time: time.Now(), Summary: summary, Data: b}, nil
}

// fromTopic is a change as subscriptions hear of it.
func fromTopic(e bus.Event) Event {
	var named struct{ Number, Code string }
	_ = json.Unmarshal(e.Data, &named) // the schema was checked when it was written; without a name the id will do
	name := named.Number
	if name == "" {
		name = named.Code
	}
	if name == "" {
		name = e.EntityID.String()
	}
	return Event{
		ID: e.ID, Type: e.Entity + "." + e.Type, Time: e.Time, Data: e.Data, Entity: e.Entity, EntityID: e.EntityID, Version: e.Version,
		Summary: e.Entity + " " + name + " " + e.Type + " (version " + strconv.FormatInt(e.Version, 10) + ")",
	}
}

// body is what is sent: type, timestamp and data as Standard Webhooks recommends, and what else a receiver needs.
func (e Event) body() ([]byte, error) {
	type body struct {
		ID        uuid.UUID       `json:"id"`
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Summary   string          `json:"summary"`
		Entity    string          `json:"entity,omitempty"`
		EntityID  *uuid.UUID      `json:"entity_id,omitempty"`
		Version   int64           `json:"version,omitempty"`
		Data      json.RawMessage `json:"data"`
	}
	b := body{ID: e.ID, Type: e.Type, Timestamp: e.Time.UTC(), Summary: e.Summary, Entity: e.Entity, Version: e.Version, Data: e.Data}
	if e.EntityID != uuid.Nil {
		b.EntityID = &e.EntityID
	}
	text, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("write event %s: %w", e.ID, err)
	}
	return text, nil
}

// A topic may bring an event again: each subscription has it once.
const insertDeliveries = `
with events as (
	select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[]) e (id, type, happened_at, summary, body)
), made as (
	insert into deliveries (id, subscription_id, event_id, event, summary, body)
	select gen_random_uuid(), s.id, e.id, e.type, e.summary, e.body
	from events e
	join subscriptions s on s.events && array[e.type, split_part(e.type, '.', 1) || '.*', '*']
	where s.status = 'active' and e.happened_at >= s.since
	on conflict (organization_id, subscription_id, event_id) do nothing
	returning 1
)
select count(*), case when count(*) > 0 then pg_notify($6, '') is not null end from made`

// Announce makes a delivery of each event for each subscription that wants it, in the transaction of the one who announces.
func Announce(ctx context.Context, tx pgx.Tx, events ...Event) error {
	n := len(events)
	ids, types, times := make([]uuid.UUID, n), make([]string, n), make([]time.Time, n)
	summaries, bodies := make([]string, n), make([]string, n)
	for i, e := range events {
		b, err := e.body()
		if err != nil {
			return err
		}
		ids[i], types[i], times[i], summaries[i], bodies[i] = e.ID, e.Type, e.Time, e.Summary, string(b)
	}
	if _, err := tx.Exec(ctx, insertDeliveries, ids, types, times, summaries, bodies, channel); err != nil {
		return fmt.Errorf("announce %d events: %w", n, err)
	}
	return nil
}

const insertOne = `
insert into deliveries (id, subscription_id, event_id, event, summary, body) values (gen_random_uuid(), $1, $2, $3, $4, $5)
returning ` + deliveryColumns

func announceTo(ctx context.Context, tx pgx.Tx, subscription uuid.UUID, e Event) (Delivery, error) {
	b, err := e.body()
	if err != nil {
		return Delivery{}, err
	}
	d, err := oneDelivery(ctx, tx, insertOne, subscription, e.ID, e.Type, e.Summary, string(b))
	if err != nil {
		return Delivery{}, err
	}
	return d, wake(ctx, tx)
}

// channel is what a sender listens to.
const channel = "crmhub_notify"

func wake(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `select pg_notify($1, '')`, channel); err != nil {
		return fmt.Errorf("wake the sender: %w", err)
	}
	return nil
}
