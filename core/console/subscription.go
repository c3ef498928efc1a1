package console

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/notify"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

const subscriptionsPath = "/sync/subscriptions"

// subscriptionsPage is the data of the page about who outside is told of what.
type subscriptionsPage struct {
	Items      []notify.Subscription
	Deliveries []deliveryRow
	CanEdit    bool
	CanAdd     bool
	CanDelete  bool
	Inputs     []input
	Faults     []string
}

// deliveryRow is a delivery with its subscription's name and what came of the last attempt.
type deliveryRow struct {
	notify.Delivery
	Name string
	Told string // what it tells, in the visitor's language
	Last notify.Attempt
}

// changeTold is what package notify says of a change: order SO-1 updated (version 7).
var changeTold = regexp.MustCompile(`^\S+ (.+) \S+ \(version ([0-9]+)\)$`)

// toldOf says a delivery's summary, which is the receiver's and in English, in the visitor's language, as far as the hub wrote it.
func (v *visit) toldOf(d notify.Delivery) string {
	entity, what, _ := strings.Cut(d.Event, ".")
	if entity == "alert" {
		kind, name, _ := strings.Cut(strings.TrimPrefix(d.Summary, "resolved: "), ": ")
		if said, ok := v.words()["alert.kind."+strings.ReplaceAll(kind, " ", "_")]; ok {
			if what == "resolved" {
				return v.say("delivery.alert_resolved", said, name)
			}
			return v.say("delivery.alert_opened", said, name)
		}
	}
	if parts := changeTold.FindStringSubmatch(d.Summary); parts != nil && slices.Contains(crm.Kinds(), crm.Kind(entity)) {
		return v.say("delivery.change", v.say("state.entity."+entity), parts[1], v.words().act(what), parts[2])
	}
	if d.Event == "subscription.test" {
		return v.say("delivery.test")
	}
	return d.Summary
}

// notifyPages are what somebody should look at, and who outside is told.
func (c *Console) notifyPages() map[string]page {
	change := needs(access.Subscriptions, access.Update)
	return map[string]page{
		"GET " + alertsPath:                       {needs(access.Alerts, access.Read), c.listAlerts},
		"POST " + alertsPath + "/{id}/take":       {needs(access.Alerts, access.Update), c.acknowledgeAlert},
		"POST " + alertsPath + "/settings":        {needs(access.Alerts, access.Update), c.changeAlertSettings},
		"GET " + subscriptionsPath:                {needs(access.Subscriptions, access.Read), c.listSubscriptions},
		"POST " + subscriptionsPath:               {needs(access.Subscriptions, access.Create), c.addSubscription},
		"POST " + subscriptionsPath + "/{id}":     {change, c.setSubscriptionStatus},
		"POST " + subscriptionsPath + "/{id}/key": {change, c.rotateSubscription},
		"POST " + subscriptionsPath + "/{id}/test": {change, c.onSubscription("test_sent", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
			_, err := c.Notify.Test(ctx, tx, id)
			return err
		})},
		"POST " + subscriptionsPath + "/{id}/delete": {needs(access.Subscriptions, access.Delete), c.onSubscription("deleted_for_good", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
			return c.Notify.Delete(ctx, tx, id, 0)
		})},
		"POST /sync/deliveries/{id}/resend": {change, c.onSubscription("sent_again", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
			_, err := c.Notify.Resend(ctx, tx, id)
			return err
		})},
	}
}

func (c *Console) listSubscriptions(ctx context.Context, v *visit) error {
	return v.writeSubscriptions(ctx, nil)
}

// writeSubscriptions shows them, and what is wrong with one to be added.
func (v *visit) writeSubscriptions(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	p := subscriptionsPage{
		CanEdit: v.who.May(access.Subscriptions, access.Update) != "", CanAdd: v.who.May(access.Subscriptions, access.Create) != "",
		CanDelete: v.who.May(access.Subscriptions, access.Delete) != "",
	}
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		if p.Items, err = v.console.Notify.List(ctx, tx); err != nil {
			return err
		}
		names := map[uuid.UUID]string{}
		for _, s := range p.Items {
			names[s.ID] = s.Name
		}
		latest, err := v.console.Notify.Deliveries(ctx, tx, notify.Filter{Limit: pageSize})
		for _, d := range latest.Items {
			r := deliveryRow{Delivery: d, Name: names[d.SubscriptionID], Told: v.toldOf(d)}
			if n := len(d.Attempts); n > 0 {
				r.Last = d.Attempts[n-1]
			}
			p.Deliveries = append(p.Deliveries, r)
		}
		return err
	})
	if err != nil {
		return err
	}
	events := q.must("events", v.say("subscription.events"), "text", "order.*, invoice.*, alert.*")
	events.Hint = v.say("subscription.events_hint")
	target := q.must("target", v.say("subscription.target"), "text", "")
	target.Hint = v.say("subscription.target_hint")
	p.Inputs = []input{q.must("name", v.say("subscription.name"), "text", ""), target, events}
	p.Faults = q.rest()
	v.here = subscriptionsPath
	return v.writeForm("subscriptions", p, wrong)
}

func (c *Console) addSubscription(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	var (
		added notify.Subscription
		key   secret.Text
	)
	events := listed(v.r.PostFormValue("events"))
	err := v.as(ctx, func(tx pgx.Tx) (err error) {
		if err := c.Notify.Beyond(events, v.everything).Err(); err != nil {
			return err
		}
		added, key, err = c.Notify.Add(ctx, tx, notify.New{
			Name: strings.TrimSpace(v.r.PostFormValue("name")), Target: strings.TrimSpace(v.r.PostFormValue("target")), Events: events,
		})
		return err
	})
	if err != nil {
		vs, _ := errors.AsType[schema.Violations](err)
		for i := range vs {
			if strings.HasPrefix(vs[i].Pointer, "/events/") {
				vs[i].Pointer = "/events" // one input asks for them all
			}
		}
		return v.writeSubscriptions(ctx, err)
	}
	if key.IsZero() {
		return v.done(subscriptionsPath, "created")
	}
	return v.showKey(added, key)
}

// showKey shows what webhooks are signed with, this once.
func (v *visit) showKey(s notify.Subscription, key secret.Text) error {
	return v.showSecret(secretPage{
		Title: s.Name, Hint: v.say("subscription.secret_hint"), Label: v.say("subscription.secret"), Secret: key.Reveal(),
		Back: subscriptionsPath, BackLabel: v.say("account.kept"),
	})
}

// listed are the texts of an input that are parted by commas or spaces.
func listed(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

// everything reports whether the visitor may read all there is of a kind of entity.
func (v *visit) everything(entity string) bool { return v.who.Everything(access.Resource(entity)) }

func (c *Console) setSubscriptionStatus(ctx context.Context, v *visit) error {
	status, err := v.choice("status", string(notify.Active), string(notify.Paused))
	if err != nil {
		return err
	}
	return c.onSubscription("saved", func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
		s, err := c.Notify.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		next := notify.Change{Name: s.Name, Target: s.Target, Events: s.Events, Status: notify.Status(status)}
		if next.TellsMore(s) && c.Notify.Beyond(s.Events, v.everything) != nil {
			return errForbidden
		}
		_, err = c.Notify.Update(ctx, tx, id, s.Version, next)
		return err
	})(ctx, v)
}

func (c *Console) rotateSubscription(ctx context.Context, v *visit) error {
	id, err := v.id(notify.ErrNotFound)
	if err != nil {
		return err
	}
	var (
		s   notify.Subscription
		key secret.Text
	)
	err = v.as(ctx, func(tx pgx.Tx) (err error) {
		s, key, err = c.Notify.RotateSecret(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	return v.showKey(s, key)
}

// onSubscription serves what is done to one thing and then said on the page.
func (c *Console) onSubscription(notice string, do func(ctx context.Context, tx pgx.Tx, id uuid.UUID) error) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		id, err := v.id(notify.ErrNotFound)
		if err != nil {
			return err
		}
		if err := v.as(ctx, func(tx pgx.Tx) error { return do(ctx, tx, id) }); err != nil {
			return err
		}
		return v.done(subscriptionsPath, notice)
	}
}
