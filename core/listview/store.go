package listview

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

const (
	readViews = `
select v.id, v.kind, v.name, v.owner_id, v.department_id, v.team_id, v.everybody, v.filter, v.query, v.sort, v.columns,
    exists (select from list_view_defaults d where d.view_id = v.id), v.created_at, v.updated_at
from list_views v`

	listViews = readViews + `
where ($1 = '' or v.kind = $1)
order by v.kind, v.owner_id <> crmhub_person(), lower(v.name), v.id`

	insertView = `
insert into list_views (id, kind, name, department_id, team_id, everybody, filter, query, sort, columns)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	updateView = `
update list_views
set name = $2, department_id = $3, team_id = $4, everybody = $5, filter = $6, query = $7, sort = $8, columns = $9, updated_at = now()
where id = $1`

	setDefault = `
insert into list_view_defaults (kind, view_id) select kind, id from list_views where id = $1
on conflict (organization_id, user_id, kind) do update set view_id = excluded.view_id`

	withWhom = `
select $1::uuid is null or exists (select from users where id = crmhub_person() and department_id = $1),
    $2::uuid is null or exists (select from team_members where user_id = crmhub_person() and team_id = $2)`
)

// All returns the views that somebody has of a kind, or of all kinds that he reads if it is "": his own, and then those that
// others shared with him, by name.
func All(ctx context.Context, tx pgx.Tx, who access.Identity, k crm.Kind) ([]View, error) {
	rows, err := tx.Query(ctx, listViews, k)
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	all, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	var seen []View
	for _, v := range all {
		if who.May(access.Resource(v.Kind), access.Read) != "" {
			seen = append(seen, v.as(who))
		}
	}
	return seen, nil
}

// Get returns a view as somebody has it, or [ErrNotFound].
func Get(ctx context.Context, tx pgx.Tx, who access.Identity, id uuid.UUID) (View, error) {
	v, err := read(ctx, tx, who, id)
	return v.as(who), err
}

// read is a view as it is kept.
func read(ctx context.Context, tx pgx.Tx, who access.Identity, id uuid.UUID) (View, error) {
	rows, err := tx.Query(ctx, readViews+" where v.id = $1", id)
	if err != nil {
		return View{}, fmt.Errorf("read view: %w", err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && who.May(access.Resource(v.Kind), access.Read) == "" {
		return View{}, ErrNotFound
	}
	if err != nil {
		return View{}, fmt.Errorf("read view: %w", err)
	}
	return v, nil
}

// Add keeps a list under a name, as somebody's. What is wrong is [schema.Violations].
func Add(ctx context.Context, tx pgx.Tx, who access.Identity, in New) (View, error) {
	v := View{Kind: in.Kind, Name: in.Name, Share: in.Share, List: in.List}
	if err := v.judge(ctx, tx, who, Change{Share: &in.Share, List: &in.List}); err != nil {
		return View{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return View{}, fmt.Errorf("add view: %w", err)
	}
	_, err = tx.Exec(ctx, insertView, id, v.Kind, v.Name, v.Share.DepartmentID, v.Share.TeamID, v.Share.Everybody, v.List.Filter, v.List.Text, v.List.Sort, v.List.Columns)
	if err != nil {
		return View{}, fault(err)
	}
	return Get(ctx, tx, who, id)
}

// Update changes a view of one's own. Errors: [schema.Violations], [ErrNotFound], [ErrNotYours].
func Update(ctx context.Context, tx pgx.Tx, who access.Identity, id uuid.UUID, change Change) (View, error) {
	v, err := read(ctx, tx, who, id)
	if err != nil {
		return View{}, err
	}
	if !v.Own(who) {
		return View{}, ErrNotYours
	}
	if change.Name != nil {
		v.Name = *change.Name
	}
	if change.Share != nil {
		v.Share = *change.Share
	}
	if change.List != nil {
		v.List = *change.List
	}
	if err := v.judge(ctx, tx, who, change); err != nil {
		return View{}, err
	}
	_, err = tx.Exec(ctx, updateView, id, v.Name, v.Share.DepartmentID, v.Share.TeamID, v.Share.Everybody, v.List.Filter, v.List.Text, v.List.Sort, v.List.Columns)
	if err != nil {
		return View{}, fault(err)
	}
	return Get(ctx, tx, who, id)
}

// SetDefault lets somebody's list of a view's kind begin with it, or no longer. Errors: [ErrNotFound].
func SetDefault(ctx context.Context, tx pgx.Tx, who access.Identity, id uuid.UUID, is bool) (View, error) {
	if _, err := read(ctx, tx, who, id); err != nil {
		return View{}, err
	}
	statement := setDefault
	if !is {
		statement = "delete from list_view_defaults where view_id = $1"
	}
	if _, err := tx.Exec(ctx, statement, id); err != nil {
		return View{}, fmt.Errorf("set default view: %w", err)
	}
	return Get(ctx, tx, who, id)
}

// Delete takes a view away: one's own, or one of everybody's by who may delete those. Errors: [ErrNotFound], [ErrNotYours].
func Delete(ctx context.Context, tx pgx.Tx, who access.Identity, id uuid.UUID) error {
	v, err := read(ctx, tx, who, id)
	if err != nil {
		return err
	}
	if !v.Removable(who) {
		return ErrNotYours
	}
	if _, err := tx.Exec(ctx, "delete from list_views where id = $1", id); err != nil {
		return fmt.Errorf("delete view: %w", err)
	}
	return nil
}

// Removable reports whether somebody may delete the view.
func (v View) Removable(who access.Identity) bool {
	return v.Own(who) || v.Share.Everybody && who.May(access.Views, access.Delete) != ""
}

// judge says what is wrong with a view that somebody wants to keep, of what he changes.
func (v *View) judge(ctx context.Context, tx pgx.Tx, who access.Identity, change Change) error {
	var vs schema.Violations
	v.Name = strings.TrimSpace(v.Name)
	if v.Name == "" || !fits(v.Name, maxName) {
		vs = append(vs, schema.Violation{Pointer: "/name", Rule: "required", Message: fmt.Sprintf("must have 1 to %d characters", maxName)})
	}
	if change.List != nil {
		v.List.normalize()
		vs = append(vs, v.List.check(v.Kind, who)...)
	}
	if change.Share == nil {
		return vs.Err()
	}
	shares := 0
	for _, with := range []bool{v.Share.Everybody, v.Share.DepartmentID != nil, v.Share.TeamID != nil} {
		if with {
			shares++
		}
	}
	if shares > 1 {
		vs = append(vs, schema.Violation{Pointer: "/share", Rule: "oneOf", Message: "must be a department, a team or everybody, not several"})
	}
	var department, team bool
	if err := tx.QueryRow(ctx, withWhom, v.Share.DepartmentID, v.Share.TeamID).Scan(&department, &team); err != nil {
		return fmt.Errorf("look whom a view is shared with: %w", err)
	}
	if !department {
		vs = append(vs, schema.Violation{Pointer: "/share/department_id", Rule: "exists", Message: "must be your own department"})
	}
	if !team {
		vs = append(vs, schema.Violation{Pointer: "/share/team_id", Rule: "exists", Message: "must be a team that you are in"})
	}
	return vs.Err()
}

func scan(row pgx.CollectableRow) (v View, err error) {
	err = row.Scan(&v.ID, &v.Kind, &v.Name, &v.OwnerID, &v.Share.DepartmentID, &v.Share.TeamID, &v.Share.Everybody,
		&v.List.Filter, &v.List.Text, &v.List.Sort, &v.List.Columns, &v.IsDefault, &v.CreatedAt, &v.UpdatedAt)
	v.CreatedAt, v.UpdatedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC()
	return v, err
}

func fault(err error) error {
	if _, constraint := postgres.ErrorCode(err); constraint == "list_views_name" {
		return schema.Violations{{Pointer: "/name", Rule: "unique", Message: "is the name of another view of yours"}}
	}
	return fmt.Errorf("view: %w", err)
}

// Circle is a department or team that somebody is in, with whom he may share.
type Circle struct {
	Team bool
	ID   uuid.UUID
	Name string
}

const circles = `
select false, d.id, d.name from departments d join users u on u.department_id = d.id where u.id = crmhub_person()
union all
(select true, t.id, t.name from teams t join team_members m on m.team_id = t.id where m.user_id = crmhub_person() order by lower(t.name))`

// Circles returns the department and the teams of whoever acts in a transaction.
func Circles(ctx context.Context, tx pgx.Tx) ([]Circle, error) {
	return postgres.All(ctx, tx, "list circles", pgx.RowToStructByPos[Circle], circles)
}
