package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// SignIn is an attempt to sign in.
type SignIn struct {
	Login     string
	Password  string
	Life      time.Duration // of the session, if it succeeds
	IP        string        // where it comes from, "" if unknown
	UserAgent string
}

// Session is somebody signed in somewhere.
type Session struct {
	ID         uuid.UUID
	UserID     uuid.UUID
	IP         string
	UserAgent  string
	CreatedAt  time.Time
	LastSeenAt time.Time // to the minute
	ExpiresAt  time.Time
}

const findLogin = `
select organization_id, id, coalesce(password_hash, '') from users where lower(login) = lower($1) and status = 'active'`

const insertSession = `
insert into sessions (organization_id, id, user_id, token_hash, ip, user_agent, created_at, last_seen_at, expires_at)
values ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, $7, $8)`

// SignIn checks a password and begins a session. It returns the session's token, which is nowhere else, or [ErrSignIn].
func (s *Store) SignIn(ctx context.Context, in SignIn) (token string, err error) {
	var organization, user uuid.UUID
	var hash string
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, findLogin, clean(in.Login, 100)).Scan(&organization, &user, &hash)
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("sign in: %w", err)
	}
	known := hash != "" && len(in.Password) <= 4*maxPassword // bytes
	if !known {
		in.Password = in.Password[:min(len(in.Password), 4*maxPassword)]
		hash = nobodysHash
	}
	// No transaction is open while the password is hashed: it takes long on purpose.
	right, err := checkPassword(hash, in.Password)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	if !known || !right {
		return "", ErrSignIn
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	token, tokenHash := newSecret("")
	now := s.now()
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertSession, organization, id, user, tokenHash, in.IP, clean(in.UserAgent, 300), now, now.Add(in.Life))
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{
			Organization: organization, Actor: postgres.User(user), Action: "created", Entity: "session", EntityID: id,
			Detail: map[string]string{"ip": in.IP, "user_agent": clean(in.UserAgent, 300)},
		})
	})
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	return token, nil
}

const findSession = `
select s.organization_id, s.id, u.id, u.login, u.name, u.locale, o.code, s.last_seen_at
from sessions s
join users u on u.organization_id = s.organization_id and u.id = s.user_id
join organizations o on o.id = s.organization_id
where s.token_hash = $1 and s.expires_at > $2 and u.status = 'active'`

// AuthenticateSession returns who has a session's token, or [ErrUnauthenticated].
func (s *Store) AuthenticateSession(ctx context.Context, token string) (Identity, error) {
	var who Identity
	now := s.now()
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		var session uuid.UUID
		var seen time.Time
		err := tx.QueryRow(ctx, findSession, hashSecret(token), now).Scan(&who.Principal.Organization, &session, &who.UserID,
			&who.Login, &who.Name, &who.Locale, &who.Organization, &seen)
		if err != nil || now.Sub(seen) < time.Minute {
			return err
		}
		_, err = tx.Exec(ctx, "update sessions set last_seen_at = $2 where id = $1", session, now)
		return err
	})
	if err != nil {
		return Identity{}, unauthenticated(err)
	}
	who.Principal.Actor = postgres.User(who.UserID)
	return who, nil
}

func unauthenticated(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrUnauthenticated
	}
	return fmt.Errorf("authenticate: %w", err)
}

// SignOut ends the session with a token; one that is over already is no error. Sessions that expired go with it.
func (s *Store) SignOut(ctx context.Context, token string) error {
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from sessions where expires_at < $1", s.now()); err != nil {
			return err
		}
		var organization, session, user uuid.UUID
		err := tx.QueryRow(ctx, "delete from sessions where token_hash = $1 returning organization_id, id, user_id", hashSecret(token)).
			Scan(&organization, &session, &user)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{
			Organization: organization, Actor: postgres.User(user), Action: "ended", Entity: "session", EntityID: session,
		})
	})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// Sessions returns a user's sessions that are not over, the last seen first.
func (s *Store) Sessions(ctx context.Context, p postgres.Principal, user uuid.UUID) ([]Session, error) {
	var sessions []Session
	err := s.DB.As(ctx, p, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			select id, user_id, coalesce(ip, ''), coalesce(user_agent, ''), created_at, last_seen_at, expires_at
			from sessions where user_id = $1 and expires_at > $2 order by last_seen_at desc, id`, user, s.now())
		if err != nil {
			return err
		}
		sessions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return sessions, nil
}

// RevokeSession ends a session, or returns [ErrNotFound].
func (s *Store) RevokeSession(ctx context.Context, p postgres.Principal, id uuid.UUID) error {
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from sessions where id = $1", id)
		if err != nil {
			return fmt.Errorf("revoke session: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return audit.Record(ctx, tx, audit.Act{Action: "revoked", Entity: "session", EntityID: id})
	})
}
