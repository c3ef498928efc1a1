package postgres

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Place is where a page of a list ended that is in the order of a time, a word where there is one, and an id. As a text it is what
// callers hand back to go on.
type Place struct {
	At   time.Time
	Word string
	ID   uuid.UUID
}

// ErrPlace says that a text is not what a list gave to go on from: no Place, or none of the forms that some lists have of their own.
var ErrPlace = errors.New("no place in a list")

// String is the place as a text that fits into a URL.
func (p Place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.At.UTC().Format(time.RFC3339Nano) + " " + p.ID.String() + " " + p.Word))
}

// ParsePlace reads where to go on; nil is the beginning. The error is [ErrPlace].
func ParsePlace(s string) (*Place, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // the beginning
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	part := strings.SplitN(string(b), " ", 3)
	if err != nil || len(part) != 3 {
		return nil, ErrPlace
	}
	at, errAt := time.Parse(time.RFC3339Nano, part[0])
	id, errID := uuid.Parse(part[1])
	if errAt != nil || errID != nil || at.Year() < 1 || at.Year() > 9999 || strings.ContainsRune(part[2], 0) {
		return nil, ErrPlace
	}
	return &Place{at, part[2], id}, nil
}

// Args are the place as three parameters of a statement, all null at the beginning.
func (p *Place) Args() (at *time.Time, word *string, id *uuid.UUID) {
	if p == nil {
		return nil, nil, nil
	}
	return &p.At, &p.Word, &p.ID
}
