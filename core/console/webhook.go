package console

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/webhook"
)

// webhookPage is the data of the page about what a connection's system says by itself.
type webhookPage struct {
	pager
	Connection connection.Connection
	Now        webhook.Webhook // the zero Webhook: there is none
	Address    string          // to be entered there
	Messages   []webhook.Message
	Inputs     []input
	Faults     []string
	CanEdit    bool
}

// Path is where the page is.
func (p webhookPage) Path() string {
	return connectionsPath + "/" + p.Connection.ID.String() + "/webhook"
}

// Is reports whether the connection has a webhook.
func (p webhookPage) Is() bool { return p.Address != "" }

// Rotates reports whether the hub makes the secret, and so can make another.
func (p webhookPage) Rotates() bool { return p.Now.Scheme == webhook.Standard }

func (c *Console) showWebhook(ctx context.Context, v *visit) error {
	return v.writeWebhook(ctx, nil)
}

func (v *visit) writeWebhook(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	stored, err := v.connection(ctx)
	if err != nil {
		return err
	}
	p := webhookPage{Connection: stored, CanEdit: v.who.May(access.Connections, access.Update) != ""}
	after := v.r.URL.Query().Get("after")
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		p.Now, err = v.console.Webhooks.Of(ctx, tx, stored.ID)
		if errors.Is(err, webhook.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p.Address = v.origin() + webhook.Path + p.Now.ID.String()
		found, err := v.console.Webhooks.Messages(ctx, tx, stored.ID, after, pageSize)
		p.Messages, p.pager = found.Items, pagerOf(from(p.Path()), after, found.Next)
		return err
	})
	if err != nil {
		return err
	}
	scheme := q.choose("scheme", v.say("webhook.scheme"), string(p.Now.Scheme), []option{
		{Value: string(webhook.Standard), Label: v.say("webhook.scheme.standard")}, {Value: string(webhook.HMAC), Label: v.say("webhook.scheme.hmac")},
	})
	header := q.ask("header", v.say("webhook.header"), "text", p.Now.Header)
	header.Hint = v.say("webhook.header_hint")
	key := q.ask("secret", v.say("webhook.secret"), "password", "")
	key.Hint, key.Auto, key.Max = v.say("webhook.secret_hint"), "new-password", 500
	pointer := q.ask("pointer", v.say("webhook.pointer"), "text", p.Now.Pointer)
	pointer.Hint = v.say("webhook.pointer_hint")
	entities := q.ask("entities", v.say("webhook.entities"), "long", entityLines(p.Now.Entities))
	entities.Hint, entities.Max = v.say("webhook.entities_hint"), 10000
	p.Inputs = []input{scheme, header, key, pointer, entities}
	p.Faults = q.rest()
	v.here = p.Path()
	return v.writeForm("webhook", p, wrong)
}

// origin is how the visitor reaches the hub, which is how another system may.
func (v *visit) origin() string {
	if v.r.TLS != nil || v.r.Header.Get("X-Forwarded-Proto") == "https" {
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host
}

// entityLines are what messages say and which pull it runs, one a line.
func entityLines(entities map[string]string) string {
	lines := make([]string, 0, len(entities))
	for _, said := range slices.Sorted(maps.Keys(entities)) {
		lines = append(lines, said+" = "+entities[said])
	}
	return strings.Join(lines, "\n")
}

func parseEntityLines(text string) map[string]string {
	entities := map[string]string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at := strings.LastIndex(line, "=")
		if at < 0 {
			entities[line] = "" // which is no kind, as the store says
			continue
		}
		entities[strings.TrimSpace(line[:at])] = strings.TrimSpace(line[at+1:])
	}
	return entities
}

func (c *Console) setWebhook(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	in := webhook.Settings{
		Scheme: webhook.Scheme(v.r.PostFormValue("scheme")), Header: strings.TrimSpace(v.r.PostFormValue("header")), Secret: secret.New(v.r.PostFormValue("secret")),
		Pointer: strings.TrimSpace(v.r.PostFormValue("pointer")), Entities: parseEntityLines(v.r.PostFormValue("entities")),
	}
	var made secret.Text
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		_, made, err = c.Webhooks.Set(ctx, tx, id, in)
		return err
	})
	if err != nil {
		vs, _ := errors.AsType[schema.Violations](err)
		for i := range vs {
			if entity, ok := strings.CutPrefix(vs[i].Pointer, "/entities/"); ok { // one input asks for them all
				vs[i] = schema.Violation{Pointer: "/entities", Rule: vs[i].Rule, Message: entity + " " + vs[i].Message}
			}
		}
		return v.writeWebhook(ctx, err)
	}
	return v.webhookSet(connectionsPath+"/"+id.String()+"/webhook", made)
}

// webhookSet leads back to the page, or shows the secret that the hub has just made.
func (v *visit) webhookSet(back string, made secret.Text) error {
	if made.IsZero() {
		return v.done(back, "saved")
	}
	return v.showSecret(secretPage{
		Title: v.say("webhook.title"), Hint: v.say("webhook.made_hint"), Label: v.say("webhook.secret"), Secret: made.Reveal(), Back: back, BackLabel: v.say("account.kept"),
	})
}

func (c *Console) rotateWebhook(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	var made secret.Text
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		_, made, err = c.Webhooks.Rotate(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.webhookSet(connectionsPath+"/"+id.String()+"/webhook", made)
}

func (c *Console) removeWebhook(ctx context.Context, v *visit) error {
	id, err := v.id(connection.ErrNotFound)
	if err != nil {
		return err
	}
	if err := v.as(ctx, func(tx pgx.Tx) error { return c.Webhooks.Remove(ctx, tx, id) }); err != nil {
		return err
	}
	return v.done(connectionsPath+"/"+id.String()+"/webhook", "deleted_for_good")
}
