package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Identity is somebody authenticated, and what he may do.
type Identity struct {
	Principal    postgres.Principal
	UserID       uuid.UUID
	SessionID    uuid.UUID // the nil UUID where an API token is used
	Login        string
	Name         string
	Locale       string // en or zh-CN
	Organization string // its code
	*Permissions
}

// Permissions are what somebody may do: what his roles grant together, and within that what his token is for. Nil
// permissions allow nothing. They never change; every request asks for the present ones.
type Permissions struct {
	Roles  []string // codes, sorted
	grants grants
	fields map[Resource]map[string]FieldAccess // what is less than edit
	owners postgres.Owners
	token  []string // scopes of the token; none: all that the user may
	texts  func(Resource, string) bool
	reach  *postgres.Reach
}

type grants map[Resource]map[Action]Scope

func (g grants) add(r Resource, a Action, s Scope) {
	if g[r] == nil {
		g[r] = map[Action]Scope{}
	}
	g[r][a] = g[r][a].Wider(s)
}

func (g grants) scope(r Resource, a Action) Scope {
	return g[r][a].Wider(g[r][Any]).Wider(g[Any][a]).Wider(g[Any][Any])
}

// some reports whether anything is granted of a scope's resource and action, each of which may be [Any].
func (g grants) some(resource, action string) bool {
	for r, actions := range g {
		for a := range actions {
			if (resource == Any || r == Any || string(r) == resource) && (action == Any || a == Any || string(a) == action) {
				return true
			}
		}
	}
	return false
}

// May returns how far somebody may do something; [postgres.ScopeNone] if not at all.
func (p *Permissions) May(r Resource, a Action) Scope {
	if p == nil || len(p.token) > 0 && !covered(p.token, r, a) {
		return postgres.ScopeNone
	}
	return p.grants.scope(r, a)
}

// covered reports whether one of a token's scopes names the permission.
func covered(scopes []string, r Resource, a Action) bool {
	return slices.ContainsFunc(scopes, func(s string) bool {
		resource, action, _ := strings.Cut(s, ":")
		return (resource == Any || resource == string(r)) && (action == Any || action == string(a))
	})
}

// Covers reports whether somebody may do something with a row of an owner; nil is a row of nobody.
func (p *Permissions) Covers(r Resource, a Action, owner *uuid.UUID) bool {
	if p == nil {
		return false
	}
	users, all := p.owners.Of(p.May(r, a))
	return all || owner != nil && slices.Contains(users, *owner)
}

// Owners are the users whose rows somebody may do something with; nil is everybody's and nobody's.
func (p *Permissions) Owners(r Resource, a Action) []uuid.UUID {
	if p == nil {
		return []uuid.UUID{}
	}
	users, _ := p.owners.Of(p.May(r, a))
	return users
}

// Field returns what somebody may do with a field of an entity that he may read or write at all.
func (p *Permissions) Field(r Resource, field string) FieldAccess {
	if p == nil {
		return FieldHidden
	}
	if a, ok := p.fields[r][field]; ok {
		return a
	}
	return FieldEdit
}

// Hides reports whether a field is not shown plainly.
func (p *Permissions) Hides(r Resource, field string) bool { return p.Field(r, field).less(FieldRead) }

// Blind are the fields of an entity that are not shown plainly: nor may they be filtered, sorted or searched by.
func (p *Permissions) Blind(r Resource) []string {
	var blind []string
	if p != nil {
		for field := range p.fields[r] {
			if p.Hides(r, field) {
				blind = append(blind, field)
			}
		}
	}
	slices.Sort(blind)
	return blind
}

// Plainly returns a JSON object of an entity's fields, such as what an entry of the audit trail says, without those not
// shown plainly.
func (p *Permissions) Plainly(r Resource, fields json.RawMessage) (json.RawMessage, error) {
	unseen := p.Blind(r)
	if len(unseen) == 0 || len(fields) == 0 {
		return fields, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(fields, &all); err != nil {
		return nil, fmt.Errorf("read fields of %s: %w", r, err)
	}
	for _, name := range unseen {
		delete(all, name)
	}
	return json.Marshal(all)
}

// Present returns an entity's document as somebody sees it: hidden fields are absent, masked texts show their end, and
// masked fields of other types are absent too. The document itself is not changed.
func (p *Permissions) Present(r Resource, doc map[string]any) map[string]any {
	return p.present(r, doc, false)
}

// Revealed is [Permissions.Present] with masked fields shown plainly, for who may [Reveal] them. Hidden fields stay hidden.
func (p *Permissions) Revealed(r Resource, doc map[string]any) map[string]any {
	return p.present(r, doc, true)
}

func (p *Permissions) present(r Resource, doc map[string]any, plainly bool) map[string]any {
	if p == nil {
		return map[string]any{}
	}
	if len(p.fields[r]) == 0 {
		return doc
	}
	shown := maps.Clone(doc)
	for field, access := range p.fields[r] {
		switch access {
		case FieldHidden:
			delete(shown, field)
		case FieldMasked:
			if plainly {
				continue
			}
			if s, ok := shown[field].(string); ok && p.texts(r, field) {
				shown[field] = mask(s)
			} else {
				delete(shown, field)
			}
		}
	}
	return shown
}

// mask leaves the last four characters, and of a short text none: they would be most of it.
func mask(s string) string {
	n := utf8.RuneCountInString(s)
	if n < 8 {
		return strings.Repeat("*", n)
	}
	return strings.Repeat("*", n-4) + string([]rune(s)[n-4:])
}

// Unwritable returns a violation for each field of a document that somebody may not write.
func (p *Permissions) Unwritable(r Resource, doc map[string]any) schema.Violations {
	var vs schema.Violations
	for _, field := range slices.Sorted(maps.Keys(doc)) {
		if access := p.Field(r, field); access != FieldEdit {
			vs = append(vs, schema.Violation{Pointer: "/" + field, Rule: "permission", Message: "may not be written by you: it is " + string(access)})
		}
	}
	return vs
}

// Each calls fn for every permission somebody has among the resources and actions there are.
func (s *Store) Each(p *Permissions, fn func(Resource, Action, Scope)) {
	for _, r := range s.Resources() {
		for _, a := range s.Actions(r) {
			if scope := p.May(r, a); scope != postgres.ScopeNone {
				fn(r, a, scope)
			}
		}
	}
}

// FieldRules returns the fields of a resource that somebody may do less with than edit.
func (p *Permissions) FieldRules(r Resource) map[string]FieldAccess {
	if p == nil {
		return nil
	}
	return maps.Clone(p.fields[r])
}

// MayGive reports whether somebody may give others a role: it must not allow more than he may himself.
func (p *Permissions) MayGive(role Role) bool {
	q := merge([]Role{role})
	for r, actions := range q.grants {
		for a, scope := range actions {
			if p.May(r, a).Wider(scope) != p.May(r, a) {
				return false
			}
		}
	}
	if p == nil {
		return len(q.grants) == 0
	}
	for r, fields := range p.fields {
		for field, access := range fields {
			if q.grants.scope(r, Read) != postgres.ScopeNone && access.less(q.Field(r, field)) {
				return false
			}
		}
	}
	return true
}

// MayGiveScopes reports whether somebody may make a token with these scopes: one made by a narrowed token is as narrow.
func (p *Permissions) MayGiveScopes(scopes []string) bool {
	if p == nil || len(p.token) == 0 {
		return p != nil
	}
	return len(scopes) > 0 && !slices.ContainsFunc(scopes, func(s string) bool {
		resource, action, _ := strings.Cut(s, ":")
		return !covered(p.token, Resource(resource), Action(action))
	})
}

// merge makes the permissions that roles give together. A field is as open as the most open role that grants reading it
// leaves it, and may be written if one role grants that and leaves it open.
func merge(roles []Role) *Permissions {
	p := &Permissions{grants: grants{}, fields: map[Resource]map[string]FieldAccess{}}
	each := make([]grants, len(roles))
	ruled := map[Resource]map[string]bool{}
	for i, role := range roles {
		p.Roles = append(p.Roles, role.Code)
		each[i] = grants{}
		for _, g := range role.Grants {
			each[i].add(g.Resource, g.Action, g.Scope)
			p.grants.add(g.Resource, g.Action, g.Scope)
		}
		for _, f := range role.Fields {
			if ruled[f.Resource] == nil {
				ruled[f.Resource] = map[string]bool{}
			}
			ruled[f.Resource][f.Field] = true
		}
	}
	slices.Sort(p.Roles)
	for r, fields := range ruled {
		p.fields[r] = map[string]FieldAccess{}
		for field := range fields {
			seen, written := FieldHidden, false
			for i, role := range roles {
				access := role.field(r, field)
				if each[i].scope(r, Read) != postgres.ScopeNone && seen.less(access) {
					seen = access
				}
				if access == FieldEdit && (each[i].scope(r, Create) != postgres.ScopeNone || each[i].scope(r, Update) != postgres.ScopeNone) {
					written = true
				}
			}
			switch {
			case seen.less(FieldRead):
				p.fields[r][field] = seen
			case !written:
				p.fields[r][field] = FieldRead
			}
		}
	}
	return p
}

// narrow returns the permissions of a token with scopes.
func (p *Permissions) narrow(scopes []string) *Permissions {
	if len(scopes) == 0 {
		return p
	}
	q := *p
	q.token = scopes
	q.setReach()
	return &q
}

// setReach says to the database which rows the permissions are about.
func (p *Permissions) setReach() {
	named := map[Resource]bool{Any: true}
	for r := range p.grants {
		named[r] = true
	}
	for _, s := range p.token {
		r, _, _ := strings.Cut(s, ":")
		named[Resource(r)] = true
	}
	wants := map[string]Scope{}
	for r := range named {
		wants[string(r)+".read"] = p.May(r, Read)
		wants[string(r)+".create"] = p.May(r, Create)
		change := p.May(r, Update)
		for _, a := range []Action{Delete, Assign, Merge, Approve} {
			change = change.Wider(p.May(r, a)) // the database knows no finer: the operations ask for the action itself
		}
		wants[string(r)+".change"] = change
	}
	p.reach = postgres.NewReach(p.owners, wants)
}
