package console

import (
	"errors"
	"net/http"
	"time"

	"crmhub/core/access"
	"crmhub/core/access/openid"
)

// OpenIDCallback is the path that browsers come back to from the OpenID provider, where it has to be registered.
const OpenIDCallback = "/login/oidc/callback"

// ticketCookie is what a browser keeps while it is at the OpenID provider.
const ticketCookie = "crmhub_openid"

func (c *Console) beginOpenID(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.URL.Query().Get("to"))
	where, ticket, err := c.OpenID.Begin(r.Context(), to)
	if err != nil {
		c.failOpenID(w, r, to, err)
		return
	}
	http.SetCookie(w, cookie(r, ticketCookie, ticket, openid.TicketLife))
	http.Redirect(w, r, where, http.StatusSeeOther) //nolint:gosec // the configured provider
}

func (c *Console) finishOpenID(w http.ResponseWriter, r *http.Request) {
	ticket := ""
	if kept, err := r.Cookie(ticketCookie); err == nil {
		ticket = kept.Value
	}
	http.SetCookie(w, cookie(r, ticketCookie, "", -time.Second))
	person, err := c.OpenID.Finish(r.Context(), ticket, r.URL.Query())
	if err != nil {
		c.failOpenID(w, r, "/", err)
		return
	}
	to := ownPath(person.To)
	entry, err := c.Access.SignInExternal(r.Context(), access.External{
		Issuer: person.Issuer, Subject: person.Subject, Email: person.Email, EmailVerified: person.EmailVerified,
		IP: remoteIP(r), UserAgent: r.UserAgent(),
	})
	if err != nil {
		c.failOpenID(w, r, to, err)
		return
	}
	c.enter(w, r, entry, to)
}

// failOpenID says on the sign-in page, in one sentence, why nobody came in. Who proved to be somebody may know it.
func (c *Console) failOpenID(w http.ResponseWriter, r *http.Request, to string, err error) {
	for _, why := range []struct {
		err    error
		status int
		key    string
	}{
		{openid.ErrTicket, http.StatusUnauthorized, "login.openid.over"},
		{openid.ErrRefused, http.StatusUnauthorized, "login.openid.refused"},
		{openid.ErrToken, http.StatusUnauthorized, "login.openid.doubtful"},
		{openid.ErrUnreachable, http.StatusServiceUnavailable, "login.openid.unreachable"},
		{access.ErrEmailUnverified, http.StatusForbidden, "login.openid.unverified"},
		{access.ErrNobody, http.StatusForbidden, "login.openid.nobody"},
		{access.ErrAmbiguous, http.StatusForbidden, "login.openid.ambiguous"},
		{access.ErrBound, http.StatusForbidden, "login.openid.bound"},
		{access.ErrDisabled, http.StatusForbidden, "login.openid.disabled"},
	} {
		if errors.Is(err, why.err) {
			c.Logger.WarnContext(r.Context(), "nobody came in from the OpenID provider", "error", err)
			c.writeLogin(w, r, why.status, loginPage{To: to, Failed: why.key})
			return
		}
	}
	c.failGate(w, r, err)
}
