package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// need is what a route needs of its caller. Each route declares one, and [server.run] asks it before anything else, so
// that no operation can forget to. Which rows a permission reaches the database knows, and permitOn tells.
type need struct {
	resource access.Resource
	actions  []access.Action // one of them will do
	signedIn bool            // no permission, but somebody known
	public   bool            // nobody in particular
	some     bool            // of any kind of entity; the operation asks for the kind it is about
}

// may is the need of a permission; of several actions one will do.
func may(r access.Resource, actions ...access.Action) need {
	return need{resource: r, actions: actions}
}

// maySome is the need of a permission on any kind of entity: which one, the request says, and [call.permit] asks.
func maySome(a access.Action) need {
	return need{resource: "entity", actions: []access.Action{a}, some: true}
}

// signedIn is the need of what everybody may do who is known.
func signedIn() need { return need{signedIn: true} }

// undeclared refuses a route that says nothing about what it needs; the API does not start with one.
func (r route) undeclared() error {
	if n := r.needs; n.public || n.signedIn || n.resource != "" && len(n.actions) > 0 {
		return nil
	}
	return fmt.Errorf("%s does not say what it needs of its caller", r.pattern)
}

// String names the permission as problems and the document do: order:update.
func (n need) String() string {
	names := make([]string, len(n.actions))
	for i, a := range n.actions {
		names[i] = string(n.resource) + ":" + string(a)
	}
	return strings.Join(names, " or ")
}

// check refuses whoever lacks what the route needs.
func (n need) check(who access.Identity) error {
	if n.public || n.signedIn {
		return nil
	}
	for _, a := range n.actions {
		if n.some && slices.ContainsFunc(crm.Kinds(), func(k crm.Kind) bool { return who.May(access.Resource(k), a) != "" }) {
			return nil
		}
		if who.May(n.resource, a) != "" {
			return nil
		}
	}
	return forbidden(n, "It needs the permission "+n.String()+".")
}

// permit refuses a caller without a permission that the route could not name, since the request says what it is about.
func (c *call) permit(k crm.Kind, actions ...access.Action) error {
	for _, a := range actions {
		if err := may(access.Resource(k), a).check(c.who); err != nil {
			return err
		}
	}
	return nil
}

// permitMerging refuses a caller whose permission to merge does not reach everybody's entities of the kinds.
func (c *call) permitMerging(kinds ...crm.Kind) error {
	for _, k := range kinds {
		if c.who.May(access.Resource(k), access.Merge) != postgres.ScopeOrganization {
			n := may(access.Resource(k), access.Merge)
			return forbidden(n, "It needs the permission "+n.String()+" for the whole organization.")
		}
	}
	return nil
}

func forbidden(n need, detail string) *Problem {
	return &Problem{
		Type: problemType("forbidden"), Title: "You may not do that", Status: http.StatusForbidden,
		Detail: detail, Permission: n.String(),
	}
}

// resource is the kind as permissions know it.
func (e entities) resource() access.Resource { return access.Resource(e.kind) }

// seen returns an entity as the caller sees it.
func (c *call) seen(entity crm.Entity) (any, error) {
	resource := access.Resource(entity.Kind())
	if len(c.who.FieldRules(resource)) == 0 {
		return entity, nil
	}
	doc, err := crm.Document(entity)
	if err != nil {
		return nil, err
	}
	return c.who.Present(resource, doc), nil
}

// Entities tells package access of the kinds that roles may name, and of their fields; their files count as one.
func Entities() []access.Entity {
	all := make([]access.Entity, 0, len(crm.Kinds()))
	for _, k := range crm.Kinds() {
		e := access.Entity{Name: access.Resource(k), Owned: crm.Owned(k), Fields: map[string]bool{attachmentsField: false}}
		for _, f := range crm.Fields(k) {
			if !f.Head {
				e.Fields[f.Name] = f.Type == "text" && len(f.Enum) == 0
			}
		}
		all = append(all, e)
	}
	return all
}
