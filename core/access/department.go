package access

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Department is a part of an organization; departments are a tree.
type Department struct {
	ID       uuid.UUID
	ParentID *uuid.UUID // nil: at the top
	Name     string     // unique below its parent
}

// Departments returns all departments of p's organization, each after its parent.
func (s *Store) Departments(ctx context.Context, p postgres.Principal) ([]Department, error) {
	return all[Department](ctx, s, p, "list departments", "select id, parent_id, name from departments order by length(path), lower(name), id")
}

// Department returns a department, or [ErrNotFound].
func (s *Store) Department(ctx context.Context, p postgres.Principal, id uuid.UUID) (d Department, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select id, parent_id, name from departments where id = $1", id).Scan(&d.ID, &d.ParentID, &d.Name)
	})
	return d, departmentFault(err)
}

// AddDepartment creates a department and gives it an id. What is wrong is [schema.Violations].
func (s *Store) AddDepartment(ctx context.Context, p postgres.Principal, d Department) (Department, error) {
	d.Name = strings.TrimSpace(d.Name)
	if err := d.validate().Err(); err != nil {
		return d, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return d, fmt.Errorf("add department: %w", err)
	}
	d.ID = id
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if err := lockDepartments(ctx, tx); err != nil {
			return err
		}
		path, err := d.path(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into departments (id, parent_id, name, path) values ($1, $2, $3, $4)", d.ID, d.ParentID, d.Name, path)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "department", EntityID: d.ID, Detail: d.audited()})
	})
	return d, departmentFault(err)
}

// ChangeDepartment renames and moves a department, with all below it; [ErrNotFound] if there is none.
func (s *Store) ChangeDepartment(ctx context.Context, p postgres.Principal, id uuid.UUID, change func(*Department)) (d Department, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if err := lockDepartments(ctx, tx); err != nil {
			return err
		}
		var old string
		err := tx.QueryRow(ctx, "select id, parent_id, name, path from departments where id = $1", id).Scan(&d.ID, &d.ParentID, &d.Name, &old)
		if err != nil {
			return err
		}
		was := d.audited()
		change(&d)
		d.ID, d.Name = id, strings.TrimSpace(d.Name)
		if err := d.validate().Err(); err != nil {
			return err
		}
		path, err := d.path(ctx, tx)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, "update departments set parent_id = $2, name = $3, updated_at = $4 where id = $1", id, d.ParentID, d.Name, s.at()); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update departments set path = $2 || substr(path, length($1) + 1) where path like $1 || '%'", old, path)
		if err != nil {
			return err
		}
		return recordChange(ctx, tx, "department", id, was, d.audited())
	})
	return d, departmentFault(err)
}

// audited is what the audit trail says of a department.
func (d Department) audited() map[string]any {
	return map[string]any{"name": d.Name, "parent_id": d.ParentID}
}

// lockDepartments keeps two changes at once from making a circle of the tree.
func lockDepartments(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended('departments ' || crmhub_organization(), 0))")
	return err
}

// path is the department's place in the tree.
func (d Department) path(ctx context.Context, tx pgx.Tx) (string, error) {
	own := d.ID.String() + "/"
	if d.ParentID == nil {
		return "/" + own, nil
	}
	var parent string
	err := tx.QueryRow(ctx, "select path from departments where id = $1", *d.ParentID).Scan(&parent)
	if errors.Is(err, pgx.ErrNoRows) || strings.Contains(parent, "/"+own) {
		return "", schema.Violations{{Pointer: "/parent_id", Rule: "exists", Message: "must be a department here that is not below this one"}}
	}
	return parent + own, err
}

func (d Department) validate() schema.Violations { return checkName("/name", d.Name, 100) }

// DeleteDepartment deletes a department that is empty: [ErrInUse] where people or departments are in it.
func (s *Store) DeleteDepartment(ctx context.Context, p postgres.Principal, id uuid.UUID) error {
	err := s.DB.As(ctx, p, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "delete from departments where id = $1", id)
		if err == nil && tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "department", EntityID: id})
	})
	if code, _ := postgres.ErrorCode(err); code == foreignKeyViolation {
		return ErrInUse
	}
	return departmentFault(err)
}

const foreignKeyViolation = "23503"

func departmentFault(err error) error {
	var vs schema.Violations
	code, _ := postgres.ErrorCode(err)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.As(err, &vs):
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case code == uniqueViolation:
		return schema.Violations{{Pointer: "/name", Rule: "unique", Message: "is taken already below the same department"}}
	}
	return fmt.Errorf("department: %w", err)
}
