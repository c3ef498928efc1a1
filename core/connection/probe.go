package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// checkTime is how long a system may take to answer a check.
const checkTime = 20 * time.Second

// Check calls a connection's system, harmlessly, in a session of its own. No transaction is open meanwhile.
func (s *Store) Check(ctx context.Context, c Connection) error {
	session, err := s.Open(c)
	return check(ctx, session, err)
}

// check calls the system of a session that was opened, if it was, and closes it.
func check(ctx context.Context, session connector.Session, opened error) (err error) {
	if opened != nil {
		return Unopened(opened)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	return session.Check(ctx)
}

// Unopened is the error of who wanted to call over a connection that [Store.Open] did not open.
func Unopened(err error) *connector.Error {
	e := &connector.Error{
		Class: connector.ClassConfig, Message: "the connection cannot be opened: " + err.Error(), Remedy: "Enter its configuration and secrets again.", Err: err,
		Said: schema.Say("cannot_open", err),
	}
	if cause, ok := errors.AsType[*connector.Error](err); ok && cause.Said != nil {
		e.Said = cause.Said // it says what is wrong with them
	}
	return e
}

// CheckNow is Check as a person asks for it: a connection that is held back goes on if its system answers.
func (s *Store) CheckNow(ctx context.Context, b *Breakers, c Connection) error {
	failed := s.Check(ctx, c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := b.Probed(ctx, c.Ref(), failed); err != nil {
		return err
	}
	return failed
}

// ProberConfig is what a Prober needs.
type ProberConfig struct {
	Breakers   *Breakers
	Store      *Store
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Every      time.Duration                           // how often it looks for probes that are due; 0: 1 s
	Check      func(context.Context, Connection) error // nil: the Store's
}

// Prober calls the systems of connections that are held back, harmlessly and less and less often, and lets the
// connections go on when they answer. Any number of processes may run one: a probe is made by one of them.
type Prober struct {
	ProberConfig
	state  *prometheus.GaugeVec
	probes *prometheus.CounterVec
	shown  map[[2]string]bool
}

// NewProber returns a Prober and registers its metrics.
func NewProber(c ProberConfig) *Prober {
	if c.Every == 0 {
		c.Every = time.Second
	}
	if c.Check == nil {
		c.Check = c.Store.Check
	}
	p := &Prober{
		ProberConfig: c, shown: map[[2]string]bool{},
		state: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "crmhub_connection_held",
			Help: "Whether a connection is held back: 1 while its system is away and probed, 2 while it waits for a person, 0 since it works again.",
		}, []string{"organization", "connection"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "crmhub_connection_probes_total", Help: "Harmless calls over connections that are held back, by what came of them.",
		}, []string{"connection", "result"}),
	}
	c.Registerer.MustRegister(p.state, p.probes)
	return p
}

// Run probes until ctx ends, then waits for probes under way. A failure to look is logged and looked for again.
func (p *Prober) Run(ctx context.Context) error {
	return postgres.Repeat(ctx, p.Every, p.Logger, "connections were not probed", p.look)
}

const selectHeld = `
select b.organization_id, b.connection_id, o.code, c.code, b.state, coalesce(b.next_probe_at <= now(), false)
from breakers b
join connections c on c.organization_id = b.organization_id and c.id = b.connection_id and c.status = 'active'
join organizations o on o.id = b.organization_id
where b.state <> 'closed'`

// look makes the probes that are due, at the same time, and waits for them.
func (p *Prober) look(ctx context.Context) error {
	type held struct {
		Organization, ID uuid.UUID
		OrganizationCode string
		Code             string
		State            BreakerState
		Due              bool
	}
	var all []held
	err := p.Breakers.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		rows, _ := tx.Query(ctx, selectHeld)
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[held])
		return err
	})
	if err != nil {
		return fmt.Errorf("look for connections that are held back: %w", err)
	}
	now := make(map[[2]string]bool, len(all))
	var wg sync.WaitGroup
	for _, h := range all {
		value := 1.0
		if h.State == Stopped {
			value = 2
		}
		p.state.WithLabelValues(h.OrganizationCode, h.Code).Set(value)
		now[[2]string{h.OrganizationCode, h.Code}] = true
		if h.Due {
			wg.Go(func() {
				p.probe(ctx, postgres.Principal{Organization: h.Organization, Actor: postgres.Connection(h.ID)}, h.ID)
			})
		}
	}
	for labels := range p.shown {
		if !now[labels] {
			p.state.WithLabelValues(labels[:]...).Set(0)
		}
	}
	p.shown = now
	wg.Wait()
	return nil
}

// probe calls one system, if nobody else does.
func (p *Prober) probe(ctx context.Context, who postgres.Principal, id uuid.UUID) {
	err := p.attempt(ctx, who, id)
	if err != nil && ctx.Err() == nil {
		p.Logger.WarnContext(ctx, "a probe was not made or not recorded", "organization", who.Organization, "connection_id", id, "error", err)
	}
}

func (p *Prober) attempt(ctx context.Context, who postgres.Principal, id uuid.UUID) error {
	c, err := postgres.Get(ctx, p.Breakers.DB, who, func(tx pgx.Tx) (Connection, error) { return p.Store.Get(ctx, tx, id) })
	if err != nil {
		return err
	}
	class, err := p.Breakers.claim(ctx, c.Ref(), 2*checkTime)
	if err != nil || class == "" {
		return err
	}
	var failed error
	if class != connector.ClassQuota { // asking would count, too
		failed = p.check(ctx, c)
	}
	if ctx.Err() != nil {
		return ctx.Err() // it says nothing about the system
	}
	result := "answered"
	if failed != nil {
		result = string(connector.AsError(failed).Class)
	}
	p.probes.WithLabelValues(c.Code, result).Inc()
	p.Logger.InfoContext(ctx, "connection probed", "organization", c.Organization, "connection", c.Code, "result", result, "error", failed)
	return p.Breakers.Probed(ctx, c.Ref(), failed)
}

// check is a call that may panic: a connector at fault must not end the hub.
func (p *Prober) check(ctx context.Context, c Connection) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the connector %s panicked: %v", c.Connector, r)
		}
	}()
	return p.Check(ctx, c)
}
