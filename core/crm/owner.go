package crm

import (
	"reflect"
	"slices"

	"github.com/google/uuid"
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
