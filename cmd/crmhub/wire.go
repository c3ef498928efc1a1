package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"crmhub/connectors"
	"crmhub/core/access"
	"crmhub/core/access/openid"
	"crmhub/core/alert"
	"crmhub/core/api"
	"crmhub/core/audit"
	"crmhub/core/bus"
	"crmhub/core/bus/embedded"
	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/console"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/journey"
	"crmhub/core/mapping"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/outbox"
	"crmhub/core/postgres"
	"crmhub/core/pull"
	"crmhub/core/push"
	"crmhub/core/reconcile"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/telemetry"
	"crmhub/core/transfer"
	"crmhub/core/upkeep"
	"crmhub/core/webhook"
)

// hub is the running program: stores, engine and doors, wired. Made by newHub, driven by run, released by undo.
type hub struct {
	logger      *slog.Logger
	registry    *prometheus.Registry
	db          *postgres.DB
	bus         *bus.Client
	crm         *crm.Store
	access      *access.Store
	openID      *openid.Provider // nil: nobody signs in elsewhere
	trusted     []netip.Prefix
	connectors  map[string]connector.Connector
	schemas     *schema.Set
	mappings    *mapping.Set
	connections *connection.Store
	revisions   *revision.Store
	breakers    *connection.Breakers
	prober      *connection.Prober
	watchdog    *job.Watchdog
	jobs        *job.Store
	relay       *outbox.Relay
	key         secret.Key
	sealer      *audit.Sealer
	notify      *notify.Store
	sender      *notify.Sender
	scheduler   *job.Scheduler
	puller      *pull.Puller
	reconciler  *reconcile.Reconciler
	matcher     *matching.Matcher
	pushMetrics *push.Metrics
	replay      map[job.Kind]job.Replay
	server      *http.Server
	listener    net.Listener
	first       access.Bootstrapped
	undo        closers
}

// newHub opens everything the program needs, but starts no work.
func newHub(ctx context.Context, c *Config, out output) (_ *hub, err error) {
	h := &hub{logger: c.logger(out.stderr), registry: telemetry.NewRegistry(version()), crm: &crm.Store{}}
	defer func() {
		if err != nil {
			h.closeInto(ctx, &err)
		}
	}()
	if h.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listen for API and console (CRMHUB_LISTEN): %w", err)
	}
	h.undo.add(func(context.Context) error {
		if err := h.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	if h.db, err = c.openDatabase(ctx, c.private() || c.embedded(), h.logger, &h.undo); err != nil {
		return nil, err
	}
	if err := h.db.CheckRoom(ctx); err != nil {
		h.logger.WarnContext(ctx, "the hub may starve", "error", err)
	}
	if err := h.openBus(ctx, c); err != nil {
		return nil, err
	}
	h.rewindGroups(ctx)
	if err := h.openEngine(ctx, c); err != nil {
		return nil, err
	}
	return h, h.openDoors()
}

// openBus connects to Kafka, or starts the embedded broker.
func (h *hub) openBus(ctx context.Context, c *Config) error {
	brokers := c.KafkaBrokers
	if c.embedded() {
		b, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(c.DataDir, "broker"), Addr: c.BrokerListen, Logger: h.logger})
		if err != nil {
			return err
		}
		h.undo.add(func(context.Context) error { return b.Close() })
		brokers = []string{b.Addr()}
	}
	var err error
	if h.bus, err = bus.Open(ctx, c.bus(brokers, h.logger)); err != nil {
		return err
	}
	h.undo.add(func(context.Context) error {
		h.bus.Close()
		return nil
	})
	return nil
}

// rewindGroups lets groups of connections begin logs anew that lost their end. It comes before the relay fills those
// again, so that the groups skip nothing of it.
func (h *hub) rewindGroups(ctx context.Context) {
	rewound, err := h.bus.RewindGroups(ctx, "crmhub.")
	if err != nil {
		h.logger.WarnContext(ctx, "groups not checked; their readers notice a lost log themselves", "error", err)
	}
	for _, r := range rewound {
		h.logger.WarnContext(ctx, "a log lost its end; its group begins it anew",
			"group", r.Group, "topic", r.Topic, "partition", r.Number, "committed", r.Committed, "end", r.End)
	}
}

func (h *hub) openEngine(ctx context.Context, c *Config) error {
	var err error
	if h.key, err = c.key(); err != nil {
		return err
	}
	h.access = &access.Store{DB: h.db, Key: h.key, Entities: api.Entities(), TokensHeld: time.Second}
	h.openID, h.trusted = c.openID(h.key), c.trusted
	if h.first, err = h.access.Bootstrap(ctx, c.BaseCurrency); err != nil {
		return err
	}
	set, err := connectors.Load(c.connectorsDir())
	if err != nil {
		return err
	}
	h.connectors = set.ByName()
	if h.schemas, err = schema.Load(set.Schemas); err != nil {
		return err
	}
	if h.mappings, err = mapping.Load(set.Mappings, h.schemas); err != nil {
		return err
	}
	h.connections = &connection.Store{Connectors: h.connectors, Key: h.key, Logger: h.logger, DB: h.db, Folders: c.FilesDir}
	h.revisions = &revision.Store{Shipped: h.mappings, Schemas: h.schemas, Connections: h.connections, CRM: h.crm}
	h.breakers = &connection.Breakers{DB: h.db}
	h.prober = connection.NewProber(connection.ProberConfig{
		Breakers: h.breakers, Store: h.connections, Logger: h.logger, Registerer: h.registry,
	})
	h.watchdog = job.NewWatchdog(h.db, h.logger, h.registry)
	h.jobs = &job.Store{Connectors: h.connectors}
	h.relay = outbox.NewRelay(outbox.RelayConfig{DB: h.db, Bus: h.bus, Logger: h.logger, Registerer: h.registry})
	h.sealer = audit.NewSealer(audit.SealerConfig{DB: h.db, Key: h.key, Logger: h.logger, Registerer: h.registry})
	mailer, err := c.mailer()
	if err != nil {
		return err
	}
	h.notify = &notify.Store{Key: h.key, Entities: crm.KindNames(), Mails: mailer != nil}
	h.sender = notify.NewSender(notify.SenderConfig{
		DB: h.db, Key: h.key, Mailer: mailer, Logger: h.logger, Registerer: h.registry, UserAgent: "crmhub/" + version(),
	})
	h.scheduler = &job.Scheduler{DB: h.db, Logger: h.logger}
	h.pushMetrics = push.NewMetrics(h.registry)
	h.puller = pull.New(pull.Config{
		DB: h.db, Connections: h.connections, Revisions: h.revisions, Entities: h.crm, Breakers: h.breakers,
		Logger: h.logger, Registerer: h.registry,
	})
	h.matcher = matching.New(matching.Config{DB: h.db, Connections: h.connections, Entities: h.crm, Puller: h.puller, Logger: h.logger})
	h.reconciler = reconcile.New(reconcile.Config{
		DB: h.db, Connections: h.connections, Revisions: h.revisions, Entities: h.crm, Puller: h.puller, Logger: h.logger,
	})
	h.replay = map[job.Kind]job.Replay{job.Pull: h.puller.Replay, job.Push: push.Replay}
	return nil
}

// openDoors puts API, console, metrics and health behind one address.
func (h *hub) openDoors() error {
	topics, err := describeTopics()
	if err != nil {
		return err
	}
	dry := dryRuns(h.db, h.connections, h.revisions, h.puller, h.logger)
	webhooks := &webhook.Store{Key: h.key, Entities: crm.KindNames()}
	rest, err := api.New(api.Config{
		DB: h.db, CRM: h.crm, Access: h.access, Connections: h.connections, Breakers: h.breakers, Jobs: h.jobs, Transfers: &transfer.Store{},
		Notify: h.notify, Webhooks: webhooks, Reconciler: h.reconciler, Matcher: h.matcher, Replay: h.replay,
		DryRuns: dry, Revisions: h.revisions,
		Schemas: h.schemas, Key: h.key, Logger: h.logger, Registerer: h.registry, Version: version(), Topics: topics,
	})
	if err != nil {
		return err
	}
	pages, err := console.New(console.Config{
		DB: h.db, CRM: h.crm, Access: h.access, OpenID: h.openID, Connections: h.connections, Breakers: h.breakers, Jobs: h.jobs,
		Notify: h.notify, Schemas: h.schemas, Key: h.key, Replay: h.replay, Reconciler: h.reconciler, Matcher: h.matcher,
		Revisions: h.revisions, DryRuns: dry, Webhooks: webhooks, Logger: h.logger,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", rest)
	mux.Handle(api.WebhookPath, api.ReceiveWebhooks(&webhook.Receiver{DB: h.db, Store: webhooks}, h.logger))
	mux.Handle("/healthz", telemetry.AliveHandler())
	mux.Handle("/readyz", telemetry.ReadyHandler(
		map[string]telemetry.Check{"database": h.db.Ping},
		map[string]telemetry.Check{"broker": h.bus.Ping}, // while it is away changes wait in the outbox, and the doors stay open
	))
	mux.Handle("/metrics", telemetry.MetricsHandler(h.registry))
	mux.Handle("/", pages.Handler())
	h.server = &http.Server{
		Handler: forwarded(h.trusted, mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(h.logger.Handler(), slog.LevelWarn),
	}
	return nil
}

// url is where API and console are.
func (h *hub) url() string { return "http://" + h.listener.Addr().String() }

// run does all the work until ctx ends or a part fails, and waits for every part.
func (h *hub) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	runner := job.NewRunner(job.RunnerConfig{
		DB: h.db, Logger: h.logger, Registerer: h.registry,
		Work: map[job.Kind]job.Work{
			job.Pull: h.puller.Run,
			job.Push: h.sweep,

			job.Reconcile: h.reconciler.Run,
			job.Match:     h.matcher.Run,
		},
		Replay: h.replay,
	})
	g.Go(func() error { return h.db.WatchSchema(ctx) })
	g.Go(func() error { return h.db.KeepStatistics(ctx) })
	g.Go(func() error { return h.relay.Run(ctx) })
	g.Go(func() error { return h.sealer.Run(ctx) })
	g.Go(func() error { return (&api.KeySweeper{DB: h.db, Logger: h.logger}).Run(ctx) })
	g.Go(func() error { return (&access.Sweeper{Store: h.access, Logger: h.logger}).Run(ctx) })
	g.Go(func() error { return h.scheduler.Run(ctx) })
	g.Go(func() error { return (&job.Pruner{DB: h.db, Logger: h.logger}).Run(ctx) })
	g.Go(func() error { return (&journey.Pruner{DB: h.db, Logger: h.logger}).Run(ctx) })
	g.Go(func() error { return runner.Run(ctx) })
	g.Go(func() error { return h.watchdog.Run(ctx) })
	g.Go(func() error { return h.prober.Run(ctx) })
	g.Go(func() error {
		return (&transfer.Runner{DB: h.db, Access: h.access, Entities: h.crm, Logger: h.logger}).Run(ctx)
	})
	g.Go(func() error { return (&transfer.Sweeper{DB: h.db, Logger: h.logger}).Run(ctx) })
	g.Go(func() error {
		return (&upkeep.Runner{DB: h.db, Access: h.access, Store: &upkeep.Store{Entities: h.crm}, Logger: h.logger}).Run(ctx)
	})
	g.Go(func() error { return h.sender.Run(ctx) })
	g.Go(func() error { return (&alert.Watcher{DB: h.db, Logger: h.logger}).Run(ctx) })
	g.Go(func() error {
		return (&notify.Feed{DB: h.db, Bus: h.bus, Entities: crm.KindNames(), Logger: h.logger}).Run(ctx)
	})
	g.Go(func() error { return (&pushers{hub: h}).run(ctx) })
	g.Go(func() error {
		if err := h.server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if h.server.Shutdown(grace) != nil {
			return h.server.Close() // somebody follows a run live
		}
		return nil
	})
	return g.Wait()
}

// sweep executes a push job: every entity whose newest version is not wanted yet on the connection becomes due there.
func (h *hub) sweep(ctx context.Context, t job.Task) error {
	return push.Sweep(ctx, h.db, h.crm, t)
}

// activeConnections are those of every organization; live tells which mappings of its own each has.
func (h *hub) activeConnections(ctx context.Context) (members []connection.Connection, live map[uuid.UUID]string, err error) {
	err = h.db.AsSystem(ctx, func(tx pgx.Tx) error {
		if members, err = h.connections.AllActive(ctx, tx); err != nil {
			return err
		}
		live, err = revision.AllLive(ctx, tx)
		return err
	})
	return members, live, err
}
