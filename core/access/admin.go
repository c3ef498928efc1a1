package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// MakePassword makes up a password of 80 random bits, in groups that can be read out.
func MakePassword() secret.Text {
	random := make([]byte, 10)
	_, _ = rand.Read(random) // never fails, it says
	text := strings.ToLower(base32Text.EncodeToString(random))
	return secret.New(strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-"))
}

// EndSessions ends all of a user's sessions, and sign-ins that wait; [ErrNotFound] if there is no such user.
func (s *Store) EndSessions(ctx context.Context, p postgres.Principal, user uuid.UUID) error {
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return changeUser(ctx, tx, user, "sessions_revoked", "select from users where id = $1")
	})
}

// LockedUntil is until when nobody can sign in as a user since too much was tried in vain; the zero time if one can.
func (s *Store) LockedUntil(ctx context.Context, p postgres.Principal, user uuid.UUID) (until time.Time, err error) {
	u, err := s.User(ctx, p, user)
	if err != nil {
		return until, err
	}
	var latest *time.Time
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select max(blocked_until) from sign_in_attempts where subject = any($1) and blocked_until > $2", s.subjectsOf(u), s.now()).Scan(&latest)
	})
	if err != nil {
		return until, fmt.Errorf("find how long a user waits: %w", err)
	}
	if latest != nil {
		until = *latest
	}
	return until, nil
}

// Unlock forgets what was tried in vain as a user, so that he can sign in at once; [ErrNotFound] if there is no such user.
// Addresses that were slowed down stay so.
func (s *Store) Unlock(ctx context.Context, p postgres.Principal, user uuid.UUID) error {
	u, err := s.User(ctx, p, user)
	if err != nil {
		return err
	}
	return s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from sign_in_attempts where subject = any($1)", s.subjectsOf(u)); err != nil {
			return fmt.Errorf("unlock a user: %w", err)
		}
		return audit.Record(ctx, tx, audit.Act{Organization: p.Organization, Actor: p.Actor, Action: "unlocked", Entity: "user", EntityID: user})
	})
}

// subjectsOf are what attempts as a user are counted by.
func (s *Store) subjectsOf(u User) [][]byte {
	login := []byte(strings.ToLower(u.Login))
	return [][]byte{s.Key.Sign(guessPassword, login), s.Key.Sign(guessCode, login), s.Key.Sign(guessProof, login)}
}
