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

	for pattern, p := range c.pages() {
		mux.Handle(pattern, c.page(p))
	}
	mux.Handle("/", c.page(page{serve: func(context.Context, *visit) error { return crm.ErrNotFound }}))
	return c.secure(mux)
}

// page is what a URL of the console shows or does, and the permission it needs; no resource is for everybody signed in.
type page struct {
	resource access.Resource
	action   access.Action
	serve    func(context.Context, *visit) error
}

func (c *Console) pages() map[string]page {
	const customers, orders, invoices = access.Resource(crm.KindCustomer), access.Resource(crm.KindOrder), access.Resource(crm.KindInvoice)
	return map[string]page{
		"GET /{$}":                             {"", "", c.overview},
		"GET /customers":                       {customers, access.Read, c.listCustomers},
		"GET /customers/{id}":                  {customers, access.Read, c.showCustomer},
		"GET /orders":                          {orders, access.Read, c.listOrders},
		"GET /orders/{id}":                     {orders, access.Read, c.showOrder},
		"GET /invoices":                        {invoices, access.Read, c.listInvoices},
		"GET /invoices/{id}":                   {invoices, access.Read, c.showInvoice},
		"GET /sync/connections":                {access.Connections, access.Read, c.listConnections},
		"GET /sync/connections/{id}":           {access.Connections, access.Read, c.showConnection},
		"POST /sync/connections/{id}/check":    {access.Connections, access.Update, c.checkConnection},
		"POST /sync/connections/{id}/status":   {access.Connections, access.Update, c.setConnectionStatus},
		"GET /sync/jobs":                       {access.Jobs, access.Read, c.listJobs},
		"POST /sync/jobs/{id}/run":             {access.Jobs, access.Run, c.runJob},
		"POST /sync/jobs/{id}/status":          {access.Jobs, access.Update, c.setJobStatus},
		"GET /sync/runs":                       {access.DeadLetters, access.Read, c.listRuns},
		"GET /sync/runs/{id}":                  {access.DeadLetters, access.Read, c.showRun},
		"GET /sync/runs/{id}/live":             {access.DeadLetters, access.Read, c.followRun},
		"POST /sync/runs/{id}/cancel":          {access.Jobs, access.Run, c.cancelRun},
		"GET /sync/dead-letters":               {access.DeadLetters, access.Read, c.listDeadLetters},
		"GET /sync/dead-letters/{id}":          {access.DeadLetters, access.Read, c.showDeadLetter},
		"POST /sync/dead-letters/replay":       {access.DeadLetters, access.Run, c.replayCause},
		"POST /sync/dead-letters/{id}/replay":  {access.DeadLetters, access.Run, c.replayDeadLetter},
		"POST /sync/dead-letters/{id}/dismiss": {access.DeadLetters, access.Update, c.dismissDeadLetter},
	}
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
