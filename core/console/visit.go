package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/listview"
	"crmhub/core/matching"
	"crmhub/core/notify"
	"crmhub/core/postgres"
	"crmhub/core/reconcile"
	"crmhub/core/schema"
	"crmhub/core/transfer"
)

// visit is one signed-in request.
type visit struct {
	console *Console
	w       http.ResponseWriter
	r       *http.Request
	lang    string
	who     access.Identity
	here    string         // the path of the page shown, where that is not the request's
	known   *names         // see everybody
	days    *time.Location // see today
	endTurn func()         // of a page that is read; what lasts longer than reading ends it early
}

// frame is what the layout needs around a page's own data.
type frame struct {
	Path   string
	Here   string // path and query, to come back to
	User   string // "" where nobody is signed in
	Text   string // what was searched for
	Notice string // a key of the catalogue, "" for none
	Tone   string // of the notice
	Data   any

	Sections []section // of the navigation

	who access.Identity
}

// May reports whether the reader may do something, so that a page offers nothing that would be refused.
func (f frame) May(r access.Resource, a access.Action) bool { return f.who.May(r, a) != "" }

// page serves one page to whoever is signed in and may see it, and shows an error page for what it returns.
func (c *Console) page(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.identify(r)
		if errors.Is(err, access.ErrUnauthenticated) {
			http.Redirect(w, r, loginURL(r), http.StatusSeeOther)
			return
		}
		v := &visit{console: c, w: w, r: r, lang: languageOf(r, who.Locale), who: who, endTurn: func() {}}
		if err == nil && !p.needs.met(v.who) {
			err = errForbidden
		}
		if err == nil && r.Method == http.MethodGet {
			err = v.takeTurn(r.Context())
			defer v.endTurn()
		}
		if err == nil && r.Method == http.MethodPost {
			err = readForm(r)
		}
		if err == nil {
			err = p.serve(r.Context(), v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// readForm says whether all of a form came. One with a file is read by its page.
func readForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return fmt.Errorf("read the form: %w", err)
	}
	return nil
}

// takeTurn waits until the reader may ask the database: nobody's pages hold up others, or who saves.
func (v *visit) takeTurn(ctx context.Context) error {
	end, err := v.console.DB.Turn(ctx, v.who.Principal.Actor)
	if err == nil {
		v.endTurn = sync.OnceFunc(end)
	}
	return err
}

// as runs fn in a transaction of the signed-in person.
func (v *visit) as(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return v.console.DB.As(ctx, v.who.Principal, fn)
}

// get returns what fn finds in a transaction of the signed-in person.
func get[T any](ctx context.Context, v *visit, fn func(tx pgx.Tx) (T, error)) (T, error) {
	return postgres.Get(ctx, v.console.DB, v.who.Principal, fn)
}

// id is the one in the URL; what is no UUID names nothing.
func (v *visit) id(notFound error) (uuid.UUID, error) {
	id, err := uuid.Parse(v.r.PathValue("id"))
	if err != nil {
		return uuid.Nil, notFound
	}
	return id, nil
}

// show writes a page.
func (v *visit) show(name string, data any) error { return v.write(http.StatusOK, name, data) }

func (v *visit) write(status int, name string, data any) error {
	q := v.r.URL.Query()
	f := frame{Path: v.r.URL.Path, User: v.who.Name, Data: data, who: v.who}
	switch {
	case v.here != "":
		f.Path = v.here
	case v.r.Method == http.MethodPost:
		f.Path = path.Dir(f.Path) // the page that the action is on
	}
	f.Sections = navigate(v.who, f.Path)
	if tone, ok := notices[q.Get("done")]; ok {
		f.Notice, f.Tone = "notice."+q.Get("done"), tone
	}
	q.Del("done")
	f.Here = (&url.URL{Path: f.Path, RawQuery: q.Encode()}).RequestURI()
	return v.console.write(v.w, v.r, v.lang, status, name, f)
}

// write sends a page, or an error if it cannot be rendered.
func (c *Console) write(w http.ResponseWriter, r *http.Request, lang string, status int, name string, f frame) error {
	b, err := c.render.render(lang, name, "", f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, status, b)
	return nil
}

// notices are what a page may say after an action, by ?done=, and in which tone.
var notices = map[string]string{ //nolint:gochecknoglobals // a table
	"queued": "ok", "cancelled": "ok", "cancelling": "ok", "run_ended": "info",
	"replayed": "ok", "replay_sent": "info", "replay_failed": "bad", "replayed_all": "info", "dismissed": "ok",
	"dismissed_all": "ok", "nothing_to_replay": "info", "queued_all": "ok", "pausing": "ok", "run_resumed": "ok", "accepted": "ok", "discarded": "ok", "run_state": "info",
	"created": "ok", "saved": "ok", "deleted": "ok", "restored": "ok", "moved": "ok", "logged": "ok", "task_added": "ok", "claimed": "ok", "assigned": "ok", "recycling": "info", "claim_nothing": "info",
	"checked": "ok", "connection_paused": "ok", "connection_resumed": "ok", "job_paused": "ok", "job_resumed": "ok", "mended": "ok", "settled": "ok", "matched": "ok", "linked": "ok", "unlinked": "ok",
	"uploaded": "ok", "import_changed": "ok", "import_previewing": "info", "import_running": "info", "import_cancelling": "info", "import_undoing": "info",
	"exporting": "info", "export_cancelling": "info", "export_deleted": "ok",
	"user_disabled": "ok", "user_enabled": "ok", "user_unlocked": "ok", "sessions_ended": "ok", "session_ended": "ok", "sign_in_reset": "ok", "password_changed": "ok",
	"factor_off": "ok", "token_revoked": "ok", "handing_over": "info", "cancelled_hand_over": "info", "department_added": "ok", "department_deleted": "ok",
	"team_added": "ok", "team_deleted": "ok", "role_added": "ok", "role_deleted": "ok",
	"mapping_saved": "ok", "mapping_published": "ok", "mapping_rolled_back": "ok",
	"invoice_received": "ok", "invoices_received": "ok", "invoice_accepted": "ok", "invoice_refused": "ok", "invoice_reopened": "ok",
	"allocated": "ok", "allocated_all": "ok", "nothing_certain": "info", "allocation_reversed": "ok",
	"alert_taken": "ok", "drift_known": "ok", "test_sent": "info", "sent_again": "info", "deleted_for_good": "ok", "erased": "ok",
	"bulk_done": "ok", "bulk_nothing": "info", "merge_two": "info", "attached": "ok", "detached": "ok", "target_set": "ok", "target_removed": "ok", "rates_given": "ok", "rates_given_some": "info",
	"merged": "ok", "unmerged": "ok", "duplicates_found": "info", "no_duplicates": "ok", "duplicate_dismissed": "ok",
	"connection_checked": "ok", "connection_saved": "ok", "job_created": "ok", "jobs_created": "ok", "job_runs": "info", "view_saved": "ok", "view_deleted": "ok",
}

// urlOf is a path with those of the parameters that say something.
func urlOf(path string, parameters map[string]string) string {
	q := url.Values{}
	for name, value := range parameters {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// choice is what a form asks for, of those it may.
func (v *visit) choice(field string, options ...string) (string, error) {
	if chosen := v.r.PostFormValue(field); slices.Contains(options, chosen) {
		return chosen, nil
	}
	return "", errAddress
}

// done sends the browser back to a page, which says what was done.
func (v *visit) done(to, notice string) error {
	mark := "?"
	if strings.Contains(to, "?") {
		mark = "&"
	}
	return v.goTo(to + mark + "done=" + notice)
}

// goTo sends the browser on to a page.
func (v *visit) goTo(page string) error {
	http.Redirect(v.w, v.r, page, http.StatusSeeOther)
	return nil
}

var (
	// errAddress says that a URL or form asks for what no page of the console offers.
	errAddress = errors.New("the address does not fit")
	// errForbidden says that the visitor lacks the permission for a page.
	errForbidden = errors.New("may not do that")
	// errClosed says that somebody was faster.
	errClosed = errors.New("it was dealt with meanwhile")
)

// fail shows the page of an error, and logs it if it is the hub's.
func (v *visit) fail(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	status, key := v.console.failure(v.r, err)
	if err := v.write(status, "error", key); err != nil {
		http.Error(v.w, http.StatusText(status), status)
	}
}

// failure is the status of an error and the words of its page; what is the hub's fault it logs.
func (c *Console) failure(r *http.Request, err error) (status int, key string) {
	var invalid schema.Violations
	var not *edit.ForbiddenError
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return http.StatusNotFound, "error.not_found"
	case errors.Is(err, errForbidden), errors.Is(err, listview.ErrNotYours), errors.As(err, &not):
		return http.StatusForbidden, "error.forbidden"
	case errors.Is(err, errClosed), errors.Is(err, access.ErrInUse), errors.Is(err, transfer.ErrStatus), errors.Is(err, connection.ErrStale), errors.Is(err, reconcile.ErrRunning), errors.Is(err, matching.ErrRunning), errors.Is(err, notify.ErrStale), errors.Is(err, notify.ErrMail):
		return http.StatusConflict, "error.closed"
	case errors.Is(err, crm.ErrStale):
		return http.StatusConflict, "error.stale"
	case isTooLarge(err):
		return http.StatusRequestEntityTooLarge, "error.too_large"
	case errors.As(err, &invalid), errors.Is(err, postgres.ErrPlace), errors.Is(err, errAddress):
		return http.StatusBadRequest, "error.invalid"
	}
	c.Logger.ErrorContext(r.Context(), "page failed", "path", r.Pattern, "error", err)
	if postgres.Unavailable(err) {
		return http.StatusServiceUnavailable, "error.unavailable"
	}
	return http.StatusInternalServerError, "error.internal"
}

// showPart writes a part of a page, for the script.
func (v *visit) showPart(name, part string, data any) error {
	b, err := v.console.render.render(v.lang, name, part, data)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(v.w, v.r, http.StatusOK, b)
	return nil
}
