package listview_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/listview"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestConditionsMeanWhoLooksAndHisDays(t *testing.T) {
	t.Parallel()
	who, zone := uuid.New(), time.FixedZone("there", 8*3600)
	got, err := listview.Conditions(map[string]string{
		"owner_id": "me", "customer_id": "none", "number": "none", "updated_at[ge]": "2026-03-01", "updated_at[le]": "2026-03-31", "date[le]": "2026-03-31", "status[in]": "draft,confirmed",
	}, crm.Fields(crm.KindOrder), who, zone)
	if err != nil {
		t.Fatal(err)
	}
	want := []crm.Condition{
		{Field: "customer_id", Op: crm.OpNull, Value: "true"},
		{Field: "date", Op: crm.OpLessEqual, Value: "2026-03-31"},
		{Field: "number", Op: crm.OpEqual, Value: "none"},
		{Field: "owner_id", Op: crm.OpEqual, Value: who.String()},
		{Field: "status", Op: crm.OpIn, Value: []string{"draft", "confirmed"}},
		{Field: "updated_at", Op: crm.OpGreaterEqual, Value: "2026-02-28T16:00:00Z"},
		{Field: "updated_at", Op: crm.OpLess, Value: "2026-03-31T16:00:00Z"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := listview.Conditions(map[string]string{"total[ge": "1"}, nil, who, zone); err == nil {
		t.Error("half a bracket is a condition")
	}
}

// office is an organization with ann and bob in one department, cyn in none, and bob and cyn in a team.
type office struct {
	*testing.T
	db     *postgres.DB
	access *access.Store
	who    postgres.Principal
	people map[string]access.Identity

	department, team uuid.UUID
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, db: postgrestest.New(t), people: map[string]access.Identity{}}
	var entities []access.Entity
	for _, k := range crm.Kinds() {
		entities = append(entities, access.Entity{Name: access.Resource(k), Owned: crm.Owned(k), Fields: map[string]bool{"total": false}})
	}
	o.access = &access.Store{DB: o.db, Entities: entities, Passwords: access.Cost{Memory: 8, Passes: 1}}
	o.who = postgrestest.Organization(t, o.db)
	d, err := o.access.AddDepartment(t.Context(), o.who, access.Department{Name: "North"})
	o.must(err)
	o.department = d.ID
	read := access.Grant{Resource: "order", Action: access.Read, Scope: "organization"}
	for code, role := range map[string]access.Role{
		"plain":  {Grants: []access.Grant{read}},
		"sharer": {Grants: []access.Grant{read, {Resource: access.Views, Action: access.Create, Scope: "organization"}, {Resource: access.Views, Action: access.Delete, Scope: "organization"}}},
		"blind":  {Grants: []access.Grant{read}, Fields: []access.FieldRule{{Resource: "order", Field: "total", Access: access.FieldHidden}}},
	} {
		role.Code, role.Name = code, code
		_, err := o.access.AddRole(t.Context(), o.who, role)
		o.must(err)
	}
	var members []uuid.UUID
	for _, person := range []struct{ login, role string }{{"ann", "sharer"}, {"bob", "plain"}, {"cyn", "blind"}} {
		u := access.User{Login: person.login, Name: person.login, Roles: []string{person.role}}
		if person.login != "cyn" {
			u.DepartmentID = &d.ID
		}
		added, err := o.access.AddUser(t.Context(), o.who, u, "correct horse")
		o.must(err)
		if person.login != "ann" {
			members = append(members, added.ID)
		}
		o.people[person.login], err = o.access.Actor(t.Context(), o.who.Organization, postgres.User(added.ID))
		o.must(err)
	}
	team, err := o.access.AddTeam(t.Context(), o.who, access.Team{Name: "Key accounts", Members: members})
	o.must(err)
	o.team = team.ID
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) as(login string, do func(tx pgx.Tx, who access.Identity) error) error {
	o.Helper()
	who := o.people[login]
	return o.db.As(o.Context(), who.Principal, func(tx pgx.Tx) error { return do(tx, who) })
}

func (o *office) add(login, name string, share listview.Share, l listview.List) (v listview.View) {
	o.Helper()
	o.must(o.as(login, func(tx pgx.Tx, who access.Identity) (err error) {
		v, err = listview.Add(o.Context(), tx, who, listview.New{Kind: crm.KindOrder, Name: name, Share: share, List: l})
		return err
	}))
	return v
}

// seen are the names of the views that somebody has of orders.
func (o *office) seen(login string) (names []string) {
	o.Helper()
	o.must(o.as(login, func(tx pgx.Tx, who access.Identity) error {
		all, err := listview.All(o.Context(), tx, who, crm.KindOrder)
		for _, v := range all {
			names = append(names, v.Name)
		}
		return err
	}))
	return names
}

func TestViewsAreSeenByWhomTheyAreSharedWith(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	mine := o.add("ann", "Mine", listview.Share{}, listview.List{Filter: map[string]string{"owner_id": "me"}})
	o.add("ann", "North's", listview.Share{DepartmentID: &o.department}, listview.List{})
	everybodys := o.add("ann", "Large", listview.Share{Everybody: true}, listview.List{
		Filter: map[string]string{"total[ge]": "100", "status": "draft"}, Sort: "-total", Columns: []string{"number", "total"},
	})
	o.add("bob", "Team's", listview.Share{TeamID: &o.team}, listview.List{})
	for login, want := range map[string][]string{"ann": {"Large", "Mine", "North's"}, "bob": {"Team's", "Large", "North's"}, "cyn": {"Large", "Team's"}} {
		if diff := cmp.Diff(want, o.seen(login)); diff != "" {
			t.Errorf("%s: %s", login, diff)
		}
	}

	o.must(o.as("cyn", func(tx pgx.Tx, who access.Identity) error {
		v, err := listview.Get(t.Context(), tx, who, everybodys.ID)
		want := listview.List{Filter: map[string]string{"status": "draft"}, Columns: []string{"number"}}
		if diff := cmp.Diff(want, v.List); diff != "" || !cmp.Equal(v.Dropped, []string{"total"}) {
			t.Errorf("what is hidden is asked for: %s, dropped %v", diff, v.Dropped)
		}
		return err
	}))
	for name, refused := range map[string]struct {
		do   func(tx pgx.Tx, who access.Identity) error
		want error
	}{
		"read another's": {func(tx pgx.Tx, who access.Identity) error {
			_, err := listview.Get(t.Context(), tx, who, mine.ID)
			return err
		}, listview.ErrNotFound},
		"change everybody's": {func(tx pgx.Tx, who access.Identity) error {
			_, err := listview.Update(t.Context(), tx, who, everybodys.ID, listview.Change{Name: &mine.Name})
			return err
		}, listview.ErrNotYours},
		"delete everybody's": {func(tx pgx.Tx, who access.Identity) error {
			return listview.Delete(t.Context(), tx, who, everybodys.ID)
		}, listview.ErrNotYours},
	} {
		if err := o.as("bob", refused.do); !errors.Is(err, refused.want) {
			t.Errorf("%s: %v, want %v", name, err, refused.want)
		}
	}
	// The database keeps them, too, should a statement forget to ask.
	o.must(o.as("bob", func(tx pgx.Tx, _ access.Identity) error {
		for _, sql := range []string{"delete from list_views where id = $1", "update list_views set name = 'x' where id = $1"} {
			if tag, err := tx.Exec(t.Context(), sql, everybodys.ID); err != nil || tag.RowsAffected() > 0 {
				t.Errorf("%s: %v rows, %v", sql, tag.RowsAffected(), err)
			}
		}
		return nil
	}))
	err := o.as("bob", func(tx pgx.Tx, who access.Identity) error {
		_, err := listview.Add(t.Context(), tx, who, listview.New{Kind: crm.KindOrder, Name: "For all", Share: listview.Share{Everybody: true}})
		return err
	})
	if code, _ := postgres.ErrorCode(err); code != "42501" {
		t.Errorf("shared with everybody without the permission: %v", err)
	}

	if err := o.access.DeleteTeam(t.Context(), o.who, o.team); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Large"}, o.seen("cyn")); diff != "" {
		t.Errorf("the team is gone: %s", diff)
	}
	if diff := cmp.Diff([]string{"Team's", "Large", "North's"}, o.seen("bob")); diff != "" {
		t.Errorf("a view is lost with the team: %s", diff)
	}
}

func TestAListBeginsWithOneView(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := o.add("ann", "First", listview.Share{Everybody: true}, listview.List{}), o.add("ann", "Second", listview.Share{Everybody: true}, listview.List{})
	begins := func(login string, id uuid.UUID, is bool) {
		o.must(o.as(login, func(tx pgx.Tx, who access.Identity) error {
			v, err := listview.SetDefault(t.Context(), tx, who, id, is)
			if v.IsDefault != is {
				t.Errorf("%s begins with %s: %v", login, v.Name, v.IsDefault)
			}
			return err
		}))
	}
	begins("ann", first.ID, true)
	begins("bob", second.ID, true)
	begins("ann", second.ID, true)
	begins("bob", second.ID, false)
	o.must(o.as("ann", func(tx pgx.Tx, who access.Identity) error {
		for id, is := range map[uuid.UUID]bool{first.ID: false, second.ID: true} {
			if v, err := listview.Get(t.Context(), tx, who, id); err != nil || v.IsDefault != is {
				t.Errorf("%s is the default: %v, %v", v.Name, v.IsDefault, err)
			}
		}
		return nil
	}))
}

func TestWhatIsWrongWithAViewIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.add("cyn", "Taken", listview.Share{}, listview.List{})
	other := uuid.New()
	for name, test := range map[string]struct {
		in   listview.New
		want []string
	}{
		"parts": {listview.New{Name: " ", List: listview.List{
			Filter: map[string]string{"robot": "1", "status": "sunny", "total[ge]": "1", "date[ge": "2026-01-01"}, Sort: "-robot", Columns: []string{"number", "lines", "total", "number"},
		}}, []string{"/columns/1 field", "/columns/2 permission", "/columns/3 unique", "/filter/date[ge syntax", "/name required"}},
		"filter": {
			listview.New{Name: "x", List: listview.List{Filter: map[string]string{"robot": "1", "status": "sunny", "total[ge]": "1"}, Sort: "-robot"}},
			[]string{"/filter/robot field", "/filter/status enum", "/filter/total[ge] permission", "/sort field"},
		},
		"twice":                   {listview.New{Name: "taken"}, []string{"/name unique"}},
		"with another department": {listview.New{Name: "x", Share: listview.Share{DepartmentID: &o.department}}, []string{"/share/department_id exists"}},
		"with no team":            {listview.New{Name: "x", Share: listview.Share{TeamID: &other}}, []string{"/share/team_id exists"}},
		"with several":            {listview.New{Name: "x", Share: listview.Share{TeamID: &o.team, Everybody: true}}, []string{"/share oneOf"}},
	} {
		test.in.Kind = crm.KindOrder
		err := o.as("cyn", func(tx pgx.Tx, who access.Identity) error {
			_, err := listview.Add(t.Context(), tx, who, test.in)
			return err
		})
		vs, _ := errors.AsType[schema.Violations](err)
		var got []string
		for _, v := range vs {
			got = append(got, v.Pointer+" "+v.Rule)
		}
		if diff := cmp.Diff(test.want, got, cmp.Transformer("set", func(all []string) map[string]bool {
			set := map[string]bool{}
			for _, s := range all {
				set[s] = true
			}
			return set
		})); diff != "" {
			t.Errorf("%s: %v: %s", name, err, diff)
		}
	}
}
