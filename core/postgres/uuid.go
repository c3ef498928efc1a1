package postgres

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// wrapUUID lets the driver send a uuid.UUID as its 16 bytes. By itself it takes the type for a text, which costs a
// batch of a thousand rows more than the rows themselves.
func wrapUUID(value any) (pgtype.WrappedEncodePlanNextSetter, any, bool) {
	id, ok := value.(uuid.UUID)
	if !ok {
		return nil, nil, false
	}
	return &uuidPlan{}, uuidBytes(id), true
}

type uuidPlan struct{ next pgtype.EncodePlan }

func (p *uuidPlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *uuidPlan) Encode(value any, buf []byte) ([]byte, error) {
	id, ok := value.(uuid.UUID)
	if !ok {
		return nil, fmt.Errorf("%T is no UUID", value)
	}
	return p.next.Encode(uuidBytes(id), buf)
}

type uuidBytes uuid.UUID

// UUIDValue is how the driver asks for the bytes.
func (b uuidBytes) UUIDValue() (pgtype.UUID, error) { return pgtype.UUID{Bytes: b, Valid: true}, nil }
