package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// Store keeps organizations, their departments, roles and users, sessions and tokens. Methods on one organization's people
// take the principal who asks.
type Store struct {
	DB        *postgres.DB
	Key       secret.Key       // seals second factors; nobody can turn one on without
	Now       func() time.Time // nil is the clock
	Entities  []Entity         // the kinds that roles may name; without them a masked field is hidden
	Passwords Cost             // of passwords set from now on

	// TokensHeld is how long an API token stands for whom it stood when it was read, so that a program that asks much is not
	// looked up with each request. A token revoked by another process, a user disabled and a role changed count that much
	// later at most; what this Store revokes counts at once. 0 looks up each time.
	TokensHeld time.Duration

	check func(hash, password string) (bool, error) // nil is checkPassword; a test counts the calls

	mu    sync.Mutex
	known map[uuid.UUID]remembered // by user
	held  map[[sha256.Size]byte]heldToken
}

// all returns what a statement gives when p asks. doing begins an error.
func all[T any](ctx context.Context, s *Store, p postgres.Principal, doing, sql string, args ...any) (found []T, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		found, err = postgres.All(ctx, tx, doing, pgx.RowToStructByPos[T], sql, args...)
		return err
	})
	return found, err
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// ErrNotFound says that there is no such organization, department, role, user, session or token here.
var ErrNotFound = postgres.NotFound("not found")

// ErrSignIn says that login and password belong to nobody who may sign in. It does not say which of them is wrong.
var ErrSignIn = errors.New("login or password is wrong")

// ErrUnauthenticated says that a session or token is unknown, expired or revoked, or its user is disabled.
var ErrUnauthenticated = errors.New("unknown or expired credentials")

// newSecret makes a token of 256 random bits and what is stored of it. A fast hash is enough: nobody guesses 256 bits.
func newSecret(prefix string) (token string, hash []byte) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails, it says
	token = prefix + base64.RawURLEncoding.EncodeToString(random)
	return token, hashSecret(token)
}

func hashSecret(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
