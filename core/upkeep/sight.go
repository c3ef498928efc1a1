package upkeep

import (
	"slices"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// What somebody's roles let him see of follow-ups and of the pool. Rows are narrowed by the database, fields here.

const customers = access.Resource(crm.KindCustomer)

// AskOf is what somebody may ask for: follow-ups of a user, or of everybody (the nil UUID), for one reason or for all (""). It
// leaves out the sources of which he does not see everything that they tell, whose they are among it if he asks for another's.
func AskOf(who access.Identity, why Why, owner uuid.UUID) Ask {
	a := Ask{Pooling: CustomersOf(who, owner)}
	if owner != uuid.Nil {
		a.Owners = []uuid.UUID{owner}
	}
	a.Sources = slices.DeleteFunc(Sources(), func(s Source) bool {
		resource := access.Resource(s.Kind)
		another := owner != uuid.Nil && owner != who.UserID
		return why != "" && s.Why != why || who.May(resource, access.Read) == "" ||
			another && (who.Hides(resource, "owner_id") || who.Hides(customers, "owner_id")) ||
			slices.ContainsFunc(s.Fields, func(field string) bool { return who.Hides(resource, field) })
	})
	return a
}

// CustomersOf are the owners whose customers somebody sees, of whom he asks for one, or for all (the nil UUID); nil is everybody
// and nobody.
func CustomersOf(who access.Identity, asked uuid.UUID) []uuid.UUID {
	switch {
	case asked == uuid.Nil:
		return who.Owners(customers, access.Read)
	case who.Covers(customers, access.Read, &asked):
		return []uuid.UUID{asked}
	default:
		return []uuid.UUID{}
	}
}

// Veil takes from a follow-up what somebody's field rules keep from him.
func (f *FollowUp) Veil(who access.Identity) {
	for _, source := range Sources() {
		if source.Why == f.Why {
			f.Title = SeenText(who, f.Kind, source.Title, f.Title)
		}
	}
	f.Customer = SeenText(who, crm.KindCustomer, "name", f.Customer)
	if who.Hides(access.Resource(f.Kind), "owner_id") || who.Hides(customers, "owner_id") {
		f.OwnerID = nil
	}
	if f.Kind != crm.KindCustomer && who.Hides(access.Resource(f.Kind), "customer_id") {
		f.CustomerID, f.Customer = nil, ""
	}
}

// Veil takes from a customer of the pool what somebody's field rules keep from him.
func (e *PooledCustomer) Veil(who access.Identity) {
	for field, text := range map[string]*string{
		"name": &e.Name, "kind": &e.Type, "lifecycle": &e.Lifecycle, "level": &e.Level, "industry": &e.Industry, "source": &e.Source, "owner_id": &e.FromOwner,
	} {
		*text = SeenText(who, crm.KindCustomer, field, *text)
	}
	if who.Hides(customers, "owner_id") {
		e.FromOwnerID = nil
	}
	if who.Hides(customers, "tags") {
		e.Tags = nil
	}
	if who.Hides(customers, "last_contact_at") {
		e.LastContactAt = nil
	}
	if who.Hides(customers, "phone") {
		e.HasPhone = nil
	}
	if who.Hides(customers, "email") {
		e.HasEmail = nil
	}
}

// Veil takes from a customer that is due what somebody's field rules keep from him.
func (d *DueCustomer) Veil(who access.Identity) {
	d.Name, d.Owner = SeenText(who, crm.KindCustomer, "name", d.Name), SeenText(who, crm.KindCustomer, "owner_id", d.Owner)
	if who.Hides(customers, "owner_id") {
		d.OwnerID = nil
	}
	if blindTo(who, d.Basis) {
		d.Basis, d.Since = "", nil
	}
}

// Veil takes from an entry of the log what somebody's field rules keep from him.
func (e *PoolEvent) Veil(who access.Identity) {
	if blindTo(who, e.Basis) {
		e.Basis, e.Since = "", nil
	}
	if who.Hides(customers, "owner_id") {
		e.FromOwnerID, e.ToOwnerID = nil, nil
	}
}

// blindTo reports whether somebody does not see of entities what the days of a rule are counted from.
func blindTo(who access.Identity, b Basis) bool {
	hidden := func(k crm.Kind, field string) bool {
		return who.May(access.Resource(k), access.Read) == "" || who.Hides(access.Resource(k), field)
	}
	switch b {
	case SinceContact, SinceFirstContact:
		return hidden(crm.KindCustomer, "last_contact_at")
	case SinceDeal:
		return hidden(crm.KindOrder, "date") || hidden(crm.KindOpportunity, "closed_at")
	case SinceContract:
		return hidden(crm.KindContract, "end_date")
	default:
		return false
	}
}

// SeenText is a field of an entity as somebody sees it: "" if it is hidden.
func SeenText(who access.Identity, k crm.Kind, field, text string) string {
	seen, _ := who.Present(access.Resource(k), map[string]any{field: text})[field].(string)
	return seen
}
