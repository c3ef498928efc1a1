package postgres

import "errors"

// ErrNotFound is every error that [NotFound] makes: what was asked for does not exist, or not for who asks. Rooms have errors of
// their own that say what is missing; doors answer them all alike.
var ErrNotFound = errors.New("not found")

// NotFound returns an error that says what is missing, and is [ErrNotFound].
func NotFound(message string) error { return &notFound{message} }

type notFound struct{ message string }

func (e *notFound) Error() string { return e.message }

func (e *notFound) Is(target error) bool { return target == ErrNotFound }
