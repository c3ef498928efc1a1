package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Team is people of any departments under one name. It says who works together, not who may see what.
type Team struct {
	ID      uuid.UUID
	Name    string      // unique in the organization, in any case
	Members []uuid.UUID // users, in the order of their ids
}

// maxMembers bounds a team.
const maxMembers = 1000

const readTeams = `
select id, name, array(select m.user_id from team_members m where m.team_id = t.id order by m.user_id)
from teams t`

// Teams returns all teams of p's organization, by name.
func (s *Store) Teams(ctx context.Context, p postgres.Principal) ([]Team, error) {
	return all[Team](ctx, s, p, "list teams", readTeams+" order by lower(name)")
}

// Team returns a team, or [ErrNotFound].
func (s *Store) Team(ctx context.Context, p postgres.Principal, id uuid.UUID) (t Team, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		t, err = ReadTeam(ctx, tx, id)
		return err
	})
	return t, teamFault(err)
}

// ReadTeam is [Store.Team] in the caller's transaction.
func ReadTeam(ctx context.Context, tx pgx.Tx, id uuid.UUID) (t Team, err error) {
	err = tx.QueryRow(ctx, readTeams+" where id = $1", id).Scan(&t.ID, &t.Name, &t.Members)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, ErrNotFound
	}
	return t, err
}

// AddTeam creates a team and gives it an id. What is wrong is [schema.Violations].
func (s *Store) AddTeam(ctx context.Context, p postgres.Principal, t Team) (Team, error) {
	t.normalize()
	if err := t.validate().Err(); err != nil {
		return t, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return t, fmt.Errorf("add team: %w", err)
	}
	t.ID = id
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into teams (id, name) values ($1, $2)", t.ID, t.Name); err != nil {
			return err
		}
		if err := t.writeMembers(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "team", EntityID: t.ID, Detail: t.audited()})
	})
	return t, teamFault(err)
}

// ChangeTeam renames a team and replaces its members; [ErrNotFound] if there is none.
func (s *Store) ChangeTeam(ctx context.Context, p postgres.Principal, id uuid.UUID, change func(*Team)) (t Team, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from teams where id = $1 for update", id); err != nil {
			return err
		}
		if t, err = ReadTeam(ctx, tx, id); err != nil {
			return err
		}
		was := t.audited()
		change(&t)
		t.ID = id
		t.normalize()
		if err := t.validate().Err(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update teams set name = $2, updated_at = $3 where id = $1", id, t.Name, s.at()); err != nil {
			return err
		}
		if err := t.writeMembers(ctx, tx); err != nil {
			return err
		}
		return recordChange(ctx, tx, "team", id, was, t.audited())
	})
	return t, teamFault(err)
}

// DeleteTeam deletes a team; its members stay who they are. [ErrNotFound] if there is none.
func (s *Store) DeleteTeam(ctx context.Context, p postgres.Principal, id uuid.UUID) error {
	return teamFault(s.DB.As(ctx, p, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from teams where id = $1", id)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "team", EntityID: id})
	}))
}

func (t *Team) normalize() {
	t.Name = strings.TrimSpace(t.Name)
	t.Members = append([]uuid.UUID{}, t.Members...) // none is an empty list
	slices.SortFunc(t.Members, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	t.Members = slices.Compact(t.Members)
}

func (t *Team) validate() schema.Violations {
	vs := checkName("/name", t.Name, 100)
	if len(t.Members) > maxMembers {
		vs = append(vs, schema.Violation{Pointer: "/members", Rule: "maxItems", Message: fmt.Sprintf("must be at most %d", maxMembers)})
	}
	return vs
}

func (t *Team) writeMembers(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "delete from team_members where team_id = $1 and user_id <> all($2)", t.ID, t.Members); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into team_members (team_id, user_id) select $1, unnest($2::uuid[]) on conflict do nothing", t.ID, t.Members)
	return err
}

// audited is what the audit trail says of a team.
func (t *Team) audited() map[string]any {
	return map[string]any{"name": t.Name, "members": t.Members}
}

func teamFault(err error) error {
	var vs schema.Violations
	code, _ := postgres.ErrorCode(err)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.As(err, &vs):
		return err
	case code == uniqueViolation:
		return schema.Violations{{Pointer: "/name", Rule: "unique", Message: "is taken already"}}
	case code == foreignKeyViolation:
		return schema.Violations{{Pointer: "/members", Rule: "exists", Message: "must be ids of users here"}}
	}
	return fmt.Errorf("team: %w", err)
}
