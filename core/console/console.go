package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"crmhub/core/access"
	"crmhub/core/access/openid"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/job"
	"crmhub/core/postgres"
)

// Config is what the console works with.
type Config struct {
	DB          *postgres.DB
	CRM         *crm.Store
	Access      *access.Store
	OpenID      *openid.Provider // nil: nobody signs in elsewhere
	Connections *connection.Store
	Jobs        *job.Store
	Logger      *slog.Logger
	Replay      map[job.Kind]job.Replay // how dead letters are tried again
}

// Console serves the pages.
type Console struct {
	Config
	render *renderer
}

// New parses all pages; an error is a fault of the program.
func New(c Config) (*Console, error) {
	r, err := newRenderer()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return &Console{c, r}, nil
}

// Handler serves every page of the console.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{name}", c.render.serveAsset)
	mux.HandleFunc("GET /login", c.showLogin)
	mux.HandleFunc("POST /login", c.login)
	mux.HandleFunc("GET /login/code", c.showCode)
	mux.HandleFunc("POST /login/code", c.enterCode)
	if c.OpenID != nil {
		mux.HandleFunc("GET /login/oidc", c.beginOpenID)
		mux.HandleFunc("GET "+OpenIDCallback, c.finishOpenID)
	}
	mux.HandleFunc("POST /logout", c.logout)
	mux.HandleFunc("POST /language", c.setLanguage)

	pages := map[string]func(context.Context, *visit) error{
		"GET /{$}":                             c.overview,
		"GET /customers":                       c.listCustomers,
		"GET /customers/{id}":                  c.showCustomer,
		"GET /orders":                          c.listOrders,
		"GET /orders/{id}":                     c.showOrder,
		"GET /invoices":                        c.listInvoices,
		"GET /invoices/{id}":                   c.showInvoice,
		"GET /sync/connections":                c.listConnections,
		"GET /sync/connections/{id}":           c.showConnection,
		"POST /sync/connections/{id}/check":    c.checkConnection,
		"POST /sync/connections/{id}/status":   c.setConnectionStatus,
		"GET /sync/jobs":                       c.listJobs,
		"POST /sync/jobs/{id}/run":             c.runJob,
		"POST /sync/jobs/{id}/status":          c.setJobStatus,
		"GET /sync/runs":                       c.listRuns,
		"GET /sync/runs/{id}":                  c.showRun,
		"GET /sync/runs/{id}/live":             c.followRun,
		"POST /sync/runs/{id}/cancel":          c.cancelRun,
		"GET /sync/dead-letters":               c.listDeadLetters,
		"GET /sync/dead-letters/{id}":          c.showDeadLetter,
		"POST /sync/dead-letters/replay":       c.replayCause,
		"POST /sync/dead-letters/{id}/replay":  c.replayDeadLetter,
		"POST /sync/dead-letters/{id}/dismiss": c.dismissDeadLetter,
	}
	for pattern, page := range pages {
		mux.Handle(pattern, c.page(page))
	}
	mux.Handle("/", c.page(func(context.Context, *visit) error { return crm.ErrNotFound }))
	return c.secure(mux)
}

// contentPolicy allows our own files and forms, and nothing inline.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure refuses writes from other sites and tells the browser to run nothing but our own files.
func (c *Console) secure(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	return protection.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		next.ServeHTTP(w, r)
	}))
}
