package console

import (
	"errors"
	"net/http"
	"time"

	"crmhub/core/access"
)

// signInCookie is a sign-in that waits for its second factor.
const signInCookie = "crmhub_sign_in"

// codePage is the data of the page that asks for the second factor.
type codePage struct {
	To      string
	Failed  string // as in loginPage
	Minutes int
}

func (c *Console) showCode(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(signInCookie); err != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	c.writeCode(w, r, http.StatusOK, codePage{To: ownPath(r.URL.Query().Get("to"))})
}

func (c *Console) enterCode(w http.ResponseWriter, r *http.Request) {
	p := codePage{To: ownPath(r.PostFormValue("to"))}
	pending := ""
	if waiting, err := r.Cookie(signInCookie); err == nil {
		pending = waiting.Value
	}
	session, err := c.Access.EnterCode(r.Context(), access.Code{
		Pending: pending, Code: r.PostFormValue("code"), IP: remoteIP(r), UserAgent: r.UserAgent(),
	})
	locked, isLocked := errors.AsType[*access.LockedError](err)
	switch {
	case errors.Is(err, access.ErrCode):
		p.Failed = "code.failed"
		c.writeCode(w, r, http.StatusUnauthorized, p)
	case isLocked:
		p.Failed, p.Minutes = "login.locked", minutes(locked.Wait)
		c.writeCode(w, r, http.StatusTooManyRequests, p)
	case errors.Is(err, access.ErrUnauthenticated):
		http.SetCookie(w, cookie(r, signInCookie, "", -time.Second))
		c.writeLogin(w, r, http.StatusUnauthorized, loginPage{To: p.To, Failed: "code.over"})
	case err != nil:
		c.failGate(w, r, err)
	default:
		http.SetCookie(w, cookie(r, signInCookie, "", -time.Second))
		c.begin(w, r, session, p.To)
	}
}

func (c *Console) writeCode(w http.ResponseWriter, r *http.Request, status int, data codePage) {
	c.writeGate(w, r, status, "code", "/login/code", data.To, data)
}
