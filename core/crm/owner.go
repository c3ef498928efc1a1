package crm

import (
	"reflect"
	"slices"

	"github.com/google/uuid"
)

// FieldInfo is what others need to know of a field of a kind.
type FieldInfo struct {
	Name string // in JSON
	Text bool   // any text, neither one of some words nor a number
}

// Fields returns what a kind says besides what every entity has, in order.
func Fields(k Kind) []FieldInfo {
	s := shapes()[k][headFields:]
	fields := make([]FieldInfo, len(s))
	for i, f := range s {
		fields[i] = FieldInfo{Name: f.name, Text: f.typ == text && len(f.enum) == 0}
	}
	return fields
}

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
