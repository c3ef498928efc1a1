package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
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

// permitOn refuses who reads an entity but may not do any of the actions with it.
func (e entities) permitOn(c *call, stored crm.Entity, actions ...access.Action) error {
	if slices.ContainsFunc(actions, func(a access.Action) bool { return c.who.Covers(e.resource(), a, crm.OwnerOf(stored)) }) {
		return nil
	}
	n := may(e.resource(), actions...)
	widest := access.Scope("")
	for _, a := range actions {
		widest = widest.Wider(c.who.May(e.resource(), a))
	}
	if widest == "" {
		return n.check(c.who)
	}
	return forbidden(n, fmt.Sprintf("You may see it, but your permission %s reaches the scope %s, where its owner is not.", n, widest))
}

// permitNew completes and checks what the caller wants to create: the fields he may write, and an owner whose rows he may
// create. Who may not create for everybody is the owner where none is given.
func (e entities) permitNew(c *call, doc map[string]any, entity crm.Entity) error {
	vs := c.who.Unwritable(e.resource(), doc)
	if crm.Owned(e.kind) {
		if crm.OwnerOf(entity) == nil && c.who.Owners(e.resource(), access.Create) != nil {
			crm.SetOwner(entity, &c.who.UserID)
		}
		if !c.who.Covers(e.resource(), access.Create, crm.OwnerOf(entity)) {
			vs = append(vs, ownerFault())
		}
	}
	if err := vs.Err(); err != nil {
		return err
	}
	return e.permitApproval(c, nil, entity)
}

// permitChange checks what the caller wants to make of a stored entity: a patch of fields that he may write, of an entity
// he may update. Another owner is not an update but needs assign, for the entity as it is and for the owner it gets.
func (e entities) permitChange(c *call, patch map[string]any, stored, entity crm.Entity) error {
	vs := c.who.Unwritable(e.resource(), patch)
	if err := vs.Err(); err != nil {
		return err
	}
	before, after := crm.OwnerOf(stored), crm.OwnerOf(entity)
	moved := (before == nil) != (after == nil) || before != nil && *before != *after
	if _, named := patch["owner_id"]; len(patch) > 1 || !named || !moved {
		if err := e.permitOn(c, stored, access.Update); err != nil {
			return err
		}
	}
	if moved {
		if err := e.permitOn(c, stored, access.Assign); err != nil {
			return err
		}
		if !c.who.Covers(e.resource(), access.Assign, after) {
			return schema.Violations{ownerFault()}
		}
	}
	return e.permitApproval(c, stored, entity)
}

// permitMove checks a change of status alone: to approve an order is enough to confirm it.
func (e entities) permitMove(c *call, patch map[string]any, stored, entity crm.Entity) error {
	if o, ok := entity.(*crm.Order); ok && o.Status == "confirmed" && c.who.Covers(e.resource(), access.Approve, o.OwnerID) {
		return c.who.Unwritable(e.resource(), patch).Err()
	}
	return e.permitChange(c, patch, stored, entity)
}

func ownerFault() schema.Violation {
	return schema.Violation{Pointer: "/owner_id", Rule: "permission", Message: "must be a user whose rows you may act on"}
}

// permitApproval refuses who confirms an order without being one to approve it.
func (e entities) permitApproval(c *call, stored, entity crm.Entity) error {
	order, ok := entity.(*crm.Order)
	if !ok || order.Status != "confirmed" {
		return nil
	}
	if old, ok := stored.(*crm.Order); ok && old.Status != "draft" && old.Status != "submitted" {
		return nil
	}
	if c.who.Covers(e.resource(), access.Approve, order.OwnerID) {
		return nil
	}
	n := may(e.resource(), access.Approve)
	return forbidden(n, "To confirm an order needs the permission "+n.String()+". Submit it to somebody who may.")
}

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
