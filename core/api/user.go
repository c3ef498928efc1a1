package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"crmhub/core/access"
)

// User is a person of the organization, as the API shows it.
type User struct {
	ID           uuid.UUID  `json:"id"`
	Login        string     `json:"login" doc:"What the user signs in with; never changes."`
	Name         string     `json:"name"`
	Email        string     `json:"email,omitempty"`
	Locale       string     `json:"locale" enum:"en,zh-CN"`
	Status       string     `json:"status" enum:"active,disabled" doc:"Who is disabled cannot sign in; tokens stop as well."`
	DepartmentID *uuid.UUID `json:"department_id,omitempty" doc:"Whose rows the scopes department and department_tree reach."`
	Roles        []string   `json:"roles" nullable:"false" doc:"Codes of the roles that say, together, what the user may do."`
}

type userInput struct {
	Login        string     `json:"login" minLength:"1" maxLength:"100" doc:"Unique in the installation."`
	Name         string     `json:"name" minLength:"1" maxLength:"300"`
	Email        string     `json:"email,omitempty" format:"email"`
	Locale       string     `json:"locale,omitempty" enum:"en,zh-CN" doc:"en if left out."`
	Password     string     `json:"password" minLength:"10" maxLength:"256" doc:"The first one. It is never shown."`
	DepartmentID *uuid.UUID `json:"department_id,omitempty"`
	Roles        []string   `json:"roles,omitempty" nullable:"false" maxItems:"50" doc:"Codes of roles. None may allow what you may not do yourself."`
}

type userPatch struct {
	Name         string     `json:"name,omitempty" minLength:"1" maxLength:"300"`
	Email        *string    `json:"email,omitempty" nullable:"true" format:"email"`
	Locale       string     `json:"locale,omitempty" enum:"en,zh-CN"`
	Status       string     `json:"status,omitempty" enum:"active,disabled" doc:"The last active administrator cannot be disabled."`
	DepartmentID *uuid.UUID `json:"department_id,omitempty" nullable:"true"`
	Roles        []string   `json:"roles,omitempty" nullable:"false" maxItems:"50" doc:"All roles the user has from now on, by code. None may allow what you may not do yourself."`
}

func (s *server) listUsers() operation {
	return operation{
		id: "list-users", needs: may(access.Users, access.Read), tag: "access", summary: "List users", description: "All of them, by login.",
		status: http.StatusOK, result: jsonBody(s.document, list[User]{Items: []User{userExample()}}),
		serve: showAll(s.Access.Users, showUser),
	}
}

// addUser understands no Idempotency-Key: a login is unique, so that a repeated request makes nobody twice.
func (s *server) addUser() operation {
	return operation{
		id: "add-user", needs: may(access.Users, access.Create), tag: "access", summary: "Add a user",
		body:   jsonBody(s.document, userInput{Login: "erika", Name: "Erika Muster", Password: "correct horse battery", Roles: []string{"sales"}}),
		status: http.StatusCreated, result: jsonBody(s.document, userExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[userInput](c)
			if err != nil {
				return answer{}, err
			}
			if err := s.permitRoles(ctx, c, in.Roles); err != nil {
				return answer{}, err
			}
			u, err := s.Access.AddUser(ctx, c.who.Principal, access.User{
				Login: in.Login, Name: in.Name, Email: in.Email, Locale: in.Locale, DepartmentID: in.DepartmentID, Roles: in.Roles,
			}, in.Password)
			if err != nil {
				return answer{}, err
			}
			return created("/users", u.ID, showUser(u))
		},
	}
}

func (s *server) getUser() operation {
	return operation{
		id: "get-user", needs: may(access.Users, access.Read), tag: "access", summary: "Get a user",
		status: http.StatusOK, result: jsonBody(s.document, userExample()),
		serve: showOnID(s.Access.User, showUser),
	}
}

func (s *server) patchUser() operation {
	return operation{
		id: "update-user", needs: may(access.Users, access.Update), tag: "access", summary: "Change a user",
		description: "A JSON merge patch (RFC 7396). It counts from the user's next request on. Nobody changes a user who may do more than he may himself. " +
			"Users have no versions: the last change wins.",
		body:   mergePatchBody(s.document, userPatch{Roles: []string{"sales_manager"}}),
		status: http.StatusOK, result: jsonBody(s.document, userExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, patch, in, err := patchOnID[userPatch](c)
			if err != nil {
				return answer{}, err
			}
			old, err := s.Access.User(ctx, c.who.Principal, id)
			if err != nil {
				return answer{}, err
			}
			if err := s.permitRoles(ctx, c, slices.Concat(old.Roles, in.Roles)); err != nil {
				return answer{}, err
			}
			u, err := s.Access.ChangeUser(ctx, c.who.Principal, id, func(u *access.User) { in.apply(patch, u) })
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, showUser(u))
		},
	}
}

func (in userPatch) apply(patch map[string]any, u *access.User) {
	if has(patch, "name") {
		u.Name = in.Name
	}
	if has(patch, "email") {
		u.Email = ""
		if in.Email != nil {
			u.Email = *in.Email
		}
	}
	if has(patch, "locale") {
		u.Locale = in.Locale
	}
	if has(patch, "status") {
		u.Disabled = in.Status == "disabled"
	}
	if has(patch, "department_id") {
		u.DepartmentID = in.DepartmentID
	}
	if has(patch, "roles") {
		u.Roles = in.Roles
	}
}

// permitRoles refuses who would give, or touch a user who has, a role that allows more than he may himself.
func (s *server) permitRoles(ctx context.Context, c *call, codes []string) error {
	roles, err := s.Access.Roles(ctx, c.who.Principal)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if slices.Contains(codes, r.Code) && !c.who.MayGive(r) {
			return forbidden(c.route.needs, "The role "+r.Code+" allows what you may not do yourself.")
		}
	}
	return nil
}

func showUser(u access.User) User {
	status := "active"
	if u.Disabled {
		status = "disabled"
	}
	return User{
		ID: u.ID, Login: u.Login, Name: u.Name, Email: u.Email, Locale: u.Locale, Status: status, DepartmentID: u.DepartmentID, Roles: u.Roles,
	}
}

func userExample() User {
	return User{ID: uuid.MustParse(exampleID), Login: "erika", Name: "Erika Muster", Locale: "en", Status: "active", Roles: []string{"sales"}}
}
