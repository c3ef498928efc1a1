package edit

import (
	"fmt"
	"slices"
	"strings"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/duplicate"
	"crmhub/core/schema"
)

// ForbiddenError says that somebody lacks the permission to do something with an entity that he may see.
type ForbiddenError struct {
	Resource access.Resource
	Actions  []access.Action // one of them would do
	Detail   string          // a sentence for people
}

func (e *ForbiddenError) Error() string { return e.Detail }

// Permission names what is missing: order:update or order:approve.
func (e *ForbiddenError) Permission() string {
	names := make([]string, len(e.Actions))
	for i, a := range e.Actions {
		names[i] = string(e.Resource) + ":" + string(a)
	}
	return strings.Join(names, " or ")
}

// DuplicateError says that a new entity is there already.
type DuplicateError struct {
	Matches []duplicate.Match // the surest first; of what the author may not see, its class and its owner's name only
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("it is there already, %d times", len(e.Matches))
}

// Permit refuses who reads an entity but may not do any of the actions with it.
func Permit(who access.Identity, stored crm.Entity, actions ...access.Action) error {
	resource := access.Resource(stored.Kind())
	if slices.ContainsFunc(actions, func(a access.Action) bool { return who.Covers(resource, a, crm.OwnerOf(stored)) }) {
		return nil
	}
	refusal := &ForbiddenError{Resource: resource, Actions: actions}
	widest := access.Scope("")
	for _, a := range actions {
		widest = widest.Wider(who.May(resource, a))
	}
	refusal.Detail = "It needs the permission " + refusal.Permission() + "."
	if widest != "" {
		refusal.Detail = fmt.Sprintf("You may see it, but your permission %s reaches the scope %s, where its owner is not.", refusal.Permission(), widest)
	}
	return refusal
}

// permitNew completes and checks what the author wants to create: the fields he may write, and an owner whose rows he may
// create. Who may not create for everybody is the owner where none is given.
func permitNew(a Author, doc map[string]any, entity crm.Entity) error {
	resource := access.Resource(entity.Kind())
	vs := a.Unwritable(resource, doc)
	if crm.Owned(entity.Kind()) {
		if crm.OwnerOf(entity) == nil && a.Owners(resource, access.Create) != nil {
			crm.SetOwner(entity, &a.UserID)
		}
		if !a.Covers(resource, access.Create, crm.OwnerOf(entity)) {
			vs = append(vs, OwnerFault())
		}
	}
	if err := vs.Err(); err != nil {
		return err
	}
	return permitApproval(a, nil, entity)
}

// permitChange checks what the author wants to make of a stored entity: a patch of fields that he may write, of an entity
// he may update. Another owner is not an update but needs assign, for the entity as it is and for the owner it gets.
func permitChange(a Author, patch map[string]any, stored, entity crm.Entity) error {
	resource := access.Resource(entity.Kind())
	if err := a.Unwritable(resource, patch).Err(); err != nil {
		return err
	}
	before, after := crm.OwnerOf(stored), crm.OwnerOf(entity)
	moved := (before == nil) != (after == nil) || before != nil && *before != *after
	if _, named := patch["owner_id"]; len(patch) > 1 || !named || !moved {
		if err := Permit(a.Identity, stored, access.Update); err != nil {
			return err
		}
	}
	if moved {
		if err := Permit(a.Identity, stored, access.Assign); err != nil {
			return err
		}
		if !a.Covers(resource, access.Assign, after) {
			return schema.Violations{OwnerFault()}
		}
	}
	return permitApproval(a, stored, entity)
}

// permitMove checks a change of status alone: to approve an order is enough to confirm it.
func permitMove(a Author, patch map[string]any, stored, entity crm.Entity) error {
	resource := access.Resource(entity.Kind())
	if o, ok := entity.(*crm.Order); ok && o.Status == "confirmed" && a.Covers(resource, access.Approve, o.OwnerID) {
		return a.Unwritable(resource, patch).Err()
	}
	return permitChange(a, patch, stored, entity)
}

// OwnerFault says that somebody may not act on what a user owns.
func OwnerFault() schema.Violation {
	return schema.Violation{Pointer: "/owner_id", Rule: "permission", Message: "must be a user whose rows you may act on"}
}

// permitApproval refuses who confirms an order, or changes what a confirmed one comes to, without being one to approve it.
func permitApproval(a Author, stored, entity crm.Entity) error {
	order, ok := entity.(*crm.Order)
	if !ok {
		return nil
	}
	old, _ := stored.(*crm.Order)
	resource := access.Resource(crm.KindOrder)
	if !order.NeedsApproval(old) || a.Covers(resource, access.Approve, order.OwnerID) {
		return nil
	}
	refusal := &ForbiddenError{Resource: resource, Actions: []access.Action{access.Approve}}
	refusal.Detail = "To confirm an order, or to change the lines of one that is confirmed, needs the permission " + refusal.Permission() + ". Submit it to somebody who may."
	return refusal
}
