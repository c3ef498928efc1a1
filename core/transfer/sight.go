package transfer

import (
	"slices"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// Sight is which imports or exports somebody sees: all of some kinds, and of the others those that he asked for himself.
type Sight struct {
	Kinds []crm.Kind
	By    []string // himself, as written to created_by
}

// SightOf is what somebody sees of imports (with [access.Import]) or exports ([access.Export]): his own, and those of the kinds
// that he may act on and read in the whole organization, with all fields: what others put into files, others may see.
func SightOf(who access.Identity, a access.Action) Sight {
	sight := Sight{By: []string{string(who.Principal.Actor), string(postgres.User(who.UserID))}}
	for _, k := range crm.Kinds() {
		if r := access.Resource(k); who.May(r, a) == postgres.ScopeOrganization && who.Everything(r) {
			sight.Kinds = append(sight.Kinds, k)
		}
	}
	return sight
}

// Sees reports whether one is among them.
func (s Sight) Sees(k crm.Kind, createdBy string) bool {
	return slices.Contains(s.Kinds, k) || slices.Contains(s.By, createdBy)
}

// Veiled are the columns of an export that somebody does not see, such as one whose roles were others when he asked for it.
func (e Export) Veiled(who access.Identity) []string {
	blind := who.Blind(access.Resource(e.Entity))
	return slices.DeleteFunc(slices.Clone(e.Columns), func(c string) bool { return !slices.Contains(blind, fieldOf(c)) })
}
