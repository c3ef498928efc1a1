package api

import (
	"context"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/postgres"
)

// Session is somebody signed in somewhere, as the API shows it.
type Session struct {
	ID         uuid.UUID `json:"id"`
	Current    bool      `json:"current" doc:"The one that this request came with."`
	IP         string    `json:"ip,omitempty"`
	UserAgent  string    `json:"user_agent,omitempty" doc:"What the browser says it is."`
	CreatedAt  time.Time `json:"created_at"`
	LastSeenAt time.Time `json:"last_seen_at" doc:"To the minute. It ends two hours after."`
	ExpiresAt  time.Time `json:"expires_at" doc:"When it ends in any case."`
}

type passwordInput struct {
	OldPassword string `json:"old_password" minLength:"1" maxLength:"256"`
	Password    string `json:"password" minLength:"10" maxLength:"256" doc:"The new one: not the login, and none that everybody tries first."`
}

// LoginEvent is an attempt to sign in, as the API shows it.
type LoginEvent struct {
	ID          uuid.UUID  `json:"id"`
	At          time.Time  `json:"at"`
	UserID      *uuid.UUID `json:"user_id,omitempty" doc:"Absent: nobody has the login."`
	Login       string     `json:"login,omitempty"`
	LoginDigest string     `json:"login_digest,omitempty" doc:"Of a login that nobody has: equal for equal ones. What was typed is not kept, since it may be a password."`
	Method      string     `json:"method" enum:"password,oidc"`
	Outcome     string     `json:"outcome" enum:"signed_in,wrong_password,wrong_code,unknown_login,user_disabled,locked" doc:"locked comes after the failure that made the login or the address wait."`
	IP          string     `json:"ip,omitempty"`
}

func (s *server) listSessions() operation {
	return operation{
		id: "list-sessions", needs: signedIn(), tag: "access", summary: "List your sessions", description: "Where you are signed in; the last seen first.",
		status: http.StatusOK, result: jsonBody(s.document, list[Session]{Items: []Session{sessionExample()}}),
		serve: func(ctx context.Context, c *call) (answer, error) {
			sessions, err := s.Access.Sessions(ctx, c.who.Principal, c.who.UserID)
			if err != nil {
				return answer{}, err
			}
			shown := make([]Session, len(sessions))
			for i, x := range sessions {
				shown[i] = Session{
					ID: x.ID, Current: x.ID == c.who.SessionID, IP: x.IP, UserAgent: x.UserAgent,
					CreatedAt: x.CreatedAt, LastSeenAt: x.LastSeenAt, ExpiresAt: x.ExpiresAt,
				}
			}
			return respond(http.StatusOK, page(c, shown, ""))
		},
	}
}

func (s *server) revokeSession() operation {
	return operation{
		id: "revoke-session", needs: signedIn(), tag: "access", summary: "End one of your sessions", status: http.StatusNoContent,
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, err := c.id()
			if err != nil {
				return answer{}, err
			}
			own, err := s.Access.Sessions(ctx, c.who.Principal, c.who.UserID)
			if err != nil {
				return answer{}, err
			}
			if !slices.ContainsFunc(own, func(x access.Session) bool { return x.ID == id }) {
				return answer{}, notFound()
			}
			return answer{Status: http.StatusNoContent}, s.Access.RevokeSession(ctx, c.who.Principal, id)
		},
	}
}

func (s *server) revokeOtherSessions() operation {
	return operation{
		id: "revoke-other-sessions", needs: signedIn(), tag: "access", summary: "End your other sessions",
		description: "All but the one that the request comes with; all of them if it comes with an API token.",
		status:      http.StatusNoContent,
		serve: func(ctx context.Context, c *call) (answer, error) {
			return answer{Status: http.StatusNoContent}, s.Access.RevokeOtherSessions(ctx, c.who)
		},
	}
}

func (s *server) changePassword() operation {
	return operation{
		id: "change-password", needs: signedIn(), tag: "access", summary: "Change your password",
		description: "Ends all of your other sessions. It takes a session, not an API token.",
		body:        jsonBody(s.document, passwordInput{OldPassword: "correct horse battery", Password: "paper moon over Graz"}),
		status:      http.StatusNoContent, problems: []int{http.StatusTooManyRequests},
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decodeInSession[passwordInput](c)
			if err != nil {
				return answer{}, err
			}
			err = s.Access.ChangePassword(ctx, c.who, access.Proof{Password: in.OldPassword, IP: c.ip()}, in.Password)
			return answer{Status: http.StatusNoContent}, err
		},
	}
}

func (s *server) listMyLoginEvents() operation {
	return s.loginEvents(operation{
		id: "list-my-login-events", needs: signedIn(), summary: "List the attempts to sign in as you",
		description: "The newest first. They are kept for 90 days.",
	}, func(c *call) uuid.UUID { return c.who.UserID })
}

func (s *server) listLoginEvents() operation {
	return s.loginEvents(operation{
		id: "list-login-events", needs: may(access.Users, access.Update), summary: "List the attempts to sign in to the organization",
		description: "The newest first. They are kept for 90 days. Attempts on logins that nobody has are listed with the organization main.",
	}, func(*call) uuid.UUID { return uuid.Nil })
}

func (s *server) loginEvents(o operation, of func(*call) uuid.UUID) operation {
	o.tag, o.parameters, o.status = "access", pageParameters(), http.StatusOK
	o.result = jsonBody(s.document, list[LoginEvent]{Items: []LoginEvent{loginEventExample()}})
	o.serve = func(ctx context.Context, c *call) (answer, error) {
		var faults parameterFaults
		limit := parseLimit(c.query, &faults)
		f := access.EventFilter{UserID: of(c), After: c.idIn(afterParameter, &faults), Limit: limit + 1}
		if err := faults.err(); err != nil {
			return answer{}, err
		}
		events, err := s.Access.LoginEvents(ctx, c.who.Principal, f)
		if err != nil {
			return answer{}, err
		}
		found := postgres.Cut(events, limit, func(e access.LoginEvent) string { return e.ID.String() })
		shown := make([]LoginEvent, len(found.Items))
		for i, e := range found.Items {
			shown[i] = LoginEvent{
				ID: e.ID, At: e.At, UserID: e.UserID, Login: e.Login, LoginDigest: e.LoginDigest,
				Method: string(e.Method), Outcome: string(e.Outcome), IP: e.IP,
			}
		}
		return respond(http.StatusOK, page(c, shown, found.Next))
	}
	return o
}

func (s *server) resetSignIn() operation {
	return operation{
		id: "reset-sign-in", needs: may(access.Users, access.Update), tag: "access", summary: "Reset how a user signs in",
		description: "For somebody who lost the second factor and the recovery codes, or has another identity at the OpenID provider now: " +
			"both are forgotten, and the user's sessions end. The password stays.",
		status: http.StatusNoContent,
		serve:  actOnID(s.Access.ResetSignIn),
	}
}

// decodeInSession reads the body of a request that changes how somebody signs in. An API token may not: whoever finds one
// would lock its owner out.
func decodeInSession[T any](c *call) (T, error) {
	if c.who.SessionID == uuid.Nil {
		var zero T
		return zero, &Problem{
			Type: problemType("session-required"), Title: "It takes a session", Status: http.StatusForbidden,
			Detail: "How you sign in can be changed only while you are signed in, not with an API token.",
		}
	}
	return decode[T](c)
}

// ip is the address that the request came from; "" where there is none.
func (c *call) ip() string {
	host, _, _ := net.SplitHostPort(c.request.RemoteAddr) // empty where there is no port
	return host
}

func tooManyAttempts(locked *access.LockedError) *Problem {
	seconds := strconv.Itoa(int(math.Ceil(locked.Wait.Seconds())))
	return &Problem{
		Type: problemType("too-many-attempts"), Title: "Too many attempts", Status: http.StatusTooManyRequests,
		Detail: "Too much was tried in vain. Try again in " + seconds + " seconds.", header: http.Header{"Retry-After": {seconds}},
	}
}

func secondFactorProblem() *Problem {
	return &Problem{
		Type: problemType("second-factor"), Title: "The second factor does not stand so", Status: http.StatusConflict,
		Detail: "GET /me/totp says how it stands: it is on already, or it is off, or it was not begun.",
	}
}

func sessionExample() Session {
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	return Session{
		ID: uuid.MustParse(exampleID), Current: true, IP: "192.0.2.7", UserAgent: "Mozilla/5.0",
		CreatedAt: at, LastSeenAt: at.Add(time.Hour), ExpiresAt: at.Add(access.SessionLife),
	}
}

func loginEventExample() LoginEvent {
	user := uuid.MustParse(exampleID)
	return LoginEvent{
		ID: user, At: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), UserID: &user, Login: "erika",
		Method: string(access.ByPassword), Outcome: string(access.SignedIn), IP: "192.0.2.7",
	}
}
