package console

import (
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"crmhub/core/access"
)

const sessionCookie = "crmhub_session"

// loginPage is the data of the sign-in page.
type loginPage struct {
	Login   string
	To      string // where to go then
	Failed  string // what went wrong: a key of the catalogue, "" for nothing
	Minutes int    // to wait, where that is what went wrong
	Over    bool   // whether a session ended
	OpenID  bool   // whether there is a provider to sign in at
}

// loginURL is the sign-in page that leads back to the page that was asked for, and says whether there was a session.
func loginURL(r *http.Request) string {
	to, over := r.URL.RequestURI(), ""
	if r.Method != http.MethodGet || strings.HasSuffix(r.URL.Path, "/live") {
		to = ""
	}
	if _, err := r.Cookie(sessionCookie); err == nil {
		over = "1"
	}
	return urlOf("/login", map[string]string{"to": strings.TrimSuffix(to, "/"), "over": over})
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.URL.Query().Get("to"))
	if _, err := c.identify(r); err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a path of this console
		return
	}
	c.writeLogin(w, r, http.StatusOK, loginPage{To: to, Over: r.URL.Query().Has("over")})
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	p := loginPage{Login: r.PostFormValue("login"), To: ownPath(r.PostFormValue("to"))}
	entry, err := c.Access.SignIn(r.Context(), access.SignIn{
		Login: p.Login, Password: r.PostFormValue("password"), IP: remoteIP(r), UserAgent: r.UserAgent(),
	})
	locked, isLocked := errors.AsType[*access.LockedError](err)
	switch {
	case errors.Is(err, access.ErrSignIn):
		// One answer for an unknown login, a wrong password and a disabled user.
		p.Failed = "login.failed"
		c.writeLogin(w, r, http.StatusUnauthorized, p)
	case isLocked:
		p.Failed, p.Minutes = "login.locked", minutes(locked.Wait)
		c.writeLogin(w, r, http.StatusTooManyRequests, p)
	case err != nil:
		c.failGate(w, r, err)
	default:
		c.enter(w, r, entry, p.To)
	}
}

// enter sends somebody on who gave what was asked for so far.
func (c *Console) enter(w http.ResponseWriter, r *http.Request, entry access.Entry, to string) {
	if entry.Pending != "" {
		http.SetCookie(w, cookie(r, signInCookie, entry.Pending, access.CodeTime))
		http.Redirect(w, r, leadingTo("/login/code", to), http.StatusSeeOther)
		return
	}
	c.begin(w, r, entry.Session, to)
}

// begin gives the browser its new session. The one it had before ends, whoever's it was.
func (c *Console) begin(w http.ResponseWriter, r *http.Request, session, to string) {
	if old, err := r.Cookie(sessionCookie); err == nil {
		if err := c.Access.SignOut(r.Context(), old.Value); err != nil {
			c.Logger.ErrorContext(r.Context(), "sign out failed", "error", err)
		}
	}
	http.SetCookie(w, cookie(r, sessionCookie, session, access.SessionLife))
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// failGate shows the page of an error to somebody who is not signed in.
func (c *Console) failGate(w http.ResponseWriter, r *http.Request, err error) {
	status, key := c.failure(r, err)
	c.writeGate(w, r, status, "error", "/login", "/", key)
}

func (c *Console) writeLogin(w http.ResponseWriter, r *http.Request, status int, data loginPage) {
	data.OpenID = c.OpenID != nil
	c.writeGate(w, r, status, "login", "/login", data.To, data)
}

// writeGate writes a page for somebody who is not signed in. It is at a path, which is not where the request went if that
// failed, and leads to another.
func (c *Console) writeGate(w http.ResponseWriter, r *http.Request, status int, name, at, to string, data any) {
	err := c.write(w, r, languageOf(r, ""), status, name, frame{Path: at, Here: leadingTo(at, to), Data: data})
	if err != nil {
		c.Logger.ErrorContext(r.Context(), "page failed", "path", r.Pattern, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// leadingTo is a page that leads to another, which is not the first one.
func leadingTo(at, to string) string {
	if to == "/" {
		return at
	}
	return at + "?" + url.Values{"to": {to}}.Encode()
}

// remoteIP is the address that a request came from; "" where there is none.
func remoteIP(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // empty where there is no port
	return host
}

// minutes rounds up: who comes back then does not come too early.
func minutes(d time.Duration) int { return int(math.Ceil(d.Minutes())) }

func (c *Console) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		if err := c.Access.SignOut(r.Context(), cookie.Value); err != nil {
			c.Logger.ErrorContext(r.Context(), "sign out failed", "error", err)
		}
	}
	http.SetCookie(w, cookie(r, sessionCookie, "", -time.Second))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// cookie is one of the console's, sent over TLS only where the browser came so, itself or to the proxy before the hub.
// A negative life takes it away.
func cookie(r *http.Request, name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure whenever it can be
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// identify says who sent the request, or [access.ErrUnauthenticated].
func (c *Console) identify(r *http.Request) (access.Identity, error) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return access.Identity{}, access.ErrUnauthenticated
	}
	return c.Access.AuthenticateSession(r.Context(), cookie.Value)
}

func (c *Console) setLanguage(w http.ResponseWriter, r *http.Request) {
	if lang := r.PostFormValue("language"); slices.Contains(languages, lang) {
		http.SetCookie(w, cookie(r, "language", lang, 365*24*time.Hour))
	}
	http.Redirect(w, r, ownPath(r.PostFormValue("to")), http.StatusSeeOther) //nolint:gosec // a path of this console
}

// ownPath is the address that a form names if it is one of this console, else the first page: to browsers
// //other.example and /\other.example are other sites.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		return "/"
	}
	return to
}

// languageOf is what the visitor chose, else the person's own, else what the browser asks for.
func languageOf(r *http.Request, locale string) string {
	if c, err := r.Cookie("language"); err == nil && slices.Contains(languages, c.Value) {
		return c.Value
	}
	if slices.Contains(languages, locale) {
		return locale
	}
	_, i := language.MatchStrings(language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese}), r.Header.Get("Accept-Language"))
	return languages[i]
}
