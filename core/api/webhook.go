package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/postgres"
	"crmhub/core/secret"
	"crmhub/core/webhook"
)

// Webhook is a connection's webhook as the API shows it.
type Webhook struct {
	webhook.Webhook
	Path   string `json:"path" doc:"Where the other system sends its messages, below the hub's address."`
	Secret string `json:"secret,omitempty" doc:"What Standard Webhooks are signed with, when the hub has just made it. It is shown this once."`
}

type webhookInput struct {
	Scheme   string            `json:"scheme" enum:"standard,hmac" doc:"How messages are signed: as Standard Webhooks says, or with the HMAC-SHA-256 of the body in a header."`
	Header   string            `json:"header,omitempty" maxLength:"100" doc:"With hmac: the header, such as X-Hub-Signature-256."`
	Secret   string            `json:"secret,omitempty" maxLength:"500" doc:"What they are signed with. Left out it stays as it is; for standard the hub makes the first."`
	Pointer  string            `json:"pointer,omitempty" maxLength:"500" doc:"JSON pointer to what in a message says what changed, such as /type."`
	Entities map[string]string `json:"entities,omitempty" maxProperties:"100" doc:"What stands there, and of which kind of entity the pull is then run. Without it each message runs all active pulls of the connection."`
}

func (s *server) getWebhook() operation {
	return operation{
		id: "get-webhook", needs: may(access.Connections, access.Read), tag: "connections", summary: "Get a connection's webhook",
		description: "Where its system says that something changed there.",
		status:      http.StatusOK, result: jsonBody(s.document, showWebhook(webhookExample(), "")),
		serve: onID(s, func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Webhook, error) {
			w, err := s.Webhooks.Of(ctx, tx, id)
			return showWebhook(w, ""), err
		}),
	}
}

// setWebhook understands no Idempotency-Key: to repeat its answer the secret would have to be kept.
func (s *server) setWebhook() operation {
	return operation{
		id: "set-webhook", needs: may(access.Connections, access.Update), tag: "connections", summary: "Give a connection a webhook, or change it",
		description: "A message there, POSTed with the right signature, runs the pulls of the connection at once. It is stored before it is answered with 202, and counts once. " +
			"What it says of a record is not believed: the record is pulled. Its body has at most 1 MiB.",
		body: jsonBody(s.document, webhookInput{
			Scheme: "hmac", Header: "X-Xero-Signature", Secret: "the other system's signing key", Pointer: "/events/0/eventCategory", Entities: map[string]string{"INVOICE": "invoice"},
		}),
		status: http.StatusOK, result: jsonBody(s.document, showWebhook(webhookExample(), "")),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			in, err := decode[webhookInput](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				w, made, err := s.Webhooks.Set(ctx, tx, id, webhook.Settings{
					Scheme: webhook.Scheme(in.Scheme), Header: in.Header, Secret: secret.New(in.Secret), Pointer: in.Pointer, Entities: in.Entities,
				})
				if err != nil {
					return answer{}, err
				}
				return respond(http.StatusOK, showWebhook(w, made.Reveal()))
			})
		},
	}
}

func (s *server) deleteWebhook() operation {
	return operation{
		id: "delete-webhook", needs: may(access.Connections, access.Update), tag: "connections", summary: "Take a connection's webhook away",
		description: "Its address is gone for ever.",
		status:      http.StatusNoContent, keyed: true,
		serve: s.deleteOnID(s.Webhooks.Remove),
	}
}

func (s *server) listWebhookMessages() operation {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	example := webhook.Message{
		ID: uuid.MustParse(exampleID), ConnectionID: uuid.MustParse(exampleID), MessageID: "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", Size: 311, Said: "INVOICE",
		Runs: []uuid.UUID{uuid.MustParse(exampleID)}, ReceivedAt: at,
	}
	return operation{
		id: "list-webhook-messages", needs: may(access.Connections, access.Read), tag: "connections", summary: "List the messages of a connection's webhook",
		description: "Those that counted, the newest first. They are kept for 30 days, without their bodies.",
		parameters:  pageParameters(),
		status:      http.StatusOK, result: jsonBody(s.document, list[webhook.Message]{Items: []webhook.Message{example}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			limit := parseLimit(c.query, &faults)
			found, err := s.findConnection(ctx, c)
			if err != nil {
				return answer{}, err
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[webhook.Message], error) {
				return s.Webhooks.Messages(ctx, tx, found.ID, c.query.Get(afterParameter), limit)
			})
		},
	}
}

// WebhookPath is where messages of other systems come in; the webhook's id follows.
const WebhookPath = webhook.Path

func showWebhook(w webhook.Webhook, made string) Webhook {
	return Webhook{Webhook: w, Path: WebhookPath + w.ID.String(), Secret: made}
}

func webhookExample() webhook.Webhook {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return webhook.Webhook{
		ConnectionID: uuid.MustParse(exampleID), ID: uuid.MustParse(exampleID), Scheme: webhook.HMAC, Header: "X-Xero-Signature",
		Pointer: "/events/0/eventCategory", Entities: map[string]string{"INVOICE": "invoice"}, CreatedAt: at, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}

// ReceiveWebhooks serves WebhookPath. It is no part of the document: what comes there is in its sender's form.
func ReceiveWebhooks(r *webhook.Receiver, logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+WebhookPath+"{id}", func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(receiveWebhook(r, logger, w, req))
	})
	return mux
}

func receiveWebhook(r *webhook.Receiver, logger *slog.Logger, w http.ResponseWriter, req *http.Request) int {
	ctx := req.Context()
	id, err := uuid.Parse(req.PathValue("id"))
	if err != nil {
		return http.StatusNotFound
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return http.StatusBadRequest
	}
	err = r.Receive(ctx, id, req.Header, body)
	switch {
	case err == nil:
		return http.StatusAccepted
	case errors.Is(err, webhook.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, webhook.ErrRefused):
		logger.WarnContext(ctx, "a message of another system was refused", "webhook", id, "error", err)
		return http.StatusUnauthorized
	case postgres.Unavailable(err):
		w.Header().Set("Retry-After", "5")
		return http.StatusServiceUnavailable
	}
	logger.ErrorContext(ctx, "a message of another system was not stored", "webhook", id, "error", err)
	return http.StatusInternalServerError
}
