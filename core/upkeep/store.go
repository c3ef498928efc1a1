package upkeep

import (
	"time"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// Store reads and writes inside the caller's transaction.
type Store struct {
	Entities *crm.Store
	// Now tells the time; nil is the clock. It should be that of Entities.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC().Truncate(time.Microsecond)
	}
	return time.Now().UTC().Truncate(time.Microsecond)
}

// Errors that callers tell apart.
var (
	ErrNotFound = postgres.NotFound("no such rule, limit or hand-over")
)
