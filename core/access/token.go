package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// tokenPrefix lets people and secret scanners tell what a token is for.
const tokenPrefix = "chb_"

// Token is what a program uses in a user's place.
type Token struct {
	ID         uuid.UUID
	UserID     uuid.UUID
	Name       string // what it is for
	CreatedAt  time.Time
	LastUsedAt *time.Time // to the minute
	ExpiresAt  *time.Time // nil: never
	RevokedAt  *time.Time
	Scopes     []string // what it may do of what its user may: customer:read, order:*, *:read; empty is all of it
}

const insertToken = `
insert into api_tokens (id, user_id, name, token_hash, created_at, expires_at, scopes) values ($1, $2, $3, $4, $5, $6, $7)`

// AddToken makes an API token for a user of p's organization. Scopes narrow what it may do; without any it may do all that
// the user may. The secret it returns is shown once and kept nowhere.
func (s *Store) AddToken(ctx context.Context, p postgres.Principal, user uuid.UUID, name string, expires *time.Time, scopes ...string) (Token, string, error) {
	name = strings.TrimSpace(name)
	vs := checkName("/name", name, 100)
	for i, scope := range scopes {
		if r, a, _ := strings.Cut(scope, ":"); !s.exists(Resource(r), Action(a)) {
			vs = append(vs, schema.Violation{
				Pointer: "/scopes/" + strconv.Itoa(i), Rule: "exists", Message: "must be a resource, a colon and an action that it has; * is any",
			})
		}
	}
	if err := vs.Err(); err != nil {
		return Token{}, "", err
	}
	if err := s.givesSomething(ctx, p.Organization, user, scopes); err != nil {
		return Token{}, "", err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Token{}, "", fmt.Errorf("add token: %w", err)
	}
	secret, hash := newSecret(tokenPrefix)
	t := Token{ID: id, UserID: user, Name: name, CreatedAt: s.now().UTC().Truncate(time.Microsecond), ExpiresAt: expires, Scopes: append([]string{}, scopes...)}
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertToken, t.ID, t.UserID, t.Name, hash, t.CreatedAt, t.ExpiresAt, t.Scopes); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{
			Action: "created", Entity: "token", EntityID: t.ID,
			Detail: map[string]any{"user_id": t.UserID, "name": t.Name, "expires_at": t.ExpiresAt, "scopes": t.Scopes},
		})
	})
	if code, _ := postgres.ErrorCode(err); code == "23503" {
		return Token{}, "", ErrNotFound
	}
	if err != nil {
		return Token{}, "", fmt.Errorf("add token: %w", err)
	}
	return t, secret, nil
}

// givesSomething refuses scopes of which the user may nothing: whoever uses the token would be refused, and wonder.
func (s *Store) givesSomething(ctx context.Context, organization, user uuid.UUID, scopes []string) error {
	if len(scopes) == 0 {
		return nil
	}
	who, err := s.Actor(ctx, organization, postgres.User(user))
	if errors.Is(err, ErrUnauthenticated) {
		return nil // no token of whoever may not come in counts
	}
	if err != nil {
		return fmt.Errorf("add token: %w", err)
	}
	var vs schema.Violations
	for i, scope := range scopes {
		if r, a, _ := strings.Cut(scope, ":"); !who.grants.some(r, a) {
			vs = append(vs, schema.Violation{
				Pointer: "/scopes/" + strconv.Itoa(i), Rule: "permission", Message: "must be something that the token's user may",
			})
		}
	}
	return vs.Err()
}

const findToken = `
select t.organization_id, t.id, u.id, u.login, u.name, u.locale, o.code, coalesce(t.last_used_at, t.created_at - interval '1 hour'),
	t.expires_at, t.scopes, o.access_version
from api_tokens t
join users u on u.organization_id = t.organization_id and u.id = t.user_id
join organizations o on o.id = t.organization_id
where t.token_hash = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > $2) and u.status = 'active'`

// Authenticate returns for whom an API token stands, or [ErrUnauthenticated]. The principal's actor is the token.
func (s *Store) Authenticate(ctx context.Context, bearer string) (Identity, error) {
	var who Identity
	var id uuid.UUID
	if !strings.HasPrefix(bearer, tokenPrefix) {
		return Identity{}, ErrUnauthenticated
	}
	hash := sha256.Sum256([]byte(bearer))
	if who, ok := s.heldToken(hash); ok {
		return who, nil
	}
	read, now := time.Now(), s.now()
	var used time.Time
	var expires *time.Time
	var scopes []string
	var version int64
	var find pgx.Batch
	find.Queue(findToken, hash[:], now).QueryRow(func(row pgx.Row) error {
		return row.Scan(&who.Principal.Organization, &id, &who.UserID, &who.Login, &who.Name, &who.Locale, &who.Organization, &used, &expires, &scopes, &version)
	})
	err := s.DB.AskSystem(ctx, &find)
	if err == nil {
		err = s.identify(ctx, &who, version, scopes)
	}
	if err == nil && now.Sub(used) >= time.Minute {
		err = s.touch(ctx, "update api_tokens set last_used_at = $2 where id = $1", id, now)
	}
	if err != nil {
		return Identity{}, unauthenticated(err)
	}
	who.Principal.Actor = postgres.Token(id)
	s.holdToken(hash, heldToken{who: who, id: id, read: read, expires: expires})
	return who, nil
}

// heldToken is for whom a token stood when it was read.
type heldToken struct {
	who     Identity
	id      uuid.UUID
	read    time.Time // by the clock that does not jump
	expires *time.Time
}

func (s *Store) heldToken(hash [sha256.Size]byte) (Identity, bool) {
	if s.TokensHeld <= 0 {
		return Identity{}, false
	}
	s.mu.Lock()
	held, ok := s.held[hash]
	s.mu.Unlock()
	if !ok || time.Since(held.read) >= s.TokensHeld || held.expires != nil && !held.expires.After(s.now()) {
		return Identity{}, false
	}
	return held.who, true
}

func (s *Store) holdToken(hash [sha256.Size]byte, held heldToken) {
	if s.TokensHeld <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil || len(s.held) >= maxRemembered {
		s.held = map[[sha256.Size]byte]heldToken{}
	}
	s.held[hash] = held
}

// dropToken lets a token be looked up the next time.
func (s *Store) dropToken(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.held, func(_ [sha256.Size]byte, held heldToken) bool { return held.id == id })
}

// Tokens returns a user's API tokens, the newest first, revoked ones too.
func (s *Store) Tokens(ctx context.Context, p postgres.Principal, user uuid.UUID) ([]Token, error) {
	return all[Token](ctx, s, p, "list tokens", `
		select id, user_id, name, created_at, last_used_at, expires_at, revoked_at, scopes from api_tokens where user_id = $1 order by id desc`, user)
}

// RevokeToken ends an API token for good, or returns [ErrNotFound].
func (s *Store) RevokeToken(ctx context.Context, p postgres.Principal, id uuid.UUID) error {
	defer s.dropToken(id) // once it is revoked for others, too
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "update api_tokens set revoked_at = coalesce(revoked_at, $2) where id = $1", id, s.now())
		if err != nil {
			return fmt.Errorf("revoke token: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return audit.Record(ctx, tx, audit.Act{Action: "revoked", Entity: "token", EntityID: id})
	})
}
