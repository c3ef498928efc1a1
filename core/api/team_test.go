package api_test

import (
	"testing"

	"crmhub/core/access"
)

func TestTeams(t *testing.T) {
	t.Parallel()
	f := newFirm(t)
	for name, id := range f.users {
		f.ids["user "+name] = id.String()
	}
	f.make("team", "/teams", `{"name":"Key accounts","members":["{user me}","{user above}","{user me}"]}`)
	f.make("empty", "/teams", `{"name":"Nobody"}`)
	f.play([]scenario{
		{name: "list", method: "GET", path: "/teams", status: 200, has: []string{`"name":"Key accounts"`, `"name":"Nobody","members":[]`}},
		{name: "without members", method: "POST", path: "/teams", body: `{"name":"Not yet"}`, status: 201, has: []string{`"members":[]`}},
		{name: "get", method: "GET", path: "/teams/{team}", status: 200, has: []string{f.ids["user me"], f.ids["user above"]}},
		{name: "a taken name", method: "POST", path: "/teams", body: `{"name":"key ACCOUNTS"}`, status: 422, has: []string{`"pointer":"/name"`, `"rule":"unique"`}},
		{name: "no name", method: "POST", path: "/teams", body: `{"name":" "}`, status: 422, has: []string{`"pointer":"/name"`}},
		{name: "not a user", method: "PATCH", path: "/teams/{team}", body: `{"members":["{team}"]}`, status: 422, has: []string{`"pointer":"/members"`, `"rule":"exists"`}},
		{name: "nor one of another organization", method: "POST", path: "/teams", body: `{"name":"x","members":["{user me}"]}`, headers: []string{"Authorization: Bearer " + f.tokenB}, status: 422, has: []string{`"pointer":"/members"`}},

		{name: "what they own", method: "GET", path: "/customers?owner_team={team}&fields=name", status: 200, has: []string{"customer of me", "customer of above"}, hasNot: []string{"colleague", "below", "nobody"}},
		{name: "and something else", method: "GET", path: "/customers?owner_team={team}&name[contains]=above", status: 200, has: []string{"customer of above"}, hasNot: []string{"customer of me"}},
		{name: "what nobody owns", method: "GET", path: "/customers?owner_team={empty}", status: 200, has: []string{`{"items":[]}`}},
		{name: "no team", method: "GET", path: "/customers?owner_team={user me}", status: 400, has: []string{`"parameter":"owner_team"`, `"rule":"exists"`}},
		{name: "of what has no owner", method: "GET", path: "/products?owner_team={team}", status: 400, has: []string{`"parameter":"owner_team"`, `"rule":"unknown"`}},
		{name: "not of exports", method: "POST", path: "/exports", body: `{"entity":"order","format":"csv","filter":{"owner_team":"{team}"}}`, status: 422, has: []string{`"pointer":"/filter/owner_team"`}},

		{name: "other members", method: "PATCH", path: "/teams/{team}", body: `{"members":["{user below}"]}`, status: 200, has: []string{`"name":"Key accounts"`, f.ids["user below"]}, hasNot: []string{f.ids["user me"]}},
		{name: "own other things", method: "GET", path: "/customers?owner_team={team}", status: 200, has: []string{"customer of below"}, hasNot: []string{"customer of me"}},
	})
	customers := access.Grant{Resource: "customer", Action: access.Read, Scope: "own"}
	f.become(access.Role{Grants: []access.Grant{customers, {Resource: access.Organizations, Action: access.Read, Scope: "organization"}}})
	f.as([]scenario{
		{name: "a team shows nothing that is hidden", method: "GET", path: "/customers?owner_team={team}", status: 200, has: []string{`{"items":[]}`}},
		{name: "who is in it, those who run the organization say", method: "PATCH", path: "/teams/{team}", body: `{"name":"x"}`, status: 403},
	})
	f.become(access.Role{Grants: []access.Grant{customers}})
	f.as([]scenario{{name: "teams are a permission", method: "GET", path: "/customers?owner_team={team}", status: 403, has: []string{`"permission":"organization:read"`}}})
	f.become(access.Role{
		Grants: []access.Grant{customers, {Resource: access.Organizations, Action: access.Read, Scope: "organization"}},
		Fields: []access.FieldRule{{Resource: "customer", Field: "owner_id", Access: access.FieldHidden}},
	})
	f.as([]scenario{{name: "who owns it is hidden", method: "GET", path: "/customers?owner_team={team}", status: 400, has: []string{`"parameter":"owner_team"`, `"rule":"permission"`}}})
	f.play([]scenario{
		{name: "delete", method: "DELETE", path: "/teams/{team}", status: 204},
		{name: "gone", method: "GET", path: "/teams/{team}", status: 404},
	})
}
