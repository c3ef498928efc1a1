package access

import (
	"maps"
	"slices"

	"crmhub/core/postgres"
)

// Resource is what a permission is about: a kind of entity (customer), or one of the hub's own below. "*" in a grant or a
// token's scope is every resource.
type Resource string

// The resources that are no entities.
const (
	Connections   Resource = "connection"
	Jobs          Resource = "job"
	DeadLetters   Resource = "dead_letter" // and links, runs, reconciliations and conflicts
	Users         Resource = "user"
	Roles         Resource = "role"
	Organizations Resource = "organization" // its departments and teams
	Tokens        Resource = "token"
	Audit         Resource = "audit"
	Reports       Resource = "report"
	Targets       Resource = "target"
	Alerts        Resource = "alert"        // and their settings
	Subscriptions Resource = "subscription" // and its deliveries
	Pool          Resource = "pool"         // of customers that nobody looks after, its rules and limits
	Views         Resource = "view"         // that everybody sees; one's own need no permission
)

// Action is what somebody does with a resource. "*" in a grant or a token's scope is every action.
type Action string

// The actions.
const (
	Read    Action = "read"
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Assign  Action = "assign" // give to another owner
	Export  Action = "export"
	Import  Action = "import"
	Merge   Action = "merge"
	Approve Action = "approve" // let an order be confirmed
	Reveal  Action = "reveal"  // see masked fields plainly
	Run     Action = "run"     // start and cancel jobs, replay dead letters, apply the rules of the pool now
	Erase   Action = "erase"   // take a person's data out of all there is, at his request
	Claim   Action = "claim"   // take customers out of the pool for oneself, and give up own ones
)

// Any stands for every resource or action.
const Any = "*"

// Scope is how far a permission reaches; see [postgres.Scope].
type Scope = postgres.Scope

// FieldAccess is what somebody may do with a field, the least first. A field that no rule names may be edited.
type FieldAccess string

// The kinds of access to a field.
const (
	FieldHidden FieldAccess = "hidden"
	FieldMasked FieldAccess = "masked" // a text shows its end, anything else is hidden
	FieldRead   FieldAccess = "read"
	FieldEdit   FieldAccess = "edit"
)

var fieldAccess = []FieldAccess{FieldHidden, FieldMasked, FieldRead, FieldEdit} //nolint:gochecknoglobals // an order

func (a FieldAccess) less(b FieldAccess) bool {
	return slices.Index(fieldAccess, a) < slices.Index(fieldAccess, b)
}

// Entity is a kind of entity as far as permissions need to know it.
type Entity struct {
	Name   Resource
	Owned  bool            // rows have an owner; others are reached all or none, so only the scope organization fits
	Fields map[string]bool // what rules may name; true: a text, which can be masked
}

// entityActions are what may be done with every entity; [Actions] says which have more.
var entityActions = []Action{Read, Create, Update, Delete, Export, Import, Reveal} //nolint:gochecknoglobals // a table

// special are the actions that few entities know.
var special = map[Action][]Resource{ //nolint:gochecknoglobals // a table
	Merge:   {"customer", "contact", "product"},
	Approve: {"order", "contract", "invoice", "payment"},
	Erase:   {"customer", "contact"},
}

// hubActions are what may be done with the resources that are no entities.
var hubActions = map[Resource][]Action{ //nolint:gochecknoglobals // a table
	Connections:   {Read, Create, Update, Delete},
	Jobs:          {Read, Create, Update, Delete, Run},
	DeadLetters:   {Read, Update, Run},
	Users:         {Read, Create, Update},
	Roles:         {Read, Create, Update, Delete},
	Organizations: {Read, Update},
	Tokens:        {Read, Create, Delete},
	Audit:         {Read, Export},
	Reports:       {Read, Export},
	Targets:       {Read, Create, Update, Delete},
	Alerts:        {Read, Update},
	Subscriptions: {Read, Create, Update, Delete},
	Pool:          {Read, Create, Update, Delete, Claim, Run},
	Views:         {Create, Delete},
}

// Resources are all there are, by name.
func (s *Store) Resources() []Resource {
	all := slices.Collect(maps.Keys(hubActions))
	for _, e := range s.Entities {
		all = append(all, e.Name)
	}
	slices.Sort(all)
	return all
}

// Actions are what may be done with a resource; none if there is no such resource.
func (s *Store) Actions(r Resource) []Action {
	e, ok := s.entity(r)
	if !ok {
		return hubActions[r]
	}
	actions := slices.Clone(entityActions)
	if e.Owned {
		actions = append(actions, Assign)
	}
	for _, a := range []Action{Merge, Approve, Erase} {
		if slices.Contains(special[a], r) {
			actions = append(actions, a)
		}
	}
	return actions
}

// owned reports whether a scope narrower than the organization means something for a resource.
func (s *Store) owned(r Resource) bool {
	e, ok := s.entity(r)
	return ok && e.Owned || r == Tokens || r == Any
}

func (s *Store) entity(r Resource) (Entity, bool) {
	for _, e := range s.Entities {
		if e.Name == r {
			return e, true
		}
	}
	return Entity{}, false
}
