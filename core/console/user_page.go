package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/upkeep"
)

// userPage is the data of the page about one user.
type userPage struct {
	userRow
	Path        string
	Inputs      []input
	RoleChoices []roleChoice
	Teams       []option
	Faults      []string
	Failed      string // why something else than the form was refused
	CanEdit     bool   // the visitor may change the user
	Self        bool   // the user is the visitor
	LockedUntil time.Time
	Sessions    []access.Session
	Events      []access.LoginEvent
	HandOver    *handOverForm // nil: the visitor hands nothing over
	HandOvers   []handOverRow
}

// Locked reports whether the user has to wait because of what was tried in vain.
func (p *userPage) Locked() bool { return !p.LockedUntil.IsZero() }

const mostEvents = 10

func (c *Console) showUser(ctx context.Context, v *visit) error {
	p, err := v.userPage(ctx, nil)
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, "user", p)
}

// userPage reads all that the page about the user in the address shows.
func (v *visit) userPage(ctx context.Context, wrong error) (*userPage, error) {
	c := v.console
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return nil, err
	}
	q, err := v.questions(wrong)
	if err != nil {
		return nil, err
	}
	u, err := c.Access.User(ctx, v.who.Principal, id)
	if err != nil {
		return nil, err
	}
	o, err := v.order(ctx)
	if err != nil {
		return nil, err
	}
	p := &userPage{userRow: o.row(u), Path: usersPath + "/" + id.String(), Self: id == v.who.UserID}
	p.CanEdit = v.who.May(access.Users, access.Update) != "" && o.mayGive(v.who, u.Roles)
	department := ""
	if u.DepartmentID != nil {
		department = u.DepartmentID.String()
	}
	p.Inputs = []input{
		q.must("name", v.say("user.name"), "text", u.Name), q.ask("email", v.say("user.email"), "email", u.Email),
		q.choose("department_id", v.say("user.department"), department, o.departmentOptions(v.say("user.no_department"))),
		q.choose("locale", v.say("user.locale"), u.Locale, localeOptions(v)),
	}
	has := u.Roles
	if wrong != nil {
		has = v.r.Form["role"]
	}
	p.RoleChoices = o.choices(v.who, has)
	teams, err := c.Access.Teams(ctx, v.who.Principal)
	if err != nil {
		return nil, err
	}
	for _, t := range teams {
		p.Teams = append(p.Teams, option{t.ID.String(), t.Name, slices.Contains(t.Members, id)})
	}
	p.Faults = q.rest()
	v.here = p.Path
	if err := v.fillHandOver(ctx, p); err != nil || v.who.May(access.Users, access.Update) == "" {
		return p, err
	}
	if p.LockedUntil, err = c.Access.LockedUntil(ctx, v.who.Principal, id); err != nil {
		return nil, err
	}
	if p.Sessions, err = c.Access.Sessions(ctx, v.who.Principal, id); err != nil {
		return nil, err
	}
	p.Events, err = c.Access.LoginEvents(ctx, v.who.Principal, access.EventFilter{UserID: id, Limit: mostEvents})
	return p, err
}

// changing reads the user in the address, if the visitor may change him: nobody changes a user who may do more than he may himself.
func (v *visit) changing(ctx context.Context) (u access.User, o order, err error) {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return u, o, err
	}
	if u, err = v.console.Access.User(ctx, v.who.Principal, id); err != nil {
		return u, o, err
	}
	if o, err = v.order(ctx); err != nil {
		return u, o, err
	}
	if !o.mayGive(v.who, u.Roles) {
		return u, o, errForbidden
	}
	return u, o, nil
}

// changeUser changes what the form says of a user: who he is, his roles and his teams.
func (c *Console) changeUser(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	u, o, err := v.changing(ctx)
	if err != nil {
		return err
	}
	roles := v.r.Form["role"]
	if !o.mayGive(v.who, roles) {
		return errForbidden
	}
	changed := u
	err = v.readUser(&changed)
	if err == nil {
		_, err = c.Access.ChangeUser(ctx, v.who.Principal, u.ID, func(u *access.User) {
			u.Name, u.Email, u.Locale, u.DepartmentID, u.Roles = changed.Name, changed.Email, changed.Locale, changed.DepartmentID, roles
		})
	}
	if err != nil {
		return v.refuseUser(ctx, err)
	}
	if v.who.May(access.Organizations, access.Update) != "" && v.r.Form.Has("teams") {
		if err := v.joinTeams(ctx, u.ID, v.r.Form["team"]); err != nil {
			return err
		}
	}
	return v.done(usersPath+"/"+u.ID.String(), "saved")
}

// refuseUser shows the page again with what is wrong.
func (v *visit) refuseUser(ctx context.Context, wrong error) error {
	p, err := v.userPage(ctx, wrong)
	if err != nil {
		return err
	}
	return v.write(http.StatusUnprocessableEntity, "user", p)
}

// joinTeams makes a user a member of these teams and no others.
func (v *visit) joinTeams(ctx context.Context, user uuid.UUID, wanted []string) error {
	teams, err := v.console.Access.Teams(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	for _, t := range teams {
		is, shall := slices.Contains(t.Members, user), slices.Contains(wanted, t.ID.String())
		if is == shall {
			continue
		}
		_, err := v.console.Access.ChangeTeam(ctx, v.who.Principal, t.ID, func(t *access.Team) {
			t.Members = slices.DeleteFunc(t.Members, func(m uuid.UUID) bool { return m == user })
			if shall {
				t.Members = append(t.Members, user)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// actOnUser does something with the user in the address and says so on his page.
func (c *Console) actOnUser(notice string, do func(ctx context.Context, v *visit, u access.User) error) func(context.Context, *visit) error {
	return func(ctx context.Context, v *visit) error {
		if err := v.r.ParseForm(); err != nil {
			return errAddress
		}
		u, _, err := v.changing(ctx)
		if err != nil {
			return err
		}
		err = do(ctx, v, u)
		if err != nil {
			return v.refuseUser(ctx, err)
		}
		return v.done(usersPath+"/"+u.ID.String(), notice)
	}
}

func setUserDisabled(disabled bool) func(context.Context, *visit, access.User) error {
	return func(ctx context.Context, v *visit, u access.User) error {
		_, err := v.console.Access.ChangeUser(ctx, v.who.Principal, u.ID, func(u *access.User) { u.Disabled = disabled })
		return err
	}
}

func unlockUser(ctx context.Context, v *visit, u access.User) error {
	return v.console.Access.Unlock(ctx, v.who.Principal, u.ID)
}

func endUserSessions(ctx context.Context, v *visit, u access.User) error {
	return v.console.Access.EndSessions(ctx, v.who.Principal, u.ID)
}

func resetUserSignIn(ctx context.Context, v *visit, u access.User) error {
	return v.console.Access.ResetSignIn(ctx, v.who.Principal, u.ID)
}

// resetPassword makes up another password for a user, and shows it once.
func (c *Console) resetPassword(ctx context.Context, v *visit) error {
	u, _, err := v.changing(ctx)
	if err != nil {
		return err
	}
	password := access.MakePassword()
	if err := c.Access.SetPassword(ctx, v.who.Principal, u.ID, password.Reveal()); err != nil {
		return err
	}
	return v.showSecret(secretPage{
		Title: v.say("user.password_made", u.Name), Hint: v.say("user.password_hint", u.Login), Label: v.say("user.new_password"), Secret: password.Reveal(),
		Back: usersPath + "/" + u.ID.String(), BackLabel: v.say("user.to_page"),
	})
}

// handOverRow is a hand-over as the page of a user shows it.
type handOverRow struct {
	upkeep.HandOver
	Parts []handOverPart
}

// Open reports whether it goes on.
func (r handOverRow) Open() bool { return r.Status == upkeep.Running }

type handOverPart struct {
	upkeep.Part
	To        string
	Permitted bool
}

func (v *visit) handOverRows(ctx context.Context, tx pgx.Tx, from uuid.UUID, known *names) ([]handOverRow, error) {
	of := v.who.Principal.Actor
	if v.who.May(access.Users, access.Update) == access.Scope("organization") {
		of = ""
	}
	found, err := v.console.upkeep.HandOvers(ctx, tx, of, "", pageSize)
	var rows []handOverRow
	for _, h := range found.Items {
		if h.FromUserID == from {
			r := handOverRow{HandOver: h}
			for _, part := range h.Parts {
				r.Parts = append(r.Parts, handOverPart{Part: part, To: known.people[part.ToUserID.String()]})
			}
			rows = append(rows, r)
		}
	}
	return rows, err
}
