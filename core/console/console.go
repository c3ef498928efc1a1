package console

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"crmhub/core/access"
	"crmhub/core/access/openid"
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
	"crmhub/core/privacy"
	"crmhub/core/reconcile"
	"crmhub/core/report"
	"crmhub/core/revision"
	"crmhub/core/schema"
	"crmhub/core/secret"
	"crmhub/core/transfer"
	"crmhub/core/upkeep"
	"crmhub/core/webhook"
)

// Config is what the console works with.
type Config struct {
	DB          *postgres.DB
	CRM         *crm.Store
	Access      *access.Store
	OpenID      *openid.Provider // nil: nobody signs in elsewhere
	Connections *connection.Store
	Breakers    *connection.Breakers // nil: with their usual pauses
	Jobs        *job.Store
	Notify      *notify.Store
	Webhooks    *webhook.Store
	Revisions   *revision.Store
	Schemas     *schema.Set // of entities: order.v1.json
	Key         secret.Key  // signs the audit trail
	Logger      *slog.Logger
	DryRuns     map[job.Kind]job.DryRun // what jobs would do
	Replay      map[job.Kind]job.Replay // how dead letters are tried again
	Matcher     *matching.Matcher       // does what is decided about proposals
	Reconciler  *reconcile.Reconciler   // mends what a reconciliation found
}

// Console serves the pages.
type Console struct {
	Config
	render  *renderer
	editor  *edit.Editor
	reports report.Store
	flows   flow.Store
	watched watched
	upkeep  upkeep.Store
	inbox   inbox.Store

	allocations allocation.Store
	transfers   transfer.Store
}

// New parses all pages; an error is a fault of the program.
func New(c Config) (*Console, error) {
	r, err := embedded()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	e, err := edit.New(c.CRM, c.Schemas)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	if c.Breakers == nil {
		c.Breakers = &connection.Breakers{DB: c.DB}
	}
	return &Console{
		Config: c, render: r, editor: e, reports: report.Store{Now: c.CRM.Now},
		flows: flow.Store{Connections: c.Connections, Jobs: c.Jobs, Revisions: c.Revisions}, upkeep: upkeep.Store{Entities: c.CRM, Now: c.CRM.Now},
		inbox: inbox.Store{CRM: c.CRM, Editor: e, Access: c.Access}, allocations: allocation.Store{CRM: c.CRM, Editor: e},
	}, nil
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

// page is what a URL of the console shows or does, and what it needs.
type page struct {
	needs need
	serve func(context.Context, *visit) error
}

// need is a permission of which one action will do; no resource is for everybody signed in.
type need struct {
	resource access.Resource
	actions  []access.Action
	some     bool // of any kind of record; the page asks for the kind it is about
}

func needs(r access.Resource, actions ...access.Action) need {
	return need{resource: r, actions: actions}
}

// needsSome is the permission to do something with any kind of record: which one, the request says.
func needsSome(a access.Action) need { return need{actions: []access.Action{a}, some: true} }

func (n need) met(who access.Identity) bool {
	if n.some {
		return slices.ContainsFunc(crm.Kinds(), func(k crm.Kind) bool { return who.May(access.Resource(k), n.actions[0]) != "" })
	}
	return n.resource == "" || slices.ContainsFunc(n.actions, func(a access.Action) bool { return who.May(n.resource, a) != "" })
}

// pages are all pages: those of the kinds, which views describe, and those with a line of their own.
func (c *Console) pages() map[string]page {
	const opportunities = access.Resource(crm.KindOpportunity)
	everybody := need{}
	all := map[string]page{
		"GET /{$}":                             {everybody, c.home},
		"GET /search":                          {everybody, c.search},
		"GET /choose/{kind}":                   {everybody, c.choose},
		"GET /opportunities/board":             {needs(opportunities, access.Read), c.board},
		"GET /opportunities/{id}/stage":        {needs(opportunities, access.Update), c.showMove},
		"POST /opportunities/{id}/stage":       {needs(opportunities, access.Update), c.moveStage},
		"GET /reports":                         {needs(access.Reports, access.Read), c.listReports},
		"GET /reports/{name}":                  {needs(access.Reports, access.Read), c.showReport},
		"GET /reports/{name}/rows":             {needs(access.Reports, access.Read), c.showReportRows},
		"GET /reports/{name}/file":             {needs(access.Reports, access.Export), c.reportFile},
		"GET /targets":                         {needs(access.Targets, access.Read), c.listTargets},
		"POST /targets":                        {needs(access.Targets, access.Create), c.addTarget},
		"POST /targets/{id}":                   {needs(access.Targets, access.Update), c.changeTarget},
		"POST /targets/{id}/delete":            {needs(access.Targets, access.Delete), c.removeTarget},
		"GET /follow-ups":                      {everybody, c.followUps},
		"GET /sync":                            {needs(access.Connections, access.Read), c.syncOverview},
		"GET /sync/live":                       {needs(access.Connections, access.Read), c.followSync},
		"GET /live":                            {needs(access.Connections, access.Read), c.followHome},
		"GET /sync/connections":                {needs(access.Connections, access.Read), c.listConnections},
		"GET /sync/connections/{id}":           {needs(access.Connections, access.Read), c.showConnection},
		"POST /sync/connections/{id}/check":    {needs(access.Connections, access.Update), c.checkConnection},
		"POST /sync/drift/{id}/know":           {needs(access.Connections, access.Update), c.acknowledgeDrift},
		"POST /sync/connections/{id}/status":   {needs(access.Connections, access.Update), c.setConnectionStatus},
		"GET /sync/jobs":                       {needs(access.Jobs, access.Read), c.listJobs},
		"GET /sync/jobs/live":                  {needs(access.Jobs, access.Read), c.followJobs},
		"POST /sync/jobs/{id}/run":             {needs(access.Jobs, access.Run), c.runJob},
		"POST /sync/jobs/{id}/status":          {needs(access.Jobs, access.Update), c.setJobStatus},
		"GET /sync/runs":                       {needs(access.DeadLetters, access.Read), c.listRuns},
		"GET /sync/runs/{id}":                  {needs(access.DeadLetters, access.Read), c.showRun},
		"GET /sync/runs/{id}/live":             {needs(access.DeadLetters, access.Read), c.followRun},
		"POST /sync/runs/{id}/cancel":          {needs(access.Jobs, access.Run), c.cancelRun},
		"POST /sync/runs/{id}/pause":           {needs(access.Jobs, access.Run), c.actOnRun(job.RequestPause, "pausing")},
		"POST /sync/runs/{id}/resume":          {needs(access.Jobs, access.Run), c.actOnRun(job.ResumeRun, "run_resumed")},
		"POST /sync/runs/{id}/accept":          {needs(access.Jobs, access.Run), c.actOnRun(job.Accept, "accepted")},
		"POST /sync/runs/{id}/discard":         {needs(access.Jobs, access.Run), c.actOnRun(job.Discard, "discarded")},
		"GET /sync/dead-letters":               {needs(access.DeadLetters, access.Read), c.listDeadLetters},
		"GET /sync/dead-letters/live":          {needs(access.DeadLetters, access.Read), c.followDeadLetters},
		"GET /sync/dead-letters/causes":        {needs(access.DeadLetters, access.Read), c.listCauses},
		"GET /sync/dead-letters/causes/live":   {needs(access.DeadLetters, access.Read), c.followCauses},
		"POST /sync/dead-letters/dismiss":      {needs(access.DeadLetters, access.Update), c.dismissCause},
		"GET /sync/dead-letters/{id}":          {needs(access.DeadLetters, access.Read), c.showDeadLetter},
		"POST /sync/dead-letters/replay":       {needs(access.DeadLetters, access.Run), c.replayLetters},
		"POST /sync/dead-letters/{id}/replay":  {needs(access.DeadLetters, access.Run), c.replayDeadLetter},
		"GET /erasures":                        {needs(access.Resource(crm.KindCustomer), access.Erase), c.listErasures},
		"GET /erasures/{id}":                   {needs(access.Resource(crm.KindCustomer), access.Erase), c.showErasure},
		"GET /sync/conflicts":                  {needs(access.DeadLetters, access.Read), c.listConflicts},
		"POST /sync/conflicts/settle":          {needs(access.DeadLetters, access.Run), c.settleConflicts},
		"POST /sync/conflicts/{id}/settle":     {needs(access.DeadLetters, access.Run), c.settleConflict},
		"POST /sync/dead-letters/{id}/dismiss": {needs(access.DeadLetters, access.Update), c.dismissDeadLetter},
		"GET /sync/reconciliations":            {needs(access.DeadLetters, access.Read), c.listReconciliations},
		"POST /sync/reconciliations":           {needs(access.Jobs, access.Run), c.startReconciliation},
		"GET /sync/reconciliations/{id}":       {needs(access.DeadLetters, access.Read), c.showReconciliation},
		"POST /sync/reconciliations/{id}/mend": {needs(access.DeadLetters, access.Run, access.Update), c.mendDifferences},
	}
	maps.Copy(all, c.poolPages())
	maps.Copy(all, c.matchingPages())
	maps.Copy(all, c.duplicatePages())
	maps.Copy(all, c.jobRoutes())
	maps.Copy(all, c.connectionRoutes())
	maps.Copy(all, c.transferPages())
	maps.Copy(all, c.accountPages())
	maps.Copy(all, c.adminPages())
	maps.Copy(all, c.mappingPages())
	maps.Copy(all, c.notifyPages())
	maps.Copy(all, c.financePages())
	maps.Copy(all, c.ratePages())
	for _, k := range crm.Kinds() {
		w := viewOf(k)
		at, r := w.path(), w.resource()
		all["GET "+at] = page{needs(r, access.Read), c.list(w)}
		all["POST "+at] = page{needs(r, access.Create), c.create(w)}
		all["POST "+at+"/columns"] = page{needs(r, access.Read), c.chooseColumns(w)}
		all["POST "+at+"/{id}/attachments"] = page{needs(r, access.Update), c.attach(w)}
		all["POST "+at+"/{id}/attachments/{file}/delete"] = page{needs(r, access.Update), c.detach(w)}
		all["POST "+at+"/bulk"] = page{needs(r, access.Read), c.bulk(w)}
		all["POST "+at+"/export"] = page{needs(r, access.Export), c.exportList(w)}
		all["GET "+at+"/new"] = page{needs(r, access.Create), c.formNew(w)}
		all["GET "+at+"/{id}"] = page{needs(r, access.Read), c.record(w)}
		all["POST "+at+"/{id}"] = page{needs(r, access.Update, access.Assign), c.update(w)}
		all["GET "+at+"/{id}/journey"] = page{needs(r, access.Read), c.journey(w)}
		all["GET "+at+"/{id}/edit"] = page{needs(r, access.Update, access.Assign), c.formEdit(w)}
		all["POST "+at+"/{id}/delete"] = page{needs(r, access.Delete), c.delete(w)}
		all["POST "+at+"/{id}/restore"] = page{needs(r, access.Delete), c.restore(w)}
		if slices.Contains(privacy.Erasable(), k) {
			all["GET "+at+"/{id}/erase"] = page{needs(r, access.Erase), c.askErase(w)}
			all["POST "+at+"/{id}/erase"] = page{needs(r, access.Erase), c.erase(w)}
		}
		maps.Copy(all, c.savedRoutes(w))
		if crm.Transitions(k) != nil {
			all["POST "+at+"/{id}/move"] = page{needs(r, edit.MoveActions(k)...), c.move(w)}
		}
	}
	return all
}

// transferPages are those of imports and exports.
func (c *Console) transferPages() map[string]page {
	imports, exports := needsSome(access.Import), needsSome(access.Export)
	return map[string]page{
		"GET /imports":              {imports, c.listImports},
		"POST " + importsPath:       {imports, c.uploadImport},
		"GET /imports/{id}":         {imports, c.showImport},
		"POST /imports/{id}":        {imports, c.changeImport},
		"POST /imports/{id}/run":    {imports, c.beginImport("import_running", (*transfer.Store).Run)},
		"POST /imports/{id}/cancel": {imports, c.beginImport("import_cancelling", (*transfer.Store).Cancel)},
		"POST /imports/{id}/undo":   {imports, c.beginImport("import_undoing", (*transfer.Store).Undo)},
		"GET /imports/{id}/errors":  {imports, c.importErrors},
		"GET /imports/{id}/live":    {imports, c.followImport},
		"GET /exports":              {exports, c.listExports},
		"GET /exports/{id}":         {exports, c.showExport},
		"GET /exports/{id}/live":    {exports, c.followExport},
		"GET /exports/{id}/file":    {exports, c.exportFile},
		"POST /exports/{id}/cancel": {exports, c.cancelExport},
		"POST /exports/{id}/delete": {exports, c.deleteExport},
	}
}

const (
	importsPath = "/imports"

	maxForm = 1 << 20 // bytes of a form without a file
)

// bodyLimit is how many bytes a request may have.
func bodyLimit(r *http.Request) int64 {
	switch {
	case r.URL.Path == importsPath:
		return maxImport + maxForm
	case r.URL.Path == inboxPath:
		return maxInvoices + maxForm
	case strings.HasSuffix(r.URL.Path, "/attachments"):
		return maxAttachment + maxForm
	}
	return maxForm
}

// contentPolicy allows our own files and forms, and nothing inline.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure refuses writes from other sites and tells the browser to run nothing but our own files.
func (c *Console) secure(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.writeGate(w, r, http.StatusForbidden, "error", "/login", "/", "error.other_site")
	}))
	return protection.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
		next.ServeHTTP(w, r)
	}))
}
