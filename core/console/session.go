package console

import (
	"errors"
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

const sessionLife = 12 * time.Hour

// loginPage is the data of the sign-in page.
type loginPage struct {
	Login  string
	To     string // where to go then
	Failed bool
}

// loginURL is the sign-in page that leads back to the page that was asked for.
func loginURL(r *http.Request) string {
	to := r.URL.RequestURI()
	if r.Method != http.MethodGet || to == "/" || strings.HasSuffix(r.URL.Path, "/live") {
		return "/login"
	}
	return "/login?" + url.Values{"to": {to}}.Encode()
}

func (c *Console) showLogin(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.URL.Query().Get("to"))
	if _, err := c.identify(r); err == nil {
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a path of this console
		return
	}
	c.writeLogin(w, r, http.StatusOK, loginPage{To: to})
}

func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	p := loginPage{Login: r.PostFormValue("login"), To: ownPath(r.PostFormValue("to"))}
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // empty where there is no port
	token, err := c.Access.SignIn(r.Context(), access.SignIn{
		Login: p.Login, Password: r.PostFormValue("password"), Life: sessionLife, IP: host, UserAgent: r.UserAgent(),
	})
	switch {
	case errors.Is(err, access.ErrSignIn):
		// One answer for an unknown login, a wrong password and a disabled user.
		p.Failed = true
		c.writeLogin(w, r, http.StatusUnauthorized, p)
	case err != nil:
		c.Logger.ErrorContext(r.Context(), "sign in failed", "error", err)
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	default:
		http.SetCookie(w, cookie(r, sessionCookie, token, sessionLife))
		http.Redirect(w, r, p.To, http.StatusSeeOther)
	}
}

func (c *Console) writeLogin(w http.ResponseWriter, r *http.Request, status int, data loginPage) {
	err := c.write(w, languageOf(r, ""), status, "login", frame{Path: r.URL.Path, Here: r.URL.RequestURI(), Data: data})
	if err != nil {
		c.Logger.ErrorContext(r.Context(), "page failed", "path", r.Pattern, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

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
