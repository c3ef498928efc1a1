package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/postgres"
)

type me struct {
	Organization string    `json:"organization" doc:"Code of the organization acted in."`
	UserID       uuid.UUID `json:"user_id"`
	Login        string    `json:"login"`
	Name         string    `json:"name"`
	Locale       string    `json:"locale" enum:"en,zh-CN"`
	Actor        string    `json:"actor" doc:"As written to created_by and updated_by: user:<id>, or token:<id> when a token is used."`

	Roles       []string                                           `json:"roles" nullable:"false" doc:"Codes of the roles that say what the caller may do."`
	Permissions map[access.Resource]map[access.Action]access.Scope `json:"permissions" doc:"What the caller may do, and how far: resource, action, scope. With a token, within its scopes."`
	Fields      map[access.Resource]map[string]access.FieldAccess  `json:"fields" doc:"Fields that the caller may do less with than edit: resource, field, and hidden, masked or read."`
}

func (s *server) showMe() operation {
	return operation{
		id: "get-me", needs: signedIn(), tag: "access", summary: "Say who is calling",
		status: http.StatusOK, result: jsonBody(s.document, me{
			Organization: "main", UserID: uuid.MustParse(exampleID), Login: "erika", Name: "Erika Muster", Locale: "en", Actor: exampleActor,
			Roles:       []string{"sales"},
			Permissions: map[access.Resource]map[access.Action]access.Scope{"customer": {access.Read: postgres.ScopeOwn, access.Update: postgres.ScopeOwn}},
			Fields:      map[access.Resource]map[string]access.FieldAccess{"customer": {"credit_limit": access.FieldRead}},
		}),
		serve: func(_ context.Context, c *call) (answer, error) {
			m := me{
				Organization: c.who.Organization, UserID: c.who.UserID, Login: c.who.Login, Name: c.who.Name, Locale: c.who.Locale,
				Actor: string(c.who.Principal.Actor), Roles: c.who.Roles,
				Permissions: map[access.Resource]map[access.Action]access.Scope{}, Fields: map[access.Resource]map[string]access.FieldAccess{},
			}
			s.Access.Each(c.who.Permissions, func(r access.Resource, a access.Action, scope access.Scope) {
				if m.Permissions[r] == nil {
					m.Permissions[r] = map[access.Action]access.Scope{}
				}
				m.Permissions[r][a] = scope
				if rules := c.who.FieldRules(r); len(rules) > 0 {
					m.Fields[r] = rules
				}
			})
			return respond(http.StatusOK, m)
		},
	}
}
