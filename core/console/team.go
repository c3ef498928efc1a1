package console

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
)

const teamsPath = "/admin/teams"

// teamsPage is the data of the page about the teams.
type teamsPage struct {
	Items   []teamRow
	New     teamRow
	CanEdit bool
}

// teamRow is a team, and the form that changes it.
type teamRow struct {
	access.Team
	Key     string // distinguishes its inputs from those of others
	Names   []string
	Input   input
	People  []option
	Open    bool // its form is, since it was refused
	Refused []string
}

func (c *Console) listTeams(ctx context.Context, v *visit) error {
	return v.writeTeams(ctx, uuid.Nil, nil)
}

// writeTeams shows the teams, and what is wrong with a change of one of them; the nil UUID is the new one.
func (v *visit) writeTeams(ctx context.Context, changed uuid.UUID, wrong error) error {
	q, err := v.questions(wrong)
	if err != nil {
		return err
	}
	teams, err := v.console.Access.Teams(ctx, v.who.Principal)
	if err != nil {
		return err
	}
	persons, err := get(ctx, v, func(tx pgx.Tx) ([]access.Person, error) { return access.Names(ctx, tx) })
	if err != nil {
		return err
	}
	row := func(t access.Team) teamRow {
		r := teamRow{Team: t, Key: t.ID.String()}
		ask := &questions{visit: v}
		members := t.Members
		if wrong != nil && t.ID == changed {
			ask, r.Open = q, true
			members, _ = idsOf(v.r.Form["member"])
		}
		r.Input = ask.must("name", v.say("team.name"), "text", t.Name)
		r.Input.ID = "name-" + r.Key
		for _, p := range persons {
			is := slices.Contains(members, p.ID)
			if slices.Contains(t.Members, p.ID) {
				r.Names = append(r.Names, p.Name)
			}
			if is || !p.Disabled {
				r.People = append(r.People, option{p.ID.String(), p.Name, is})
			}
		}
		if r.Open {
			r.Refused = q.rest()
		}
		return r
	}
	p := teamsPage{CanEdit: v.who.May(access.Organizations, access.Update) != ""}
	for _, t := range teams {
		p.Items = append(p.Items, row(t))
	}
	p.New = row(access.Team{})
	v.here = teamsPath
	return v.writeForm("teams", p, wrong)
}

// idsOf reads ids, none of which may be anything else.
func idsOf(texts []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(texts))
	for i, s := range texts {
		var err error
		if ids[i], err = uuid.Parse(s); err != nil {
			return nil, errAddress
		}
	}
	return ids, nil
}

// saveTeam makes a team, or changes the one in the address.
func (c *Console) saveTeam(ctx context.Context, v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return errAddress
	}
	members, err := idsOf(v.r.Form["member"])
	if err != nil {
		return err
	}
	id, notice := uuid.Nil, "team_added"
	if v.r.PathValue("id") == "" {
		_, err = c.Access.AddTeam(ctx, v.who.Principal, access.Team{Name: v.r.PostFormValue("name"), Members: members})
	} else {
		if id, err = v.id(access.ErrNotFound); err != nil {
			return err
		}
		notice = "saved"
		_, err = c.Access.ChangeTeam(ctx, v.who.Principal, id, func(t *access.Team) { t.Name, t.Members = v.r.PostFormValue("name"), members })
	}
	if err != nil {
		return v.writeTeams(ctx, id, err)
	}
	return v.done(teamsPath, notice)
}

func (c *Console) deleteTeam(ctx context.Context, v *visit) error {
	id, err := v.id(access.ErrNotFound)
	if err != nil {
		return err
	}
	if err := c.Access.DeleteTeam(ctx, v.who.Principal, id); err != nil {
		return err
	}
	return v.done(teamsPath, "team_deleted")
}
