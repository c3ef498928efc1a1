package notify

import (
	"errors"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"crmhub/core/postgres"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

// Status says whether a subscription is served.
type Status string

// The statuses. The hub disables a subscription whose receiver is gone; a person makes it active again.
const (
	Active   Status = "active"
	Paused   Status = "paused"
	Disabled Status = "disabled"
)

// Subscription says who is told of what.
type Subscription struct {
	ID            uuid.UUID  `json:"id"`
	Version       int64      `json:"version"`
	Name          string     `json:"name"`
	Target        string     `json:"target"` // https://… or mailto:…
	Events        []string   `json:"events"` // "order.created", "order.*", "alert.*" or "*"
	Status        Status     `json:"status"`
	FailingSince  *time.Time `json:"failing_since,omitempty"`  // since when every attempt failed
	SecretEndsAt  *time.Time `json:"secret_ends_at,omitempty"` // until when the secret before this one signs, too
	DisabledCause string     `json:"disabled_cause,omitempty"` // why the hub disabled it
	CreatedAt     time.Time  `json:"created_at"`
	CreatedBy     string     `json:"created_by"`
	UpdatedAt     time.Time  `json:"updated_at"`
	UpdatedBy     string     `json:"updated_by"`
}

// Mail reports whether it is told by mail.
func (s Subscription) Mail() bool { return strings.HasPrefix(s.Target, mailScheme) }

// New is a subscription to be added.
type New struct {
	Name   string      `json:"name"`
	Target string      `json:"target"`
	Events []string    `json:"events"`
	Secret secret.Text `json:"-"` // the zero value: the hub makes one
}

// Change replaces what can change of a subscription.
type Change struct {
	Name   string
	Target string
	Events []string
	Status Status // Active or Paused
}

// The errors that callers branch on.
var (
	ErrNotFound = postgres.NotFound("the subscription or delivery does not exist")
	ErrStale    = errors.New("the subscription was changed meanwhile: read it again")
	ErrMail     = errors.New("mails have no secret")
)

const mailScheme = "mailto:"

// Others are the events that are no changes of entities.
var Others = []string{"alert.opened", "alert.resolved", "subscription.test"} //nolint:gochecknoglobals // a list

var changeTypes = []string{"created", "updated", "deleted"} //nolint:gochecknoglobals // a list

var eventPattern = regexp.MustCompile(`^([a-z_]+)\.(\*|[a-z_]+)$`)

// checkEvent judges one of the events of a subscription.
func (s *Store) checkEvent(event string) bool {
	if event == "*" || slices.Contains(Others, event) || event == "alert.*" {
		return true
	}
	parts := eventPattern.FindStringSubmatch(event)
	return parts != nil && slices.Contains(s.Entities, parts[1]) && (parts[2] == "*" || slices.Contains(changeTypes, parts[2]))
}

// TellsMore reports whether a change lets somebody be told of what he is not told of now.
func (c Change) TellsMore(now Subscription) bool {
	return c.Target != now.Target || !slices.Equal(c.Events, now.Events) || c.Status == Active && now.Status != Active
}

// Beyond refuses events that tell of kinds of entities of which somebody may not read everything: a subscription sends whole
// entities, whoever added it.
func (s *Store) Beyond(events []string, everything func(entity string) bool) (vs schema.Violations) {
	for i, e := range events {
		kind, _, _ := strings.Cut(e, ".")
		for _, entity := range s.Entities {
			if (e == "*" || kind == entity) && !everything(entity) {
				vs = append(vs, schema.Violation{
					Pointer: "/events/" + strconv.Itoa(i), Rule: "permission", Message: "needs the permission " + entity + ":read for the whole organization and every field",
				})
				break
			}
		}
	}
	return vs
}

func (s *Store) check(name, target string, events []string) (vs schema.Violations) {
	if strings.TrimSpace(name) == "" {
		vs = append(vs, schema.Violation{Pointer: "/name", Rule: "required", Message: "a name is required"})
	}
	if fault := s.checkTarget(target); fault != nil {
		vs = append(vs, *fault)
	}
	if len(events) == 0 {
		vs = append(vs, schema.Violation{Pointer: "/events", Rule: "minItems", Message: "name at least one event"})
	}
	for i, e := range events {
		pointer := "/events/" + strconv.Itoa(i)
		switch {
		case !s.checkEvent(e):
			vs = append(vs, schema.Violation{Pointer: pointer, Rule: "enum", Message: `must be like "order.created", "order.*", "alert.*" or "*"`})
		case slices.Contains(events[:i], e):
			vs = append(vs, schema.Violation{Pointer: pointer, Rule: "uniqueItems", Message: "is named twice"})
		}
	}
	return vs
}

// checkTarget takes https addresses, http ones on this machine, and one mail address.
func (s *Store) checkTarget(target string) *schema.Violation {
	fault := func(rule, message string) *schema.Violation {
		return &schema.Violation{Pointer: "/target", Rule: rule, Message: message}
	}
	if address, isMail := strings.CutPrefix(target, mailScheme); isMail {
		parsed, err := mail.ParseAddress(address)
		switch {
		case err != nil || parsed.Address != address:
			return fault("format", "must be mailto: and one address")
		case !s.Mails:
			return fault("configuration", "this hub sends no mail: its administrator sets CRMHUB_SMTP_URL first")
		}
		return nil
	}
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || len(target) > 2000 || !visible(target):
		return fault("format", "must be an address like https://example.com/hook or mailto:ops@example.com")
	case u.User != nil:
		return fault("format", "must not carry a password: what is sent is signed")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fault("format", "must be https, except on this machine")
	}
	return nil
}

// visible reports whether a text is visible ASCII, as addresses on the wire are.
func visible(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
