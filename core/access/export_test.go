package access

import (
	"context"
	"time"
)

// CodeOf is what an authenticator app with a secret shows.
func CodeOf(secret string, at time.Time) (string, error) {
	key, err := base32Text.DecodeString(secret)
	return codeAt(key, stepAt(at), codeDigits), err
}

// Sweep sweeps once.
func (s *Store) Sweep(ctx context.Context) error { return s.sweep(ctx) }
