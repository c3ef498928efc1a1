package api

import (
	"errors"
	"net/http"
	"strings"

	"crmhub/core/access"
)

// sessionCookie is set by the console when somebody signs in; the API honours it, so that a page can call it.
const sessionCookie = "crmhub_session"

// authenticate finds out who calls. A token beats a cookie. Browsers send a cookie on their own, so with one a write
// that another site made them send is refused.
func (s *server) authenticate(c *call) (err error) {
	r := c.request
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			return unauthenticated("The Authorization header must be Bearer and an API token.")
		}
		c.who, err = s.Access.Authenticate(r.Context(), token)
		return refusal(err, "This API token is unknown, expired or revoked.")
	}
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return unauthenticated("Send an API token: Authorization: Bearer chb_…")
	}
	if err := s.origins.Check(r); err != nil {
		return &Problem{
			Type: problemType("cross-origin"), Title: "The request came from another site", Status: http.StatusForbidden,
			Detail: "A session cookie counts only for requests of the hub's own pages. Use an API token.",
		}
	}
	c.who, err = s.Access.AuthenticateSession(r.Context(), cookie.Value)
	return refusal(err, "This session is unknown or over.")
}

func refusal(err error, detail string) error {
	if errors.Is(err, access.ErrUnauthenticated) {
		return unauthenticated(detail)
	}
	return err
}
