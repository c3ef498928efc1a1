package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"crmhub/core/access"
	"crmhub/core/allocation"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/flow"
	"crmhub/core/inbox"
	"crmhub/core/job"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/report"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/transfer"
	"crmhub/core/upkeep"
	"crmhub/core/webhook"
)

// Config is what the API works with.
type Config struct {
	DB          *postgres.DB
	CRM         *crm.Store
	Access      *access.Store
	Breakers    *connection.Breakers // nil: with their usual pauses
	Connections *connection.Store
	Jobs        *job.Store
	Transfers   *transfer.Store
	Notify      *notify.Store
	Webhooks    *webhook.Store
	Replay      map[job.Kind]job.Replay // how dead letters are tried again
	Matcher     *matching.Matcher       // does what is decided about proposals
	Reconciler  *reconcile.Reconciler   // mends what a reconciliation found
	DryRuns     map[job.Kind]job.DryRun
	Revisions   *revision.Store
	Schemas     *schema.Set // of entities: order.v1.json
	Key         secret.Key  // signs the audit trail
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
	Version     string // of the program, for the document
	Topics      []byte // what describes the topics: AsyncAPI, JSON
}

type server struct {
	Config
	mux      *http.ServeMux
	document *document
	routes   []route
	metrics  *metrics
	now      func() time.Time
	patience time.Duration // that a read is given
	origins  *http.CrossOriginProtection
	reports  report.Store
	flows    flow.Store
	closed   map[string]bool // patterns that answer 405: see closeShadows
	upkeep   upkeep.Store
	editor   *edit.Editor
	inbox    inbox.Store
	reads    *together

	allocations allocation.Store
}

// New returns the handler of everything below /api/v1. It fails when a schema it describes its bodies with is missing.
func New(c Config) (http.Handler, error) {
	if c.Breakers == nil {
		c.Breakers = &connection.Breakers{DB: c.DB}
	}
	s := &server{
		Config: c, mux: http.NewServeMux(), document: newDocument(c.Version), metrics: newMetrics(c.Registerer),
		now: time.Now, patience: patience, origins: http.NewCrossOriginProtection(), upkeep: upkeep.Store{Entities: c.CRM, Now: c.CRM.Now},
		closed: map[string]bool{},
		flows:  flow.Store{Connections: c.Connections, Jobs: c.Jobs, Revisions: c.Revisions},
	}
	var err error
	if s.editor, err = edit.New(c.CRM, c.Schemas); err != nil {
		return nil, err
	}
	s.inbox = inbox.Store{CRM: c.CRM, Editor: s.editor, Access: c.Access}
	s.reads = &together{read: s.readAll, atOnce: atOnce}
	s.allocations = allocation.Store{CRM: c.CRM, Editor: s.editor}
	if s.routes, err = s.table(); err != nil {
		return nil, err
	}
	for _, r := range s.routes {
		if err := r.undeclared(); err != nil {
			return nil, err
		}
		if r.body != nil {
			if err := r.body.compile(s.document); err != nil {
				return nil, err
			}
		}
		s.document.add(r)
		s.mux.HandleFunc(r.at(), s.handle(r))
	}
	s.closeShadows()
	s.mux.HandleFunc(anywhere, s.noRoute)
	s.document.openAnswers()
	s.describe()
	return s, nil
}

// closeShadows gives the methods that a path does not have to nobody, where they would go to a neighbour that takes its last
// word for an id: GET /customers/bulk is no customer called bulk, but a method that the path lacks.
func (s *server) closeShadows() {
	served := map[string]bool{}
	for _, r := range s.routes {
		served[r.at()] = true
	}
	for _, r := range s.routes {
		_, path, _ := strings.Cut(r.at(), " ")
		for _, method := range methods {
			pattern := method + " " + path
			if neighbour := method + " " + path[:strings.LastIndexByte(path, '/')] + "/{id}"; served[neighbour] && !served[pattern] && !s.closed[pattern] {
				s.closed[pattern] = true
				s.mux.HandleFunc(pattern, s.noRoute)
			}
		}
	}
}

// at is the route's pattern for the mux: "GET /api/v1/customers/{id}".
func (r route) at() string {
	method, path, _ := strings.Cut(r.pattern, " ")
	return method + " " + prefix + path
}
