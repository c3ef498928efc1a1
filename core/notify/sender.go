package notify

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// SenderConfig is what a Sender needs.
type SenderConfig struct {
	DB         *postgres.DB
	Key        secret.Key // opens the secrets
	Mailer     Mailer     // nil: mails fail
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	UserAgent  string
}

// Mailer sends a mail. An error says what went wrong without quoting addresses.
type Mailer interface {
	Send(ctx context.Context, to, subject, text string) error
}

// Sender sends what is due, and tries again what failed. Any number of processes may run one.
type Sender struct {
	SenderConfig
	post     *poster
	attempts *prometheus.CounterVec
	lag      prometheus.Gauge
}

// NewSender returns a sender and registers its metrics.
func NewSender(c SenderConfig) *Sender {
	s := &Sender{
		SenderConfig: c, post: newPoster(c.UserAgent),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmhub_notify_attempts_total", Help: "Attempts to deliver an event to a subscription, by outcome: delivered, retried or failed.",
		}, []string{"outcome"}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crmhub_notify_due_seconds", Help: "How long the oldest delivery that is due has waited.",
		}),
	}
	c.Registerer.MustRegister(s.attempts, s.lag)
	return s
}

const (
	parallel     = 256         // deliveries under way: so many receivers that hang hold nobody up, by four
	perReceiver  = 4           // of them to one subscription
	lease        = time.Minute // after which another process takes up what one that died had under way
	attemptLimit = 15 * time.Second
	look         = time.Second // how often it looks for what is due; what is new wakes it at once
)

// Run sends until ctx ends. What is under way then is waited for.
func (s *Sender) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	woken := make(chan struct{}, 1)
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	wg.Go(func() { _ = s.DB.Listen(ctx, channel, wake) })
	wg.Go(func() { s.sweep(ctx) })
	busy := newReceivers()
	tick := time.NewTicker(look)
	defer tick.Stop()
	failing := false
	for {
		claimed, err := s.claim(ctx, busy)
		switch {
		case err == nil:
			failing = false
		case !failing && ctx.Err() == nil:
			failing = true
			s.Logger.WarnContext(ctx, "deliveries are not sent for the time being", "error", err)
		}
		for _, d := range claimed {
			wg.Go(func() {
				defer wake()
				defer busy.leave(d.subscription)
				s.deliver(ctx, d)
			})
		}
		if len(claimed) > 0 {
			continue // perhaps there is more
		}
		select {
		case <-ctx.Done():
			return nil
		case <-woken:
		case <-tick.C:
		}
	}
}

// due is a delivery as the sender takes it up.
type due struct {
	organization uuid.UUID
	id           uuid.UUID
	subscription uuid.UUID
	event        uuid.UUID
	kind         string
	summary      string
	body         string
	tries        int
	target       string
	sealed       []byte
	secretEndsAt *time.Time
}

const claim = `
with due as (
	select d.organization_id, d.id
	from deliveries d join subscriptions s on s.organization_id = d.organization_id and s.id = d.subscription_id and s.status = 'active'
	where d.status = 'pending' and d.next_attempt_at <= now() and d.subscription_id <> all($1)
	order by d.next_attempt_at
	limit $2
	for update of d skip locked
)
update deliveries d
set next_attempt_at = now() + $3::interval
from due, subscriptions s
where d.organization_id = due.organization_id and d.id = due.id and s.organization_id = d.organization_id and s.id = d.subscription_id
returning d.organization_id, d.id, d.subscription_id, d.event_id, d.event, d.summary, d.body, d.tries, s.target, s.secrets, s.secret_ends_at`

// claim takes up what is due, as far as there is room.
func (s *Sender) claim(ctx context.Context, busy *receivers) (claimed []due, err error) {
	room, full := busy.room()
	if room == 0 {
		return nil, nil
	}
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, claim, full, room, lease.String())
		claimed, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d due, err error) {
			err = row.Scan(&d.organization, &d.id, &d.subscription, &d.event, &d.kind, &d.summary, &d.body, &d.tries, &d.target, &d.sealed, &d.secretEndsAt)
			return d, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take up deliveries: %w", err)
	}
	for _, d := range claimed {
		busy.enter(d.subscription)
	}
	return claimed, nil
}

// deliver makes one attempt and writes down what came of it.
func (s *Sender) deliver(ctx context.Context, d due) {
	started := time.Now()
	tryCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptLimit) // one that began is seen through
	defer cancel()
	a := s.attempt(tryCtx, d, started)
	o := judge(d, a, time.Now())
	attempt := Attempt{At: started.UTC(), DurationMS: time.Since(started).Milliseconds(), Status: a.status, Error: a.text()}
	if err := s.note(context.WithoutCancel(ctx), d, attempt, o); err != nil {
		s.Logger.WarnContext(ctx, "what came of a delivery was not noted: it is sent again", "delivery", d.id, "error", err)
		return
	}
	s.attempts.WithLabelValues(o.name()).Inc()
	if o.disable != "" {
		s.Logger.WarnContext(ctx, "a subscription was disabled", "organization", d.organization, "subscription", d.subscription, "cause", o.disable)
	}
}

const (
	noteAttempt = `
update deliveries
set tries = tries + 1, attempts = attempts || $3::jsonb, status = $4, next_attempt_at = $5, delivered_at = case when $4 = 'delivered' then now() end
where organization_id = $1 and id = $2 and status = 'pending'`
	noteWorks   = `update subscriptions set failing_since = null where organization_id = $1 and id = $2 and failing_since is not null`
	noteFails   = `update subscriptions set failing_since = now() where organization_id = $1 and id = $2 and failing_since is null`
	noteDisable = `
update subscriptions set status = 'disabled', disabled_cause = $3, version = version + 1, updated_at = now(), updated_by = crmhub_actor()
where organization_id = $1 and id = $2 and status = 'active' and ($4 or failing_since < now() - $5::interval)`
)

// patience is how long a receiver may fail before its subscription is disabled, once a delivery was given up.
const patience = 5 * 24 * time.Hour

func (s *Sender) note(ctx context.Context, d due, a Attempt, o outcome) error {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	var b pgx.Batch
	b.Queue(noteAttempt, d.organization, d.id, []Attempt{a}, o.status, o.next)
	if o.status == Delivered {
		b.Queue(noteWorks, d.organization, d.subscription)
	} else {
		b.Queue(noteFails, d.organization, d.subscription)
	}
	if o.disable != "" {
		b.Queue(noteDisable, d.organization, d.subscription, o.disable, o.gone, patience.String())
	}
	if err := s.DB.AskSystem(ctx, &b); err != nil {
		return fmt.Errorf("note what came of delivery %s: %w", d.id, err)
	}
	return nil
}

const (
	selectLag = `select coalesce(extract(epoch from now() - min(d.next_attempt_at)), 0)::float8
from deliveries d join subscriptions s on s.organization_id = d.organization_id and s.id = d.subscription_id and s.status = 'active'
where d.status = 'pending' and d.next_attempt_at < now()`
	deleteOld = `delete from deliveries where created_at < now() - interval '30 days'`
)

// sweep measures how far the sender is behind, and deletes what is a month old.
func (s *Sender) sweep(ctx context.Context) {
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	var swept time.Time
	for {
		err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
			var seconds float64
			if err := tx.QueryRow(ctx, selectLag).Scan(&seconds); err != nil {
				return err
			}
			s.lag.Set(seconds)
			if time.Since(swept) < time.Hour {
				return nil
			}
			_, err := tx.Exec(ctx, deleteOld)
			return err
		})
		switch {
		case err == nil && time.Since(swept) >= time.Hour:
			swept = time.Now()
		case err != nil && ctx.Err() == nil:
			s.Logger.WarnContext(ctx, "housekeeping failed", "job", "deliveries", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// receivers counts what is under way to whom.
type receivers struct {
	mu    sync.Mutex
	count map[uuid.UUID]int
	all   int
}

func newReceivers() *receivers { return &receivers{count: map[uuid.UUID]int{}} }

// room is how many deliveries may begin, and to whom none. A claim may give one receiver more than its part for a moment.
func (r *receivers) room() (int, []uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := []uuid.UUID{}
	for id, n := range r.count {
		if n >= perReceiver {
			full = append(full, id)
		}
	}
	return min(perReceiver, parallel-r.all), full
}

func (r *receivers) enter(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[id]++
	r.all++
}

func (r *receivers) leave(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.count[id]--; r.count[id] == 0 {
		delete(r.count, id)
	}
}
