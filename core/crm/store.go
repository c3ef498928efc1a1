package crm

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"crmhub/core/postgres"
)

// Store reads and writes entities inside the caller's transaction. Its zero value is ready for use.
type Store struct {
	// Now tells the time written to created_at and updated_at; nil is the clock.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now != nil {
		return microseconds(s.Now())
	}
	return microseconds(time.Now())
}

// By says who writes and where the change came from.
type By struct {
	Actor       postgres.Actor
	Origin      string    // "crm" or a connection's code
	TraceParent string    // W3C trace context, "" if there is none
	Reviving    uuid.UUID // what is deleted and comes back later in the transaction: it may be referred to already
}

// ErrNotFound says that there is no such entity here, or it was deleted.
var ErrNotFound = postgres.NotFound("no such entity")

// ErrStale says that somebody else wrote since the writer read. Errors that say so are [StaleError].
var ErrStale = errors.New("changed by somebody else meanwhile")

// StaleError is a write of a version that is not the newest.
type StaleError struct {
	ID     uuid.UUID
	Seen   int64 // the version the writer had read
	Stored int64 // the newest
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%s: %v: version %d was read, %d is stored", e.ID, ErrStale, e.Seen, e.Stored)
}

// Unwrap makes the error an [ErrStale].
func (e *StaleError) Unwrap() error { return ErrStale }

// ItemError is what is wrong with one entity of a batch.
type ItemError struct {
	Index int
	Err   error // [schema.Violations], [StaleError] or [ErrNotFound]
}

func (e *ItemError) Error() string { return fmt.Sprintf("item %d: %v", e.Index, e.Err) }

func (e *ItemError) Unwrap() error { return e.Err }
