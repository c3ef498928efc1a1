package pull

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/mapping"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Config is what a Puller needs.
type Config struct {
	DB          *postgres.DB
	Connections *connection.Store
	Revisions   Revisions
	Entities    *crm.Store
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
	Breakers    *connection.Breakers // nil: with their usual pauses
	PageSize    int                  // records asked for at a time; 0: 1000
	Backoff     time.Duration        // wait before the first retry of a failed call, doubled with each; 0: 1 s
}

// Revisions knows which mapping holds for an entity on a connection; a *revision.Store does. No mapping is nil.
type Revisions interface {
	Live(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string) (m *mapping.Mapping, number int, err error)
}

// Puller executes the runs of pull jobs and replays pulled records.
type Puller struct {
	Config
	records *prometheus.CounterVec
}

// New returns a Puller and registers its metrics.
func New(c Config) *Puller {
	if c.PageSize == 0 {
		c.PageSize = 1000
	}
	if c.Breakers == nil {
		c.Breakers = &connection.Breakers{DB: c.DB}
	}
	if c.Backoff == 0 {
		c.Backoff = time.Second
	}
	p := &Puller{Config: c, records: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "crmhub_pulled_records_total", Help: "Records read from other systems, by what became of them.",
	}, []string{"connection", "entity", "result"})}
	c.Registerer.MustRegister(p.records)
	return p
}

// Run executes one run of a pull job; it is the [job.Work] of [job.Pull]. When it is cut off, the next run goes on from
// the last page that was stored.
func (p *Puller) Run(ctx context.Context, t job.Task) error {
	who := postgres.Principal{Organization: t.Job.Organization, Actor: postgres.Connection(t.Job.ConnectionID)}
	var c connection.Connection
	var s *stream
	err := p.DB.As(ctx, who, func(tx pgx.Tx) (err error) {
		if c, err = p.Connections.Get(ctx, tx, t.Job.ConnectionID); err != nil {
			return fmt.Errorf("pull %s: %w", t.Job.Entity, err)
		}
		s, err = p.stream(ctx, tx, c, t.Job.Entity)
		return err
	})
	if err != nil {
		return err
	}
	session, err := p.Connections.Open(c)
	if err != nil {
		return connection.Unopened(err)
	}
	err = s.pass(ctx, t, session)
	return errors.Join(err, closing(session, err))
}

// closing closes a session; once the run failed, that it does not close either is of no interest.
func closing(session connector.Session, failed error) error {
	err := session.Close()
	if failed != nil || err == nil {
		return nil //nolint:nilerr // as said above
	}
	return fmt.Errorf("close the session: %w", err)
}

// stream is one entity type on one connection, ready to be pulled.
type stream struct {
	*Puller
	connection  connection.Connection
	who         postgres.Principal
	by          crm.By
	kind        crm.Kind
	mapping     *mapping.Mapping
	fields      []mapping.Field
	pulled      map[string]bool // the fields that come from a record
	incremental bool
	ranged      bool // a range of it can be read
	gets        bool // its records can be read one by one
	remoteOwns  bool // nothing is ever pushed: the remote's deletions count
	log         *slog.Logger
}

// streamOf is stream outside of a transaction.
func (p *Puller) streamOf(ctx context.Context, c connection.Connection, entity string) (s *stream, err error) {
	err = p.DB.As(ctx, c.Principal(), func(tx pgx.Tx) error {
		s, err = p.stream(ctx, tx, c, entity)
		return err
	})
	return s, err
}

func (p *Puller) stream(ctx context.Context, tx pgx.Tx, c connection.Connection, entity string) (*stream, error) {
	m, _, err := p.Revisions.Live(ctx, tx, c, entity)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, connector.Misconfigured(schema.Say("no_mapping", entity, c.Connector), fmt.Sprintf("there is no mapping of %s for the connector %s", entity, c.Connector))
	}
	kind, err := crm.ParseKind(entity)
	if err != nil {
		return nil, connector.Misconfigured(nil, err.Error())
	}
	s := &stream{
		Puller: p, connection: c, who: c.Principal(), kind: kind, mapping: m, fields: slices.Clone(m.Fields()), remoteOwns: true,
		by:  crm.By{Actor: postgres.Connection(c.ID), Origin: c.Code},
		log: p.Logger.With("organization", c.Organization, "connection", c.Code, "entity", entity),
	}
	streams := p.Connections.Streams(c)
	at := slices.IndexFunc(streams, func(d connector.Stream) bool { return d.Entity == entity && d.Record == m.Record() && d.Pull })
	if at < 0 {
		return nil, connector.Misconfigured(schema.Say("not_pulled", c.Connector, m.Record()), fmt.Sprintf("the connector %s does not pull %s over this connection", c.Connector, m.Record()))
	}
	s.incremental, s.ranged, s.gets = streams[at].Incremental, streams[at].Range, streams[at].Get
	s.pulled = make(map[string]bool, len(s.fields))
	for i := range s.fields {
		s.pulled[s.fields[i].Path] = s.fields[i].Pull
		s.fields[i].Push = s.fields[i].Push && streams[at].Push // whatever the mapping could send
		s.remoteOwns = s.remoteOwns && !s.fields[i].Push
	}
	return s, nil
}
