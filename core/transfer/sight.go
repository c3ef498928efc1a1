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

// SightOf is what somebody sees of imports (with [access.Import]) or exports ([access.Export]): those of the kinds that he may
// act on in the whole organization, and his own.
func SightOf(who access.Identity, a access.Action) Sight {
	sight := Sight{By: []string{string(who.Principal.Actor), string(postgres.User(who.UserID))}}
	for _, k := range crm.Kinds() {
		if who.May(access.Resource(k), a) == postgres.ScopeOrganization {
			sight.Kinds = append(sight.Kinds, k)
		}
	}
	return sight
}

// Sees reports whether one is among them.
func (s Sight) Sees(k crm.Kind, createdBy string) bool {
	return slices.Contains(s.Kinds, k) || slices.Contains(s.By, createdBy)
}
