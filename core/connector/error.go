package connector

import (
	"errors"
	"time"

	"crmhub/core/schema"
)

// Class is the kind of a remote error; it decides what the engine does.
type Class string

// The classes.
const (
	ClassTransient Class = "transient" // network, 5xx, overload: retry with back-off
	ClassQuota     Class = "quota"     // rate limit: retry after RetryAfter
	ClassAuth      Class = "auth"      // credentials refused: the connection needs a person
	ClassConfig    Class = "config"    // the connection is set up wrong: needs a person
	ClassData      Class = "data"      // the remote rejects this record: a person must change data or mapping
	ClassConflict  Class = "conflict"  // the record changed or exists already: look it up, then decide
	ClassBusiness  Class = "business"  // a rule of the remote forbids it now (closed period, locked document)
)

// Error is what went wrong at the remote. Its text carries neither secrets nor personal data.
type Error struct {
	Class      Class
	Message    string        // what the remote said or what broke, one sentence
	Code       string        // the remote's own code: an HTTP status, an exception's name
	Remedy     string        // what a person can do about it; "" if nothing
	RetryAfter time.Duration // ClassQuota and ClassTransient: wait at least this long; 0 if unsaid
	Err        error         // the cause, for logs; may be nil

	Said *schema.Saying // message and remedy, where they are the hub's or the connector's own and not the remote's
}

func (e *Error) Error() string {
	s := string(e.Class) + ": " + e.Message
	if e.Code != "" {
		s += " (" + e.Code + ")"
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Misconfigured is the error of a job that cannot be done as its connection, its mapping or it itself is set up.
func Misconfigured(said *schema.Saying, message string) *Error {
	return &Error{Class: ClassConfig, Message: message, Remedy: "Correct the connection, its mapping or the job.", Said: said}
}

// Retryable reports whether the same call may succeed later without anybody's doing.
func (e *Error) Retryable() bool { return e.Class == ClassTransient || e.Class == ClassQuota }

// AsError returns the *Error in err's chain. An err without one counts as transient.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Class: ClassTransient, Message: err.Error(), Err: err}
}
