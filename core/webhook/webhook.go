package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/signature"
)

// Scheme says how messages are signed.
type Scheme string

// The schemes.
const (
	Standard Scheme = "standard" // Standard Webhooks: id and time are signed, too
	HMAC     Scheme = "hmac"     // HMAC-SHA-256 of the body in a header: GitHub, Shopify, Xero and many others
)

// Path is where messages of other systems come in; the webhook's id follows.
const Path = "/webhooks/"

// Webhook is where a connection's system sends its messages, and how it signs them.
type Webhook struct {
	ConnectionID uuid.UUID         `json:"connection_id"`
	ID           uuid.UUID         `json:"id"` // the last part of its address; nobody can guess it
	Scheme       Scheme            `json:"scheme"`
	Header       string            `json:"header,omitempty"`   // with HMAC: where the signature is
	Pointer      string            `json:"pointer,omitempty"`  // JSON pointer to what in the body says what changed
	Entities     map[string]string `json:"entities,omitempty"` // what stands there → entity whose pull is run
	CreatedAt    time.Time         `json:"created_at"`
	UpdatedAt    time.Time         `json:"updated_at"`
	UpdatedBy    string            `json:"updated_by"`

	sealed []byte
}

// Settings are what can be set of a webhook.
type Settings struct {
	Scheme   Scheme            `json:"scheme"`
	Header   string            `json:"header,omitempty"`
	Secret   secret.Text       `json:"-"` // the zero value: as it is; with Standard, the hub makes the first
	Pointer  string            `json:"pointer,omitempty"`
	Entities map[string]string `json:"entities,omitempty"` // none: each message runs all pulls of the connection
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the webhook does not exist")
	// ErrRefused says that a message does not count: errors of package signature are in its chain.
	ErrRefused = errors.New("the message is refused")
)

// Store reads and writes webhooks.
type Store struct {
	Key      secret.Key // seals the secrets
	Entities []string   // all there are
}

var headerPattern = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)

func (s *Store) check(in Settings, hasSecret bool) (vs schema.Violations) {
	fault := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	switch in.Scheme {
	case Standard:
		if in.Header != "" {
			fault("/header", "empty", "Standard Webhooks has headers of its own")
		}
		if !in.Secret.IsZero() && signature.CheckSecret(in.Secret) != nil {
			fault("/secret", "format", "must be whsec_ and 24 to 64 bytes in base64")
		}
	case HMAC:
		if !headerPattern.MatchString(in.Header) {
			fault("/header", "required", "name the header that carries the signature")
		}
		switch {
		case in.Secret.IsZero() && !hasSecret:
			fault("/secret", "required", "the other system's secret is required")
		case !in.Secret.IsZero() && len(in.Secret.Reveal()) < 16:
			fault("/secret", "minLength", "must have at least 16 characters")
		}
	default:
		fault("/scheme", "enum", "must be standard or hmac")
	}
	if in.Pointer != "" && !strings.HasPrefix(in.Pointer, "/") {
		fault("/pointer", "format", "must be a JSON pointer like /type")
	}
	if (in.Pointer == "") != (len(in.Entities) == 0) {
		fault("/entities", "required", "pointer and entities go together")
	}
	for _, value := range slices.Sorted(maps.Keys(in.Entities)) {
		if !slices.Contains(s.Entities, in.Entities[value]) {
			fault("/entities/"+schema.EscapePointer(value), "enum", "is no kind of entity")
		}
	}
	return vs
}

const (
	columns       = `connection_id, id, scheme, header, pointer, entities, created_at, updated_at, updated_by, secrets`
	selectWebhook = `select ` + columns + ` from webhooks`
)

func scan(row pgx.CollectableRow) (w Webhook, err error) {
	err = row.Scan(&w.ConnectionID, &w.ID, &w.Scheme, &w.Header, &w.Pointer, &w.Entities, &w.CreatedAt, &w.UpdatedAt, &w.UpdatedBy, &w.sealed)
	return w, err
}

func one(ctx context.Context, tx pgx.Tx, sql string, args ...any) (Webhook, error) {
	return postgres.One(ctx, tx, "read or write a webhook", scan, ErrNotFound, sql, args...)
}

// Of returns the webhook of a connection, or ErrNotFound.
func (s *Store) Of(ctx context.Context, tx pgx.Tx, connection uuid.UUID) (Webhook, error) {
	return one(ctx, tx, selectWebhook+` where connection_id = $1`, connection)
}

const upsert = `
insert into webhooks (connection_id, id, scheme, header, pointer, entities, secrets)
select id, $2, $3, $4, $5, $6, $7 from connections where id = $1
on conflict (organization_id, connection_id) do update
set scheme = $3, header = $4, pointer = $5, entities = $6, secrets = $7, updated_at = now(), updated_by = crmhub_actor()
returning ` + columns

// Set gives a connection a webhook, or changes the one it has, whose address stays. It returns the secret if the hub just made it,
// which nobody can read later. Errors: [schema.Violations]; ErrNotFound if there is no such connection.
func (s *Store) Set(ctx context.Context, tx pgx.Tx, connection uuid.UUID, in Settings) (Webhook, secret.Text, error) {
	var made secret.Text
	old, err := s.Of(ctx, tx, connection)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Webhook{}, made, err
	}
	kept := old.sealed
	if old.Scheme != in.Scheme {
		kept = nil // the secret of one scheme is none of the other
	}
	if err := s.check(in, kept != nil).Err(); err != nil {
		return Webhook{}, made, err
	}
	given := in.Secret
	if given.IsZero() && kept == nil {
		made = signature.NewSecret()
		given = made
	}
	if !given.IsZero() {
		if kept, err = s.Key.Seal(place(connection), map[string]secret.Text{"secret": given}); err != nil {
			return Webhook{}, secret.Text{}, fmt.Errorf("seal a webhook's secret: %w", err)
		}
	}
	if in.Entities == nil {
		in.Entities = map[string]string{}
	}
	w, err := one(ctx, tx, upsert, connection, uuid.New(), in.Scheme, in.Header, in.Pointer, in.Entities, kept)
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	detail := map[string]any{"scheme": w.Scheme, "header": w.Header, "pointer": w.Pointer, "entities": w.Entities, "secret_given": !given.IsZero()}
	return w, made, audit.Record(ctx, tx, audit.Act{Action: "webhook_set", Entity: "connection", EntityID: connection, Detail: detail})
}

// Rotate gives a webhook that is signed as Standard Webhooks says another secret, which holds at once and nobody can read later.
// The secret of another scheme is the other system's: [schema.Violations]. Errors besides: [ErrNotFound].
func (s *Store) Rotate(ctx context.Context, tx pgx.Tx, connection uuid.UUID) (Webhook, secret.Text, error) {
	old, err := s.Of(ctx, tx, connection)
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	if old.Scheme != Standard {
		return Webhook{}, secret.Text{}, schema.Violations{{Pointer: "/secret", Rule: "required", Message: "the other system's secret is required"}}
	}
	made := signature.NewSecret()
	w, _, err := s.Set(ctx, tx, connection, Settings{Scheme: old.Scheme, Pointer: old.Pointer, Entities: old.Entities, Secret: made})
	return w, made, err
}

// Remove takes a connection's webhook away; its address is gone for ever. Errors: [ErrNotFound].
func (s *Store) Remove(ctx context.Context, tx pgx.Tx, connection uuid.UUID) error {
	tag, err := tx.Exec(ctx, `delete from webhooks where connection_id = $1`, connection)
	if err != nil {
		return fmt.Errorf("remove a webhook: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	return audit.Record(ctx, tx, audit.Act{Action: "webhook_removed", Entity: "connection", EntityID: connection})
}

// place binds a sealed secret to its webhook.
func place(connection uuid.UUID) string { return "webhook " + connection.String() }

// verify checks a message's signature and returns what tells it from others.
func (s *Store) verify(w Webhook, h http.Header, now time.Time, body []byte) (id string, err error) {
	secrets, err := s.Key.Open(place(w.ConnectionID), w.sealed)
	if err != nil {
		return "", fmt.Errorf("open a webhook's secret: %w", err)
	}
	if w.Scheme == Standard {
		id, err = signature.Verify(h, now, body, secrets["secret"])
	} else {
		id, err = digest(body), signature.VerifyBody(h.Get(w.Header), body, secrets["secret"])
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if len(id) > longestID {
		id = digest([]byte(id))
	}
	return id, nil
}

// longestID bounds what is kept of a message's id, in bytes: an index on it takes no kilobytes.
const longestID = 255
