package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Message is one that counted. Its body is not kept: it may hold people's data, and what it speaks of is pulled.
type Message struct {
	ID           uuid.UUID   `json:"id"`
	ConnectionID uuid.UUID   `json:"connection_id"`
	MessageID    string      `json:"message_id"` // the sender's, or the digest of the body
	Size         int         `json:"size"`       // of the body, in bytes
	Said         string      `json:"said,omitempty"`
	Runs         []uuid.UUID `json:"runs"` // that it asked for
	ReceivedAt   time.Time   `json:"received_at"`
}

// Receiver takes messages in.
type Receiver struct {
	DB    *postgres.DB
	Store *Store
	Now   func() time.Time // nil: time.Now
}

const findWebhook = `select organization_id, ` + columns + ` from webhooks where id = $1`

// Receive takes in a message at the address of a webhook. A message that came before is taken for received. Errors: [ErrNotFound],
// [ErrRefused].
func (r *Receiver) Receive(ctx context.Context, id uuid.UUID, h http.Header, body []byte) error {
	var (
		w            Webhook
		organization uuid.UUID
	)
	err := r.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, findWebhook, id).Scan(&organization, &w.ConnectionID, &w.ID, &w.Scheme, &w.Header, &w.Pointer, &w.Entities,
			&w.CreatedAt, &w.UpdatedAt, &w.UpdatedBy, &w.sealed)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("look up a webhook: %w", err)
	}
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	message, err := r.Store.verify(w, h, now(), body)
	if err != nil {
		return err
	}
	said := w.said(body)
	who := postgres.Principal{Organization: organization, Actor: postgres.Connection(w.ConnectionID)}
	return r.DB.As(ctx, who, func(tx pgx.Tx) error { return store(ctx, tx, w, message, said, len(body)) })
}

// said is what the body says changed; "" where nobody asks, or it does not say.
func (w Webhook) said(body []byte) string {
	if w.Pointer == "" {
		return ""
	}
	doc, err := schema.DecodeJSON(body)
	if err != nil {
		return ""
	}
	return schema.TextAt(doc, w.Pointer)
}

// A message that is there already changes nothing: with the body's digest for an id, that holds until its runs have begun, since an
// equal message later may well mean another change.
const (
	insertMessage = `
insert into webhook_messages (id, connection_id, message_id, size, said)
select $1, $2, $3, $4, $5
where not exists (
	select from webhook_messages m
	where m.connection_id = $2 and m.message_id = $3
		and ($6 or exists (select from runs r where r.id = any(m.runs) and r.status = 'queued')))
on conflict do nothing
returning id`
	selectPulls = `select id from jobs where connection_id = $1 and kind = 'pull' and status = 'active' and ($2 = '' or entity = $2) order by entity`
	noteRuns    = `update webhook_messages set runs = $2 where id = $1`
	deleteOld   = `delete from webhook_messages where connection_id = $1 and received_at < now() - interval '30 days'`
)

// longestSaid bounds what is kept of a body.
const longestSaid = 200

func store(ctx context.Context, tx pgx.Tx, w Webhook, message, said string, size int) error {
	entity, known := w.Entities[said]
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	kept := said
	if len(kept) > longestSaid || !known {
		kept = "" // it may be anything
	}
	err = tx.QueryRow(ctx, insertMessage, id, w.ConnectionID, message, size, kept, w.Scheme == Standard).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // it came before
	}
	if err != nil {
		return fmt.Errorf("store a message: %w", err)
	}
	if _, err := tx.Exec(ctx, deleteOld, w.ConnectionID); err != nil {
		return fmt.Errorf("delete old messages: %w", err)
	}
	if w.Pointer != "" && !known {
		return nil // of what nobody here wants to know
	}
	rows, _ := tx.Query(ctx, selectPulls, w.ConnectionID, entity)
	jobs, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("find the jobs of a message: %w", err)
	}
	runs := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		run, err := job.Enqueue(ctx, tx, j, job.ByMessage)
		if err != nil {
			return err
		}
		runs[i] = run.ID
	}
	if _, err := tx.Exec(ctx, noteRuns, id, runs); err != nil {
		return fmt.Errorf("note the runs of a message: %w", err)
	}
	return nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

const selectMessages = `
select id, connection_id, message_id, size, said, runs, received_at
from webhook_messages
where connection_id = $1 and ($2::timestamptz is null or (received_at, id) < ($2, $3::uuid))
order by received_at desc, id desc
limit $4`

// Messages lists those of a connection, the newest first. They are kept for 30 days.
func (s *Store) Messages(ctx context.Context, tx pgx.Tx, connection uuid.UUID, after string, limit int) (p postgres.Page[Message], err error) {
	from, err := postgres.ParsePlace(after)
	if err != nil {
		return p, err
	}
	before, _, id := from.Args()
	return postgres.List(ctx, tx, "list messages", func(row pgx.CollectableRow) (m Message, err error) {
		err = row.Scan(&m.ID, &m.ConnectionID, &m.MessageID, &m.Size, &m.Said, &m.Runs, &m.ReceivedAt)
		return m, err
	}, limit, func(m Message) string { return postgres.Place{At: m.ReceivedAt, ID: m.ID}.String() },
		selectMessages, connection, before, id)
}
