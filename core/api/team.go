package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
)

// teamParameter narrows a list to what a team's members own.
const teamParameter = "owner_team"

// Team is people of any departments under one name, as the API shows it.
type Team struct {
	ID      uuid.UUID   `json:"id"`
	Name    string      `json:"name"`
	Members []uuid.UUID `json:"members" nullable:"false" doc:"Users."`
}

type teamInput struct {
	Name    string      `json:"name" minLength:"1" maxLength:"100" doc:"Unique in the organization."`
	Members []uuid.UUID `json:"members,omitempty" nullable:"false" maxItems:"1000" doc:"Users."`
}

type teamPatch struct {
	Name    string      `json:"name,omitempty" minLength:"1" maxLength:"100" doc:"Unique in the organization."`
	Members []uuid.UUID `json:"members,omitempty" nullable:"false" maxItems:"1000" doc:"All its members from now on."`
}

func (s *server) listTeams() operation {
	return operation{
		id: "list-teams", needs: may(access.Organizations, access.Read), tag: "access", summary: "List teams",
		description: "All of them, by name. A team says who works together; nobody sees more or less by being in one.",
		status:      http.StatusOK, result: jsonBody(s.document, list[Team]{Items: []Team{teamExample()}}),
		serve: showAll(s.Access.Teams, showTeam),
	}
}

// addTeam understands no Idempotency-Key: a name is unique, so that a repeated request makes no second team.
func (s *server) addTeam() operation {
	return operation{
		id: "add-team", needs: may(access.Organizations, access.Update), tag: "access", summary: "Add a team",
		body:   jsonBody(s.document, teamInput{Name: "Key accounts", Members: teamExample().Members}),
		status: http.StatusCreated, result: jsonBody(s.document, teamExample()), located: true,
		serve: func(ctx context.Context, c *call) (answer, error) {
			in, err := decode[teamInput](c)
			if err != nil {
				return answer{}, err
			}
			t, err := s.Access.AddTeam(ctx, c.who.Principal, access.Team{Name: in.Name, Members: in.Members})
			if err != nil {
				return answer{}, err
			}
			return created("/teams", t.ID, Team(t))
		},
	}
}

func (s *server) getTeam() operation {
	return operation{
		id: "get-team", needs: may(access.Organizations, access.Read), tag: "access", summary: "Get a team",
		status: http.StatusOK, result: jsonBody(s.document, teamExample()),
		serve: showOnID(s.Access.Team, showTeam),
	}
}

func (s *server) patchTeam() operation {
	return operation{
		id: "update-team", needs: may(access.Organizations, access.Update), tag: "access", summary: "Change a team",
		description: "A JSON merge patch (RFC 7396). Teams have no versions: the last change wins.",
		body:        mergePatchBody(s.document, teamPatch{Members: teamExample().Members}),
		status:      http.StatusOK, result: jsonBody(s.document, teamExample()),
		serve: func(ctx context.Context, c *call) (answer, error) {
			id, patch, in, err := patchOnID[teamPatch](c)
			if err != nil {
				return answer{}, err
			}
			t, err := s.Access.ChangeTeam(ctx, c.who.Principal, id, func(t *access.Team) {
				if has(patch, "name") {
					t.Name = in.Name
				}
				if has(patch, "members") {
					t.Members = in.Members
				}
			})
			if err != nil {
				return answer{}, err
			}
			return respond(http.StatusOK, Team(t))
		},
	}
}

func (s *server) deleteTeam() operation {
	return operation{
		id: "delete-team", needs: may(access.Organizations, access.Update), tag: "access", summary: "Delete a team", description: "Its members stay who they are.",
		status: http.StatusNoContent,
		serve:  actOnID(s.Access.DeleteTeam),
	}
}

// ownedBy narrows a list to what the members of a team own; the nil UUID is no team in particular.
func (q *entityQuery) ownedBy(ctx context.Context, tx pgx.Tx, c *call, team uuid.UUID) error {
	if team == uuid.Nil {
		return nil
	}
	if err := may(access.Organizations, access.Read).check(c.who); err != nil {
		return err
	}
	t, err := access.ReadTeam(ctx, tx, team)
	if errors.Is(err, access.ErrNotFound) {
		return parameterFault(teamParameter, "exists", "must be the id of a team here")
	}
	if err != nil {
		return err
	}
	members := make([]string, len(t.Members))
	for i, m := range t.Members {
		members[i] = m.String()
	}
	q.Filter, q.filters = append(q.Filter, crm.Condition{Field: "owner_id", Op: crm.OpIn, Value: members}), append(q.filters, teamParameter)
	return nil
}

func showTeam(t access.Team) Team { return Team(t) }

func teamExample() Team {
	return Team{ID: uuid.MustParse(exampleID), Name: "Key accounts", Members: []uuid.UUID{uuid.MustParse(exampleID)}}
}
