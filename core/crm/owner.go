package crm

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// IsAmount reports whether a field of a kind is an amount of money, or a list with such.
func IsAmount(k Kind, name string) bool {
	for _, f := range shapes()[k] {
		if f.name == name {
			return f.typ == number || f.typ == list && slices.ContainsFunc(f.elem, func(e field) bool { return e.typ == number })
		}
	}
	return false
}

// Owned reports whether entities of a kind have an owner.
func Owned(k Kind) bool {
	_, ok := ownerField(k)
	return ok
}

// OwnerOf returns the user whose entity it is; nil if nobody's.
func OwnerOf(e Entity) *uuid.UUID {
	f, ok := ownerField(e.Kind())
	if !ok {
		return nil
	}
	owner, _ := reflect.TypeAssert[*uuid.UUID](reflect.ValueOf(e).Elem().FieldByIndex(f.index))
	return owner
}

// SetOwner gives an entity of an owned kind to a user.
func SetOwner(e Entity, owner *uuid.UUID) {
	if f, ok := ownerField(e.Kind()); ok {
		reflect.ValueOf(e).Elem().FieldByIndex(f.index).Set(reflect.ValueOf(owner))
	}
}

func ownerField(k Kind) (field, bool) {
	for _, f := range shapes()[k] {
		if f.name == "owner_id" {
			return f, true
		}
	}
	return field{}, false
}

// Give gives stored entities of an owned kind another owner, or nobody (nil), with a version and a change for each, and
// returns the ids of those that changed hands. Rows are locked first, and take, if it is not nil, sees the newest version
// and says which of them go. Nothing else of them is touched or judged: what was stored before a rule came goes as well.
// What is deleted stays, and so does what has that owner already. The caller sees to it that the owner may be one.
func (s *Store) Give(ctx context.Context, tx pgx.Tx, by By, k Kind, ids []uuid.UUID, to *uuid.UUID, take func(Entity) bool) ([]uuid.UUID, error) {
	if !Owned(k) {
		return nil, fmt.Errorf("give %s: they have no owner", k.Plural())
	}
	var given []uuid.UUID
	err := s.rewriteAll(ctx, tx, by, k, ids, func(e Entity) bool {
		if sameID(OwnerOf(e), to) || take != nil && !take(e) {
			return false
		}
		SetOwner(e, to)
		given = append(given, e.head().ID)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("give %s another owner: %w", k.Plural(), err)
	}
	return given, nil
}

func sameID(a, b *uuid.UUID) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
