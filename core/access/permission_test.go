package access_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"crmhub/core/access"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// entities are kinds for the tests: one with an owner, one without.
var entities = []access.Entity{
	{Name: "customer", Owned: true, Fields: map[string]bool{"name": true, "phone": true, "credit_limit": false}},
	{Name: "order", Owned: true, Fields: map[string]bool{"total": false}},
	{Name: "product", Fields: map[string]bool{"sku": true}},
}

// identity is what the house's user may do at this moment.
func (h *house) identity(t testing.TB, scopes ...string) access.Identity {
	t.Helper()
	_, secret, err := h.AddToken(t.Context(), h.who, h.user.ID, "test", nil, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	who, err := h.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func (h *house) change(t testing.TB, user uuid.UUID, change func(*access.User)) {
	t.Helper()
	if _, err := h.ChangeUser(t.Context(), h.who, user, change); err != nil {
		t.Fatal(err)
	}
}

func (h *house) add(t testing.TB, r access.Role) access.Role {
	t.Helper()
	r, err := h.AddRole(t.Context(), h.who, r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRolesAddUpToTheWidest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Entities = entities
	made := 0
	rapid.Check(t, func(rt *rapid.T) {
		resource := rapid.SampledFrom([]access.Resource{"customer", "order", access.Any})
		action := rapid.SampledFrom([]access.Action{access.Read, access.Update, access.Any})
		roles := make([]access.Role, rapid.IntRange(0, 3).Draw(rt, "roles"))
		codes := make([]string, len(roles))
		for i := range roles {
			made++
			r := access.Role{Code: fmt.Sprint("r_", string(rune('a'+made/676%26)), string(rune('a'+made/26%26)), string(rune('a'+made%26))), Name: "x"}
			for range rapid.IntRange(0, 3).Draw(rt, "grants") {
				g := access.Grant{Resource: resource.Draw(rt, "resource"), Action: action.Draw(rt, "action"), Scope: rapid.SampledFrom(postgres.Scopes()).Draw(rt, "scope")}
				if !slices.ContainsFunc(r.Grants, func(o access.Grant) bool { return o.Resource == g.Resource && o.Action == g.Action }) {
					r.Grants = append(r.Grants, g)
				}
			}
			if level := rapid.SampledFrom([]access.FieldAccess{"", access.FieldHidden, access.FieldMasked, access.FieldRead}).Draw(rt, "access"); level != "" {
				r.Fields = []access.FieldRule{{Resource: "customer", Field: "phone", Access: level}}
			}
			roles[i], codes[i] = h.add(t, r), r.Code
		}
		h.change(t, h.user.ID, func(u *access.User) { u.Roles = codes })
		who := h.identity(t)

		grants := func(r access.Role, resource access.Resource, action access.Action) (widest access.Scope) {
			for _, g := range r.Grants {
				if (g.Resource == resource || g.Resource == "*") && (g.Action == action || g.Action == "*") {
					if slices.Index(postgres.Scopes(), g.Scope) > slices.Index(postgres.Scopes(), widest) {
						widest = g.Scope
					}
				}
			}
			return widest
		}
		for _, resource := range []access.Resource{"customer", "order"} {
			for _, action := range []access.Action{access.Read, access.Update} {
				var want access.Scope
				for _, r := range roles {
					if s := grants(r, resource, action); slices.Index(postgres.Scopes(), s) > slices.Index(postgres.Scopes(), want) {
						want = s
					}
				}
				if got := who.May(resource, action); got != want {
					rt.Errorf("%s:%s reaches %q, want %q", resource, action, got, want)
				}
			}
		}
		// A field shows what the most open of the roles shows that let it be read, and no other role adds to it.
		reads, plain, masked, rules := false, false, false, false
		for _, r := range roles {
			rules = rules || len(r.Fields) > 0
			if grants(r, "customer", access.Read) == "" {
				continue
			}
			reads = true
			if len(r.Fields) == 0 || r.Fields[0].Access == access.FieldRead {
				plain = true
			} else if r.Fields[0].Access == access.FieldMasked {
				masked = true
			}
		}
		if reads {
			want := map[string]any{"name": "Ann"}
			if plain || !rules {
				want["phone"] = "12345678"
			} else if masked {
				want["phone"] = "****5678"
			}
			if diff := cmp.Diff(want, who.Present("customer", map[string]any{"name": "Ann", "phone": "12345678"})); diff != "" {
				rt.Errorf("shown (-want +got):\n%s", diff)
			}
		}
	})
}

func TestMaskedIsTheEndOfATextAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Entities = entities
	h.add(t, access.Role{
		Code: "r", Name: "x", Grants: []access.Grant{{Resource: "customer", Action: access.Read, Scope: postgres.ScopeOwn}},
		Fields: []access.FieldRule{
			{Resource: "customer", Field: "name", Access: access.FieldMasked},
			{Resource: "customer", Field: "phone", Access: access.FieldMasked},
			{Resource: "customer", Field: "credit_limit", Access: access.FieldMasked},
		},
	})
	h.change(t, h.user.ID, func(u *access.User) { u.Roles = []string{"r"} })
	doc := map[string]any{"name": "上海示例有限公司", "phone": "1234567", "credit_limit": "1000.50", "other": 1}
	got := h.identity(t).Present("customer", doc)
	if diff := cmp.Diff(map[string]any{"name": "****有限公司", "phone": "*******", "other": 1}, got); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	if doc["phone"] != "1234567" {
		t.Error("the document was changed")
	}
	if got := (access.Identity{}).Present("customer", doc); len(got) > 0 {
		t.Errorf("nobody sees %v", got)
	}
}

func TestDepartmentsReachWhoIsInAndBelow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Entities = entities
	h.add(t, access.Role{Code: "r", Name: "x", Grants: []access.Grant{
		{Resource: "customer", Action: access.Read, Scope: postgres.ScopeDepartmentTree},
		{Resource: "customer", Action: access.Update, Scope: postgres.ScopeDepartment},
		{Resource: "customer", Action: access.Delete, Scope: postgres.ScopeOwn},
	}})
	department := func(name string, parent *uuid.UUID) *uuid.UUID {
		d, err := h.AddDepartment(t.Context(), h.who, access.Department{Name: name, ParentID: parent})
		if err != nil {
			t.Fatal(err)
		}
		return &d.ID
	}
	head := department("Head", nil)
	north := department("North", head)
	harbour := department("Harbour", north)
	south := department("South", head)
	names := map[uuid.UUID]string{h.user.ID: "ann"}
	for login, in := range map[string]*uuid.UUID{"head": head, "north": north, "harbour": harbour, "south": south, "free": nil} {
		u, err := h.AddUser(t.Context(), h.who, access.User{Login: login, Name: login, DepartmentID: in}, password)
		if err != nil {
			t.Fatal(err)
		}
		names[u.ID] = login
	}
	check := func(when string, tree, own []string) {
		t.Helper()
		who := h.identity(t)
		for action, want := range map[access.Action][]string{access.Read: tree, access.Update: own, access.Delete: {"ann"}} {
			var got []string
			for _, id := range who.Owners("customer", action) {
				got = append(got, names[id])
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", when, action, diff)
			}
		}
	}
	h.change(t, h.user.ID, func(u *access.User) { u.Roles = []string{"r"} })
	check("in no department", []string{"ann"}, []string{"ann"})
	h.change(t, h.user.ID, func(u *access.User) { u.DepartmentID = north })
	check("in the north", []string{"ann", "harbour", "north"}, []string{"ann", "north"})
	if _, err := h.ChangeDepartment(t.Context(), h.who, *south, func(d *access.Department) { d.ParentID = harbour }); err != nil {
		t.Fatal(err)
	}
	check("the south moved below the harbour", []string{"ann", "harbour", "north", "south"}, []string{"ann", "north"})
	if _, err := h.ChangeDepartment(t.Context(), h.who, *north, func(d *access.Department) { d.ParentID = south }); err == nil {
		t.Error("a department went below itself")
	}
	if _, err := h.ChangeDepartment(t.Context(), h.who, *harbour, func(d *access.Department) { d.ParentID = nil }); err != nil {
		t.Fatal(err)
	}
	check("the harbour left with the south", []string{"ann", "north"}, []string{"ann", "north"})
	if err := h.DeleteDepartment(t.Context(), h.who, *north); !errors.Is(err, access.ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestOneActiveAdministratorRemains(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	second, err := h.AddUser(t.Context(), h.who, access.User{Login: "bob", Name: "Bob", Roles: []string{access.Admin}}, password)
	if err != nil {
		t.Fatal(err)
	}
	h.change(t, h.user.ID, func(u *access.User) { u.Roles = []string{access.Admin, "sales"} })
	// Both at once take the role from each other.
	done := make(chan error, 2)
	for _, id := range []uuid.UUID{h.user.ID, second.ID} {
		go func() {
			_, err := h.ChangeUser(t.Context(), h.who, id, func(u *access.User) { u.Roles = nil })
			done <- err
		}()
	}
	a, b := <-done, <-done
	var vs schema.Violations
	if (a == nil) == (b == nil) || !errors.As(errors.Join(a, b), &vs) || vs[0].Pointer != "/roles" {
		t.Errorf("got %v and %v", a, b)
	}
	users, err := h.Users(t.Context(), h.who)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if err := h.DisableUser(t.Context(), h.who, u.ID); (err == nil) == slices.Contains(u.Roles, access.Admin) {
			t.Errorf("disabling one with %v: %v", u.Roles, err)
		}
	}
}

// TestPresetsNameWhatThereIs keeps the migration to the table of actions: what a preset grants of a known resource exists.
func TestPresetsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.Entities = []access.Entity{
		{Name: "customer", Owned: true}, {Name: "contact", Owned: true}, {Name: "product"}, {Name: "order", Owned: true}, {Name: "invoice", Owned: true}, {Name: "payment", Owned: true},
	}
	roles, err := h.Roles(t.Context(), h.who)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, r := range roles {
		codes = append(codes, r.Code)
		for _, g := range r.Grants {
			if known := h.Actions(g.Resource); known != nil && g.Action != access.Any && !slices.Contains(known, g.Action) {
				t.Errorf("%s is granted %s:%s, which does not exist", r.Code, g.Resource, g.Action)
			}
		}
	}
	if diff := cmp.Diff([]string{"admin", "auditor", "finance", "integrator", "marketing", "sales", "sales_manager", "service"}, codes); diff != "" {
		t.Errorf("presets (-want +got):\n%s", diff)
	}
}

// TestPresetsHideAPlanWithItsTotal: the instalments of an order add up to what it comes to.
func TestPresetsHideAPlanWithItsTotal(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	roles, err := h.Roles(t.Context(), h.who)
	if err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for _, r := range roles {
		rules := map[string]access.FieldAccess{}
		for _, f := range r.Fields {
			if f.Resource == "order" {
				rules[f.Field] = f.Access
			}
		}
		if rules["total"] != rules["instalments"] {
			t.Errorf("%s: the total is %q, the plan %q", r.Code, rules["total"], rules["instalments"])
		}
		if rules["total"] == access.FieldHidden {
			hidden++
		}
	}
	if hidden == 0 {
		t.Error("no preset hides an order's total")
	}
}
