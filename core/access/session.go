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

const findSession = `
select s.organization_id, s.id, u.id, u.login, u.name, u.locale, o.code, s.last_seen_at, o.access_version
from sessions s
join users u on u.organization_id = s.organization_id and u.id = s.user_id
join organizations o on o.id = s.organization_id
where s.token_hash = $1 and s.expires_at > $2 and s.last_seen_at > $3 and u.status = 'active'`

// AuthenticateSession returns who has a session's token, or [ErrUnauthenticated].
func (s *Store) AuthenticateSession(ctx context.Context, token string) (Identity, error) {
	var who Identity
	now := s.now()
	var seen time.Time
	var version int64
	var find pgx.Batch
	find.Queue(findSession, hashSecret(token), now, now.Add(-SessionIdle)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&who.Principal.Organization, &who.SessionID, &who.UserID,
			&who.Login, &who.Name, &who.Locale, &who.Organization, &seen, &version)
	})
	err := s.DB.AskSystem(ctx, &find)
	if err == nil {
		err = s.identify(ctx, &who, version, nil)
	}
	if err == nil && now.Sub(seen) >= time.Minute {
		err = s.touch(ctx, "update sessions set last_seen_at = $2 where id = $1", who.SessionID, now)
	}
	if err != nil {
		return Identity{}, unauthenticated(err)
	}
	who.Principal.Actor = postgres.User(who.UserID)
	return who, nil
}

// touch notes when a token or session was used last.
func (s *Store) touch(ctx context.Context, update string, id uuid.UUID, now time.Time) error {
	var b pgx.Batch
	b.Queue(update, id, now)
	return s.DB.AskSystem(ctx, &b)
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
	return all[Session](ctx, s, p, "list sessions", `
		select id, user_id, coalesce(ip, ''), coalesce(user_agent, ''), created_at, last_seen_at, expires_at
		from sessions where user_id = $1 and expires_at > $2 and last_seen_at > $3 order by last_seen_at desc, id`, user, s.now(), s.now().Add(-SessionIdle))
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

// RevokeOtherSessions ends all sessions of whoever asks but the one asked from.
func (s *Store) RevokeOtherSessions(ctx context.Context, who Identity) error {
	return s.DB.As(ctx, who.Principal, func(tx pgx.Tx) error {
		if err := endOthers(ctx, tx, who.UserID, who.SessionID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "sessions_revoked", Entity: "user", EntityID: who.UserID})
	})
}
