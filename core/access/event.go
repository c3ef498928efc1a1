package access

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
)

// Method is how somebody signs in.
type Method string

// The methods there are.
const (
	ByPassword Method = "password"
	ByOIDC     Method = "oidc" // at an OpenID provider
)

// Outcome is what came of an attempt to sign in.
type Outcome string

// The outcomes there are. Locked follows the failure after which a login or an address has to wait.
const (
	SignedIn      Outcome = "signed_in"
	WrongPassword Outcome = "wrong_password"
	WrongCode     Outcome = "wrong_code"
	UnknownLogin  Outcome = "unknown_login"
	UserDisabled  Outcome = "user_disabled"
	Locked        Outcome = "locked"
)

// LoginEvent is an attempt to sign in.
type LoginEvent struct {
	ID          uuid.UUID
	At          time.Time
	UserID      *uuid.UUID // nil: nobody has the login
	Login       string     // of the user; "" if nobody has it, since a password may have been typed there
	LoginDigest string     // of a login that nobody has: equal for equal logins, and nothing can be read from it
	Method      Method
	Outcome     Outcome
	IP          string
}

// EventFilter chooses login events.
type EventFilter struct {
	UserID uuid.UUID // of this user; the nil UUID: everybody's
	After  uuid.UUID // older than this event; the nil UUID: from the newest on
	Limit  int
}

// keepEvents is how long login events are kept: long enough to look into a break-in, and no longer, since they tell when
// people come and where they are.
const keepEvents = 90 * 24 * time.Hour

const insertEvent = `
insert into login_events (organization_id, id, at, user_id, login_digest, method, outcome, ip)
select o.id, $2, $3, $4, nullif($5, ''), $6, $7, nullif($8, '') from organizations o
where case when $1 = '00000000-0000-0000-0000-000000000000'::uuid then o.code = $9 else o.id = $1 end`

// record writes down what p tried; p may be nobody.
func (s *Store) record(ctx context.Context, tx pgx.Tx, p person, events ...LoginEvent) error {
	for _, e := range events {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("record the sign-in: %w", err)
		}
		var user *uuid.UUID
		digest := ""
		if p.id != uuid.Nil {
			user = &p.id
		} else {
			digest = hex.EncodeToString(s.Key.Sign("login event", []byte(p.login))[:8])
		}
		_, err = tx.Exec(ctx, insertEvent, p.organization, id, s.now(), user, digest, e.Method, e.Outcome, clean(e.IP, 100), MainOrganization)
		if err != nil {
			return fmt.Errorf("record the sign-in: %w", err)
		}
	}
	return nil
}

// LoginEvents returns the attempts to sign in to p's organization, the newest first.
func (s *Store) LoginEvents(ctx context.Context, p postgres.Principal, f EventFilter) ([]LoginEvent, error) {
	return all[LoginEvent](ctx, s, p, "list login events", `
		select e.id, e.at, e.user_id, coalesce(u.login, ''), coalesce(e.login_digest, ''), e.method, e.outcome, coalesce(e.ip, '')
		from login_events e left join users u on u.id = e.user_id
		where ($1::uuid is null or e.user_id = $1) and ($2::uuid is null or e.id < $2)
		order by e.id desc limit $3`, postgres.OrNull(f.UserID), postgres.OrNull(f.After), f.Limit)
}
