package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// NewSubscription is a subscription with a secret just made.
type NewSubscription struct {
	notify.Subscription
	Secret string `json:"secret,omitempty" doc:"What its webhooks are signed with, as Standard Webhooks says. It is shown this once. Mails have none."`
}

type subscriptionInput struct {
	Name   string   `json:"name" minLength:"1" maxLength:"200" doc:"For people."`
	Target string   `json:"target" minLength:"1" maxLength:"2000" doc:"Who is told: https:// and an address, or mailto: and one."`
	Events []string `json:"events" nullable:"false" minItems:"1" maxItems:"100" doc:"Of what: order.created, order.updated, order.deleted, order.* and so on, alert.opened, alert.resolved, or * for everything."`
	Secret string   `json:"secret,omitempty" doc:"To be used instead of one that the hub makes: whsec_ and 24 to 64 bytes in base64."`
}

type subscriptionPatch struct {
	Name   string   `json:"name,omitempty" minLength:"1" maxLength:"200" doc:"For people."`
	Target string   `json:"target,omitempty" minLength:"1" maxLength:"2000" doc:"Who is told."`
	Events []string `json:"events,omitempty" nullable:"false" minItems:"1" maxItems:"100" doc:"Of what."`
	Status string   `json:"status,omitempty" enum:"active,paused" doc:"Whether. One that was not active is told of what happens from then on."`
}

func (s *server) listSubscriptions() operation {
	return operation{
		id: "list-subscriptions", needs: may(access.Subscriptions, access.Read), tag: "subscriptions", summary: "List subscriptions",
		description: "Who outside is told of what happens here: by webhooks, signed as Standard Webhooks says, or by mail.",
		status:      http.StatusOK, result: jsonBody(s.document, list[notify.Subscription]{Items: []notify.Subscription{subscriptionExample()}}),
		serve: readAll(s, s.Notify.List),
	}
}

// addSubscription understands no Idempotency-Key: to repeat its answer the secret would have to be kept.
func (s *server) addSubscription() operation {
	return operation{
		id: "add-subscription", needs: may(access.Subscriptions, access.Create), tag: "subscriptions", summary: "Add a subscription",
		description: "The secret is in this answer and nowhere else, which is why an Idempotency-Key is refused here. " +
			"A delivery that is not answered with 2xx within 15 seconds is tried again for three days; 410 ends the subscription. Deliveries may come twice and out of order: receivers go by webhook-id and version.",
		body:   jsonBody(s.document, subscriptionInput{Name: "Web shop", Target: "https://shop.example.com/hooks/crm", Events: []string{"product.*", "order.updated"}}),
		status: http.StatusCreated, result: jsonBody(s.document, NewSubscription{subscriptionExample(), "whsec_…"}), versioned: true, located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[subscriptionInput](c)
			if err != nil {
				return answer{}, err
			}
			if err := s.Notify.Beyond(in.Events, c.everything).Err(); err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				added, key, err := s.Notify.Add(ctx, tx, notify.New{Name: in.Name, Target: in.Target, Events: in.Events, Secret: secret.New(in.Secret)})
				if err != nil {
					return answer{}, err
				}
				a, err := respond(http.StatusCreated, NewSubscription{added, key.Reveal()})
				a.ETag, a.Location = etag(added.Version), prefix+"/subscriptions/"+added.ID.String()
				return a, err
			})
		},
	}
}

func (s *server) getSubscription() operation {
	return operation{
		id: "get-subscription", needs: may(access.Subscriptions, access.Read), tag: "subscriptions", summary: "Get a subscription",
		status: http.StatusOK, result: jsonBody(s.document, subscriptionExample()), versioned: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (notify.Subscription, error) { return s.Notify.Get(ctx, tx, id) })
			if err != nil {
				return answer{}, err
			}
			return subscriptionAnswer(found)
		},
	}
}

func (s *server) patchSubscription() operation {
	return operation{
		id: "update-subscription", needs: may(access.Subscriptions, access.Update), tag: "subscriptions", summary: "Change a subscription",
		description: "A JSON merge patch (RFC 7396).",
		parameters:  []*huma.Param{ifMatch()},
		body:        mergePatchBody(s.document, subscriptionPatch{Status: string(notify.Paused)}),
		status:      http.StatusOK, result: jsonBody(s.document, subscriptionExample()), versioned: true, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			in, err := decode[subscriptionPatch](c)
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				old, err := s.Notify.Get(ctx, tx, id)
				if err != nil {
					return answer{}, err
				}
				next := in.applied(old)
				if next.TellsMore(old) {
					if err := s.Notify.Beyond(next.Events, c.everything).Err(); err != nil {
						return answer{}, err
					}
				}
				changed, err := s.Notify.Update(ctx, tx, id, seen, next)
				if err != nil {
					return answer{}, staleSubscription(err, old)
				}
				return subscriptionAnswer(changed)
			})
		},
	}
}

// applied is what a subscription is to be. One that the hub disabled stays so unless its status is given.
func (p subscriptionPatch) applied(old notify.Subscription) notify.Change {
	change := notify.Change{Name: old.Name, Target: old.Target, Events: old.Events, Status: old.Status}
	if change.Status == notify.Disabled {
		change.Status = notify.Paused
	}
	if p.Name != "" {
		change.Name = p.Name
	}
	if p.Target != "" {
		change.Target = p.Target
	}
	if p.Events != nil {
		change.Events = p.Events
	}
	if p.Status != "" {
		change.Status = notify.Status(p.Status)
	}
	return change
}

func (s *server) deleteSubscription() operation {
	return operation{
		id: "delete-subscription", needs: may(access.Subscriptions, access.Delete), tag: "subscriptions", summary: "Delete a subscription",
		description: "With its deliveries.", parameters: []*huma.Param{ifMatch()},
		status: http.StatusNoContent, keyed: true,
		problems: []int{http.StatusPreconditionFailed, http.StatusPreconditionRequired},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			seen, err := c.version()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				old, err := s.Notify.Get(ctx, tx, id)
				if err != nil {
					return answer{}, err
				}
				return answer{Status: http.StatusNoContent}, staleSubscription(s.Notify.Delete(ctx, tx, id, seen), old)
			})
		},
	}
}

func (s *server) rotateSubscriptionSecret() operation {
	return operation{
		id: "rotate-subscription-secret", needs: may(access.Subscriptions, access.Update), tag: "subscriptions", summary: "Give a subscription a new secret",
		description: "The new secret is in this answer and nowhere else. For a day webhooks are signed with the one before, too.",
		status:      http.StatusOK, result: jsonBody(s.document, NewSubscription{subscriptionExample(), "whsec_…"}), versioned: true,
		problems: []int{http.StatusConflict},
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
				changed, key, err := s.Notify.RotateSecret(ctx, tx, id)
				if err != nil {
					return answer{}, err
				}
				a, err := respond(http.StatusOK, NewSubscription{changed, key.Reveal()})
				a.ETag = etag(changed.Version)
				return a, err
			})
		},
	}
}

func (s *server) testSubscription() operation {
	return operation{
		id: "test-subscription", needs: may(access.Subscriptions, access.Update), tag: "subscriptions", summary: "Send a test",
		description: "An event subscription.test goes to this subscription alone. The delivery tells what came of it.",
		status:      http.StatusAccepted, result: jsonBody(s.document, deliveryExample()), located: true, keyed: true,
		serve: s.withDelivery(s.Notify.Test),
	}
}

func (s *server) listDeliveries() operation {
	statuses := textsOf(notify.DeliveryStatuses)
	return operation{
		id: "list-deliveries", needs: may(access.Subscriptions, access.Read), tag: "subscriptions", summary: "List deliveries",
		description: "The newest first, without what was sent. They are kept for 30 days.",
		parameters: append([]*huma.Param{
			idParameter("subscription_id", "Those of this subscription."),
			choiceParameter("status", "Those that stand there.", statuses),
		}, pageParameters()...),
		status: http.StatusOK, result: jsonBody(s.document, list[notify.Delivery]{Items: []notify.Delivery{deliveryExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			var faults parameterFaults
			f := notify.Filter{
				Subscription: c.idIn("subscription_id", &faults), Status: notify.DeliveryStatus(c.choiceIn("status", statuses, &faults)),
				After: c.query.Get(afterParameter), Limit: parseLimit(c.query, &faults),
			}
			return listed(ctx, s, c, faults, func(tx pgx.Tx) (postgres.Page[notify.Delivery], error) { return s.Notify.Deliveries(ctx, tx, f) })
		},
	}
}

func (s *server) getDelivery() operation {
	return operation{
		id: "get-delivery", needs: may(access.Subscriptions, access.Read), tag: "subscriptions", summary: "Get a delivery",
		description: "With what is sent, and each attempt.",
		status:      http.StatusOK, result: jsonBody(s.document, deliveryExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			found, err := postgres.Get(ctx, s.DB, c.who.Principal, func(tx pgx.Tx) (notify.Delivery, error) { return s.Notify.Delivery(ctx, tx, id) })
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, s.veiledDelivery(c, found))
		},
	}
}

// veiledDelivery is a delivery without the values that the caller may not read.
func (s *server) veiledDelivery(c *call, d notify.Delivery) notify.Delivery {
	if s.Notify.Beyond([]string{d.Event}, c.everything) != nil {
		d.Body = access.Veil(d.Body)
	}
	return d
}

// everything reports whether the caller may read all there is of a kind of entity.
func (c *call) everything(entity string) bool { return c.who.Everything(access.Resource(entity)) }

func (s *server) resendDelivery() operation {
	return operation{
		id: "resend-delivery", needs: may(access.Subscriptions, access.Update), tag: "subscriptions", summary: "Send a delivery again",
		description: "Whatever became of it; with the same webhook-id.",
		status:      http.StatusAccepted, result: jsonBody(s.document, deliveryExample()), located: true, keyed: true,
		serve: s.withDelivery(s.Notify.Resend),
	}
}

// withDelivery serves what starts a delivery.
func (s *server) withDelivery(do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (notify.Delivery, error)) func(context.Context, *call) (answer, error) {
	return func(ctx context.Context, c *call) (answer, error) {
		id, err := c.id()
		if err != nil {
			return answer{}, err
		}
		return s.write(ctx, c, func(tx pgx.Tx) (answer, error) {
			d, err := do(ctx, tx, id)
			if err != nil {
				return answer{}, err
			}
			return accepted("/deliveries", d.ID, s.veiledDelivery(c, d))
		})
	}
}

func subscriptionAnswer(sub notify.Subscription) (answer, error) {
	a, err := respond(http.StatusOK, sub)
	a.ETag = etag(sub.Version)
	return a, err
}

func subscriptionExample() notify.Subscription {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return notify.Subscription{
		ID: uuid.MustParse(exampleID), Version: 1, Name: "Web shop", Target: "https://shop.example.com/hooks/crm",
		Events: []string{"product.*", "order.updated"}, Status: notify.Active, CreatedAt: at, CreatedBy: exampleActor, UpdatedAt: at, UpdatedBy: exampleActor,
	}
}

func deliveryExample() notify.Delivery {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return notify.Delivery{
		ID: uuid.MustParse(exampleID), SubscriptionID: uuid.MustParse(exampleID), EventID: uuid.MustParse(exampleID), Event: "order.updated",
		Summary: "order SO-1 updated (version 7)", Status: notify.Delivered, CreatedAt: at, DeliveredAt: &at,
		Attempts: []notify.Attempt{{At: at, DurationMS: 41, Status: http.StatusNoContent}},
	}
}

// staleSubscription says which version is stored when another was seen.
func staleSubscription(err error, stored notify.Subscription) error {
	if errors.Is(err, notify.ErrStale) {
		return stale(stored.Version)
	}
	return err
}
