package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// SealerConfig is what a Sealer needs. All fields are required.
type SealerConfig struct {
	DB         *postgres.DB
	Key        secret.Key // signs the heads
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Sealer takes up what was committed, and chains it. Any number of processes may run one: one leads, the others stand by.
type Sealer struct {
	SealerConfig
	metrics metrics
	window  window
	chain   chain
	buffer  bytes.Buffer
	written func() error // lets tests break off between reading and writing
}

// NewSealer returns a sealer and registers its metrics.
func NewSealer(c SealerConfig) *Sealer {
	return &Sealer{SealerConfig: c, metrics: newMetrics(c.Registerer), written: func() error { return nil }}
}

const (
	pace     = 500 * time.Millisecond // how often the sealer looks: what is committed meanwhile is sealed together
	lastWait = 5 * time.Second        // between attempts during an outage
)

// Run seals until ctx ends, and then returns nil. Outages of PostgreSQL are waited out.
func (s *Sealer) Run(ctx context.Context) error {
	return s.DB.Lead(ctx, "audit-sealer", func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { s.keepSealing(ctx); return nil })
		g.Go(func() error { s.keepMeasuring(ctx); return nil })
		err := g.Wait()
		s.metrics.lagSeconds.Set(0) // whoever leads now knows
		return err
	})
}

func (s *Sealer) keepSealing(ctx context.Context) {
	wait, failing := pace, false
	for ctx.Err() == nil {
		_, err := s.Seal(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if failing {
				s.Logger.InfoContext(ctx, "the audit trail is sealed again")
			}
			wait, failing = pace, false
			if s.window.until != 0 {
				continue // there is more
			}
		case errors.Is(err, errMoved):
			// Another leads, and this one is about to hear that its lock is lost; or the database came to another server.
		case !failing:
			failing = true
			s.Logger.WarnContext(ctx, "the audit trail cannot be sealed; trying again until it works", "error", err)
		default:
			wait = min(2*wait, lastWait)
		}
		pause(ctx, wait)
	}
}

// Seal takes up the next of what was committed, and returns how many entries that were: 0 when there is nothing at present.
// It must not be called while it or Run is under way.
func (s *Sealer) Seal(ctx context.Context) (int, error) {
	w := s.window
	s.window = window{} // unless all goes well, it is read anew
	p, err := s.read(ctx, &w)
	if err != nil {
		return 0, err
	}
	if len(p.entries) > 0 {
		if err := s.link(ctx, &p); err != nil {
			return 0, err
		}
		if err := s.written(); err != nil {
			return 0, err
		}
		if err := s.write(ctx, p, w); err != nil {
			return 0, err
		}
		w.page++
		s.metrics.sealed.Add(float64(len(p.entries)))
	}
	if w.until != 0 {
		s.window = w
	}
	return len(p.entries), nil
}

// unsigned is the action of the entry that the sealer makes itself where a trail did not end as it had left it. From
// then on the trail says so.
const unsigned = "unsigned"

// link gives the entries of a page their numbers and hashes.
func (s *Sealer) link(ctx context.Context, p *page) error {
	linked := page{acts: p.acts, heads: p.heads, highest: p.highest}
	for i, e := range p.entries {
		id := p.organizations[i]
		h := p.heads[id]
		if !h.signed {
			s.metrics.unsigned.Inc()
			s.Logger.ErrorContext(ctx, "an audit trail does not end as it was left: somebody changed it, or the hub's key; see crmhub audit verify",
				"organization", id, "number", h.number)
			h.signed = true
			linked.add(&s.chain, id, h, Entry{At: e.At, Actor: string(postgres.System), Action: unsigned, Entity: "audit"})
		}
		if err := s.compact(&e); err != nil {
			return err
		}
		linked.add(&s.chain, id, h, e)
	}
	*p = linked
	return nil
}

// compact gives the detail its one form, in one line. Nearly always it has it already.
func (s *Sealer) compact(e *Entry) error {
	if len(e.Detail) == 0 {
		return nil
	}
	s.buffer.Reset()
	if err := json.Compact(&s.buffer, e.Detail); err != nil {
		return fmt.Errorf("seal a %s of %s: %w", e.Action, e.Entity, err)
	}
	if s.buffer.Len() != len(e.Detail) {
		e.Detail = bytes.Clone(s.buffer.Bytes())
	}
	return nil
}

func (p *page) add(c *chain, id uuid.UUID, h *head, e Entry) {
	e.Number, e.PreviousHash = h.number+1, h.hash
	e.conceal()
	e.Hash = c.hash(id, &e)
	h.number, h.hash = e.Number, e.Hash
	p.organizations, p.entries = append(p.organizations, id), append(p.entries, e)
}

// keepMeasuring tells how far the trail is behind, every ten seconds.
func (s *Sealer) keepMeasuring(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.measure(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "housekeeping failed", "job", "measuring the audit trail", "error", err)
		}
		pause(ctx, 10*time.Second)
	}
}

const selectLag = `
select coalesce(extract(epoch from now() - least(
	(select min(o.created_at) from outbox o where o.xid >= p.xid and not (o.xid < p.until and o.seq <= p.seq)),
	(select min(a.created_at) from audit_acts a))), 0)::float8
from (select * from audit_position limit 1) p`

func (s *Sealer) measure(ctx context.Context) error {
	var seconds float64
	err := s.DB.AsAuditor(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, selectLag).Scan(&seconds) })
	if err != nil {
		return fmt.Errorf("measure the audit trail: %w", err)
	}
	s.metrics.lagSeconds.Set(seconds)
	return nil
}

type metrics struct {
	sealed     prometheus.Counter
	unsigned   prometheus.Counter
	lagSeconds prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		sealed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmhub_audit_sealed_total", Help: "Entries of audit trails sealed by this process.",
		}),
		unsigned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "crmhub_audit_unsigned_total", Help: "Times that an audit trail did not end as it was left.",
		}),
		lagSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "crmhub_audit_lag_seconds", Help: "Age of the oldest write not sealed yet; 0 where another process leads.",
		}),
	}
	r.MustRegister(m.sealed, m.unsigned, m.lagSeconds)
	return m
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
