package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/postgres"
)

// Grant lets whoever has a role do something, as the API shows it.
type Grant struct {
	Resource string `json:"resource" doc:"A kind of entity, or one of the hub's own resources; * is any." example:"order"`
	Action   string `json:"action" doc:"One that the resource has; * is any." example:"update"`
	Scope    string `json:"scope" enum:"own,department,department_tree,organization" doc:"Whose rows. What has no owner is reached by organization alone."`
}

// FieldRule makes a field less than editable, as the API shows it.
type FieldRule struct {
	Resource string `json:"resource" doc:"A kind of entity." example:"customer"`
	Field    string `json:"field" example:"credit_limit"`
	Access   string `json:"access" enum:"hidden,masked,read" doc:"A masked text shows its last four characters; a masked field of another type is hidden. Neither can be filtered, sorted or searched by."`
}

// Role is a set of permissions that users have, as the API shows it.
type Role struct {
	ID     uuid.UUID   `json:"id"`
	Code   string      `json:"code" doc:"Unique; never changes."`
	Name   string      `json:"name"`
	Grants []Grant     `json:"grants" nullable:"false"`
	Fields []FieldRule `json:"fields" nullable:"false" doc:"Fields that are less than editable. Of several roles of a user the one that allows most counts."`
}

type roleInput struct {
	Code   string      `json:"code" pattern:"^[a-z][a-z0-9_]{0,40}$" doc:"Unique; never changes."`
	Name   string      `json:"name" minLength:"1" maxLength:"100"`
	Grants []Grant     `json:"grants" nullable:"false" maxItems:"1000" doc:"None may allow what you may not do yourself."`
	Fields []FieldRule `json:"fields,omitempty" nullable:"false" maxItems:"1000"`
}

type rolePatch struct {
	Name   string      `json:"name,omitempty" minLength:"1" maxLength:"100"`
	Grants []Grant     `json:"grants,omitempty" nullable:"false" maxItems:"1000" doc:"All of them from now on."`
	Fields []FieldRule `json:"fields,omitempty" nullable:"false" maxItems:"1000" doc:"All of them from now on."`
}

func (s *server) listRoles() operation {
	return operation{
		id: "list-roles", needs: may(access.Roles, access.Read), tag: "access", summary: "List roles", description: "All of them, by code.",
		status: http.StatusOK, result: jsonBody(s.document, list[Role]{Items: []Role{roleExample()}}),
		serve: showAll(s.Access.Roles, showRole),
	}
}

func (s *server) addRole() operation {
	example := roleExample()
	return operation{
		id: "add-role", needs: may(access.Roles, access.Create), tag: "access", summary: "Add a role",
		body:   jsonBody(s.document, roleInput{Code: example.Code, Name: example.Name, Grants: example.Grants, Fields: example.Fields}),
		status: http.StatusCreated, result: jsonBody(s.document, example), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[roleInput](c)
			if err != nil {
				return answer{}, err
			}
			r := access.Role{Code: in.Code, Name: in.Name, Grants: grantsOf(in.Grants), Fields: rulesOf(in.Fields)}
			if err := permitRole(c, r); err != nil {
				return answer{}, err
			}
			if r, err = s.Access.AddRole(ctx, c.who.Principal, r); err != nil {
				return answer{}, err
			}
			return created("/roles", r.ID, showRole(r))
		},
	}
}

func (s *server) getRole() operation {
	return operation{
		id: "get-role", needs: may(access.Roles, access.Read), tag: "access", summary: "Get a role",
		status: http.StatusOK, result: jsonBody(s.document, roleExample()),
		serve: showOnID(s.Access.Role, showRole),
	}
}

func (s *server) patchRole() operation {
	return operation{
		id: "update-role", needs: may(access.Roles, access.Update), tag: "access", summary: "Change a role",
		description: "A JSON merge patch (RFC 7396). It counts from the next request of each user who has the role. What the administrator's role grants " +
			"stays as it is. Roles have no versions: the last change wins.",
		body:   mergePatchBody(s.document, rolePatch{Name: "Key accounts"}),
		status: http.StatusOK, result: jsonBody(s.document, roleExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, patch, in, err := patchOnID[rolePatch](c)
			if err != nil {
				return answer{}, err
			}
			apply := func(r *access.Role) {
				if has(patch, "name") {
					r.Name = in.Name
				}
				if has(patch, "grants") {
					r.Grants = grantsOf(in.Grants)
				}
				if has(patch, "fields") {
					r.Fields = rulesOf(in.Fields)
				}
			}
			r, err := s.Access.Role(ctx, c.who.Principal, id)
			if err != nil {
				return answer{}, err
			}
			if err := permitRole(c, r); err != nil {
				return answer{}, err
			}
			apply(&r)
			if err := permitRole(c, r); err != nil {
				return answer{}, err
			}
			if r, err = s.Access.ChangeRole(ctx, c.who.Principal, id, apply); err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, showRole(r))
		},
	}
}

func (s *server) deleteRole() operation {
	return operation{
		id: "delete-role", needs: may(access.Roles, access.Delete), tag: "access", summary: "Delete a role",
		description: "While somebody has it, the answer is 409; so it is for the administrator's.",
		status:      http.StatusNoContent, problems: []int{http.StatusConflict},
		serve: actOnID(s.Access.DeleteRole),
	}
}

// permitRole refuses who would make a role of what he may not do himself, or touch one that allows it.
func permitRole(c *call, r access.Role) error {
	if c.who.MayGive(r) {
		return nil
	}
	return forbidden(c.route.needs, "The role "+r.Code+" allows what you may not do yourself.")
}

func grantsOf(in []Grant) []access.Grant {
	grants := make([]access.Grant, len(in))
	for i, g := range in {
		grants[i] = access.Grant{Resource: access.Resource(g.Resource), Action: access.Action(g.Action), Scope: access.Scope(g.Scope)}
	}
	return grants
}

func rulesOf(in []FieldRule) []access.FieldRule {
	rules := make([]access.FieldRule, len(in))
	for i, f := range in {
		rules[i] = access.FieldRule{Resource: access.Resource(f.Resource), Field: f.Field, Access: access.FieldAccess(f.Access)}
	}
	return rules
}

func showRole(r access.Role) Role {
	shown := Role{ID: r.ID, Code: r.Code, Name: r.Name, Grants: make([]Grant, len(r.Grants)), Fields: make([]FieldRule, len(r.Fields))}
	for i, g := range r.Grants {
		shown.Grants[i] = Grant{string(g.Resource), string(g.Action), string(g.Scope)}
	}
	for i, f := range r.Fields {
		shown.Fields[i] = FieldRule{string(f.Resource), f.Field, string(f.Access)}
	}
	return shown
}

func roleExample() Role {
	return Role{
		ID: uuid.MustParse(exampleID), Code: "key_accounts", Name: "Key accounts",
		Grants: []Grant{{"customer", "read", string(postgres.ScopeDepartment)}, {"customer", "update", string(postgres.ScopeOwn)}},
		Fields: []FieldRule{{"customer", "credit_limit", string(access.FieldRead)}},
	}
}
