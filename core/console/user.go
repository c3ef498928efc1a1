package console

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"crmhub/core/access"
	"crmhub/core/schema"
)

const usersPath = "/admin/users"

// usersPage is the data of the page that lists users.
type usersPage struct {
	Text     string
	Statuses []option
	Items    []userRow
	All      int
}

// Filtered reports whether the list may be empty only because of what was asked for.
func (p usersPage) Filtered() bool { return p.All > 0 }

// userRow is a user as the list shows him.
type userRow struct {
	access.User
	Department string
	RoleNames  []string
}

// Status is whether he may sign in.
func (r userRow) Status() string {
	if r.Disabled {
		return "disabled"
	}
	return "active"
}

func (c *Console) listUsers(ctx context.Context, v *visit) error {
	users, err := c.Access.Users(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	q := v.r.URL.Query()
	p := usersPage{Text: strings.TrimSpace(q.Get("q")), All: len(users)}
	for _, status := range []string{"", "active", "disabled"} {
		label := v.say("user.any_status")
		if status != "" {
			label = v.say("state.user." + status)
		}
		p.Statuses = append(p.Statuses, option{status, label, q.Get("status") == status})
	}
	text := strings.ToLower(p.Text)
	for _, u := range users {
		r := o.row(u)
		if status := q.Get("status"); status != "" && r.Status() != status {
			continue
		}
		if strings.Contains(strings.ToLower(strings.Join(append([]string{u.Login, u.Name, u.Email, r.Department}, r.RoleNames...), " ")), text) {
			p.Items = append(p.Items, r)
		}
	}
	return v.show("users", p)
}

// order is how the organization is made up: departments and roles.
type order struct {
	departments []access.Department
	roles       []access.Role
}

func (v *visit) order(ctx context.Context) (o order, err error) {
	if o.departments, err = v.console.Access.Departments(ctx, v.who.Principal); err != nil {
		return o, err
	}
	o.roles, err = v.console.Access.Roles(ctx, v.who.Principal)
	for i, r := range o.roles {
		o.roles[i].Name = roleNamed(v.words(), v.console.render.words[languages[0]], r.Code, r.Name)
	}
	return o, err
}

func (o order) row(u access.User) userRow {
	r := userRow{User: u}
	if u.DepartmentID != nil {
		r.Department = o.place(*u.DepartmentID)
	}
	for _, role := range o.roles {
		if slices.Contains(u.Roles, role.Code) {
			r.RoleNames = append(r.RoleNames, role.Name)
		}
	}
	return r
}

// place is a department with those above it: Sales › North.
func (o order) place(id uuid.UUID) string {
	for _, d := range o.departments {
		if d.ID != id {
			continue
		}
		if d.ParentID != nil {
			return o.place(*d.ParentID) + " › " + d.Name
		}
		return d.Name
	}
	return ""
}

// departmentOptions are all departments, with none first.
func (o order) departmentOptions(none string) []option {
	options := []option{{Label: none}}
	for _, d := range o.departments {
		options = append(options, option{Value: d.ID.String(), Label: o.place(d.ID)})
	}
	return options
}

// mayGive reports whether the visitor may give all of the roles, and change a user who has them: none may allow more than he may himself.
func (o order) mayGive(who access.Identity, codes []string) bool {
	return !slices.ContainsFunc(o.roles, func(r access.Role) bool { return slices.Contains(codes, r.Code) && !who.MayGive(r) })
}

// userForm is the data of the page that asks for a new user.
type userForm struct {
	Inputs   []input
	Roles    []roleChoice
	RoleWord string // what is wrong with the roles
	Faults   []string
}

// roleChoice is a role that a user may have.
type roleChoice struct {
	Code, Name string
	Has        bool
	Locked     bool // the visitor may not give it
}

func (c *Console) newUser(ctx context.Context, v *visit) error {
	return v.writeNewUser(ctx, nil)
}

func (v *visit) writeNewUser(ctx context.Context, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	p := userForm{Inputs: []input{
		q.must("login", v.say("user.login"), "text", ""), q.must("name", v.say("user.name"), "text", ""), q.ask("email", v.say("user.email"), "email", ""),
		q.choose("department_id", v.say("user.department"), "", o.departmentOptions(v.say("user.no_department"))), q.choose("locale", v.say("user.locale"), v.lang, localeOptions(v)),
	}}
	p.Inputs[0].Hint = v.say("user.login_hint")
	p.Roles = o.choices(v.who, v.r.Form["role"])
	p.RoleWord = q.faults["roles"]
	delete(q.faults, "roles")
	p.Faults = q.rest()
	v.here = usersPath + "/new"
	return v.writeForm("user-new", p, wrong)
}

// choices are the roles there are, of which a user has some.
func (o order) choices(who access.Identity, has []string) []roleChoice {
	choices := make([]roleChoice, len(o.roles))
	for i, r := range o.roles {
		choices[i] = roleChoice{Code: r.Code, Name: r.Name, Has: slices.Contains(has, r.Code), Locked: !who.MayGive(r)}
	}
	return choices
}

// localeOptions are the languages, each by its own name.
func localeOptions(v *visit) []option {
	options := make([]option, len(languages))
	for i, l := range languages {
		options[i] = option{Value: l, Label: v.say("language." + l)}
	}
	return options
}

// addUser makes a user, whose first password is made up and shown once.
func (c *Console) addUser(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	o, err := v.order(ctx)
	if err != nil {
		return err
	}
	u := access.User{Login: v.r.PostFormValue("login"), Roles: v.r.Form["role"]}
	if !o.mayGive(v.who, u.Roles) {
		return errForbidden
	}
	if err := v.readUser(&u); err != nil {
		return v.writeNewUser(ctx, err)
	}
	password := access.MakePassword()
	u, err = c.Access.AddUser(ctx, v.who.Principal, u, password.Reveal())
	if err != nil {
		return v.writeNewUser(ctx, err)
	}
	return v.showSecret(secretPage{
		Title: v.say("user.made", u.Name), Hint: v.say("user.password_hint", u.Login), Label: v.say("user.first_password"), Secret: password.Reveal(),
		Back: usersPath + "/" + u.ID.String(), BackLabel: v.say("user.to_page"),
	})
}

// readUser takes what the form says of a user.
func (v *visit) readUser(u *access.User) error {
	u.Name, u.Email, u.Locale, u.DepartmentID = v.r.PostFormValue("name"), strings.TrimSpace(v.r.PostFormValue("email")), v.r.PostFormValue("locale"), nil
	if s := v.r.PostFormValue("department_id"); s != "" {
		id, err := uuid.Parse(s)
		if err != nil {
			return schema.Violations{{Pointer: "/department_id", Rule: "exists", Message: "must be a department here"}}
		}
		u.DepartmentID = &id
	}
	return nil
}

// secretPage is the data of a page that shows a secret, this once.
type secretPage struct {
	Title, Hint     string
	Label, Secret   string
	Codes           []string // instead of the secret
	Back, BackLabel string
}

// showSecret shows a secret. The answer to a form, it is in no history: going back and coming again does not show it.
func (v *visit) showSecret(p secretPage) error {
	v.here = p.Back
	return v.write(http.StatusOK, "secret", p)
}
