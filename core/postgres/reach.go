package postgres

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Scope is how far somebody reaches among rows that have an owner. Each holds all narrower ones.
type Scope string

// The scopes, from the narrowest to the widest. Rows without an owner are the organization's.
const (
	ScopeNone           Scope = ""
	ScopeOwn            Scope = "own"
	ScopeDepartment     Scope = "department"
	ScopeDepartmentTree Scope = "department_tree" // the department and those below it
	ScopeOrganization   Scope = "organization"
)

// Scopes are all scopes that reach anything, the narrowest first.
func Scopes() []Scope {
	return []Scope{ScopeOwn, ScopeDepartment, ScopeDepartmentTree, ScopeOrganization}
}

// Wider returns the wider of two scopes.
func (s Scope) Wider(t Scope) Scope {
	if slices.Index(Scopes(), t) > slices.Index(Scopes(), s) {
		return t
	}
	return s
}

// Owners are the users whose rows the scopes below the organization reach.
type Owners struct {
	Own            uuid.UUID
	Department     []uuid.UUID
	DepartmentTree []uuid.UUID
}

// Of returns the users whose rows a scope reaches; all is true where it reaches everybody's and nobody's.
func (o Owners) Of(s Scope) (users []uuid.UUID, all bool) {
	switch s {
	case ScopeOwn:
		return []uuid.UUID{o.Own}, false
	case ScopeDepartment:
		return o.Department, false
	case ScopeDepartmentTree:
		return o.DepartmentTree, false
	case ScopeOrganization:
		return nil, true
	}
	return []uuid.UUID{}, false
}

// Reach is which rows of guarded tables a principal reads, adds and changes: the settings that the policies of
// migration 0004 ask, and whose they are (0030). It never changes, so many principals may share it.
type Reach struct {
	settings []setting
	whole    map[string]bool // by what is wanted, whether it is reached as a whole; what is missing goes by that of any resource
}

// Everywhere is the reach of who may do everything in the organization.
func Everywhere() *Reach {
	return &Reach{settings: []setting{everywhere}, whole: map[string]bool{"*.read": true}}
}

var everywhere = setting{"crmhub.reach", "*"} //nolint:gochecknoglobals // a constant

// NewReach says how far somebody reaches: wants are a resource (or "*", any), a dot, and one of read, create and change.
func NewReach(owners Owners, wants map[string]Scope) *Reach {
	var reach strings.Builder
	reach.WriteByte(';')
	named, whole := map[Scope]bool{}, map[string]bool{}
	for _, want := range slices.Sorted(maps.Keys(wants)) {
		scope := wants[want]
		// Only words of the alphabet reach a statement (begin). What is anything else is no resource that a policy asks for.
		if !isWords(want) || !slices.Contains(Scopes(), scope) {
			continue
		}
		reach.WriteString(want + "=" + string(scope) + ";")
		named[scope] = true
		whole[want] = scope == ScopeOrganization
	}
	settings := []setting{{"crmhub.reach", reach.String()}}
	if owners.Own != uuid.Nil {
		settings = append(settings, setting{"crmhub.person", owners.Own.String()})
	}
	for _, s := range []Scope{ScopeOwn, ScopeDepartment, ScopeDepartmentTree} {
		if users, _ := owners.Of(s); named[s] {
			ids := make([]string, len(users))
			for i, u := range users {
				ids[i] = u.String()
			}
			settings = append(settings, setting{"crmhub." + string(s), "{" + strings.Join(ids, ",") + "}"})
		}
	}
	return &Reach{settings: settings, whole: whole}
}

// readsAll answers as crmhub_whole of migration 0004 does.
func (r *Reach) readsAll(resource string) bool {
	if r == nil {
		return false
	}
	whole, named := r.whole[resource+".read"]
	return whole || !named && r.whole["*.read"]
}

func isWords(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && c != '_' && c != '.' && c != '*' {
			return false
		}
	}
	return s != ""
}
