package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// Admin is the code of the role that may do everything. It stays as it is, and somebody active always has it.
const Admin = "admin"

// Role is a set of permissions that users have.
type Role struct {
	ID     uuid.UUID
	Code   string // unique in the organization; lower-case letters, digits and _
	Name   string
	Grants []Grant
	Fields []FieldRule
}

// Grant lets somebody do something, so far.
type Grant struct {
	Resource Resource `json:"resource"`
	Action   Action   `json:"action"`
	Scope    Scope    `json:"scope"`
}

// FieldRule makes a field less than editable.
type FieldRule struct {
	Resource Resource    `json:"resource"`
	Field    string      `json:"field"`
	Access   FieldAccess `json:"access"`
}

// ErrInUse says that something cannot be deleted because others hang on it.
var ErrInUse = errors.New("in use")

func (r Role) field(resource Resource, name string) FieldAccess {
	for _, f := range r.Fields {
		if f.Resource == resource && f.Field == name {
			return f.Access
		}
	}
	return FieldEdit
}

var roleCode = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// validate checks a role against the resources, actions and fields there are.
func (s *Store) validate(r Role) schema.Violations {
	var vs schema.Violations
	add := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	if !roleCode.MatchString(r.Code) {
		add("/code", "pattern", "must be a letter and up to 40 lower-case letters, digits or _")
	}
	vs = append(vs, checkName("/name", r.Name, 100)...)
	granted := map[[2]string]bool{}
	for i, g := range r.Grants {
		at := "/grants/" + strconv.Itoa(i)
		if !s.exists(g.Resource, g.Action) {
			add(at, "exists", "must be a resource and an action that it has, or *")
		}
		if !slices.Contains(postgres.Scopes(), g.Scope) {
			add(at+"/scope", "enum", "must be own, department, department_tree or organization")
		} else if g.Scope != postgres.ScopeOrganization && !s.owned(g.Resource) {
			add(at+"/scope", "scope", "must be organization: what has no owner is seen by all or none")
		}
		if key := [2]string{string(g.Resource), string(g.Action)}; granted[key] {
			add(at, "unique", "is granted twice")
		} else {
			granted[key] = true
		}
	}
	ruled := map[[2]string]bool{}
	for i, f := range r.Fields {
		at := "/fields/" + strconv.Itoa(i)
		e, _ := s.entity(f.Resource)
		if _, ok := e.Fields[f.Field]; !ok {
			add(at, "exists", "must be an entity and a field of it that rules may name")
		}
		if !slices.Contains([]FieldAccess{FieldHidden, FieldMasked, FieldRead}, f.Access) {
			add(at+"/access", "enum", "must be hidden, masked or read")
		}
		if key := [2]string{string(f.Resource), f.Field}; ruled[key] {
			add(at, "unique", "has a rule already")
		} else {
			ruled[key] = true
		}
	}
	return vs
}

// exists reports whether there is a permission, wildcards included.
func (s *Store) exists(r Resource, a Action) bool {
	if r != Any {
		return slices.Contains(s.Resources(), r) && (a == Any || slices.Contains(s.Actions(r), a))
	}
	return a == Any || slices.ContainsFunc(s.Resources(), func(r Resource) bool { return slices.Contains(s.Actions(r), a) })
}

// Roles returns the roles of p's organization by code.
func (s *Store) Roles(ctx context.Context, p postgres.Principal) (roles []Role, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		roles, err = readRoles(ctx, tx, "true")
		return err
	})
	return roles, err
}

// Role returns a role, or [ErrNotFound].
func (s *Store) Role(ctx context.Context, p postgres.Principal, id uuid.UUID) (r Role, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		r, err = readRole(ctx, tx, id)
		return err
	})
	return r, err
}

func readRole(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Role, error) {
	roles, err := readRoles(ctx, tx, "r.id = $1", id)
	if err != nil || len(roles) == 0 {
		return Role{}, cmp.Or(err, ErrNotFound)
	}
	return roles[0], nil
}

// readRoles reads the roles for which a condition on roles r holds, with what they say.
func readRoles(ctx context.Context, tx pgx.Tx, condition string, args ...any) ([]Role, error) {
	return postgres.All(ctx, tx, "read roles", pgx.RowToStructByPos[Role], `
		select r.id, r.code, r.name,
			coalesce((select json_agg(g order by g.resource, g.action) from role_grants g
				where g.organization_id = r.organization_id and g.role_id = r.id), '[]'),
			coalesce((select json_agg(f order by f.resource, f.field) from role_fields f
				where f.organization_id = r.organization_id and f.role_id = r.id), '[]')
		from roles r where `+condition+` order by r.code`, args...)
}

// AddRole creates a role and gives it an id. What is wrong is [schema.Violations].
func (s *Store) AddRole(ctx context.Context, p postgres.Principal, r Role) (Role, error) {
	r.Name = strings.TrimSpace(r.Name)
	if err := s.validate(r).Err(); err != nil {
		return r, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return r, fmt.Errorf("add role: %w", err)
	}
	r.ID = id
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into roles (id, code, name) values ($1, $2, $3)", r.ID, r.Code, r.Name); err != nil {
			return err
		}
		if err := r.write(ctx, tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "created", Entity: "role", EntityID: r.ID, Detail: r.audited()})
	})
	return r, roleFault(err)
}

// audited is what the audit trail says of a role.
func (r Role) audited() map[string]any {
	grants, fields := make([]string, len(r.Grants)), make([]string, len(r.Fields))
	for i, g := range r.Grants {
		grants[i] = fmt.Sprintf("%s:%s=%s", g.Resource, g.Action, g.Scope)
	}
	for i, f := range r.Fields {
		fields[i] = fmt.Sprintf("%s.%s=%s", f.Resource, f.Field, f.Access)
	}
	return map[string]any{"code": r.Code, "name": r.Name, "grants": grants, "fields": fields}
}

// ChangeRole replaces a role's name, grants and field rules; its code stays. [ErrNotFound] if there is none.
func (s *Store) ChangeRole(ctx context.Context, p postgres.Principal, id uuid.UUID, change func(*Role)) (r Role, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from roles where id = $1 for update", id); err != nil {
			return err
		}
		if r, err = readRole(ctx, tx, id); err != nil {
			return err
		}
		code, grants, fields, was := r.Code, slices.Clone(r.Grants), slices.Clone(r.Fields), r.audited()
		change(&r)
		r.ID, r.Code, r.Name = id, code, strings.TrimSpace(r.Name)
		if code == Admin && (!slices.Equal(grants, r.Grants) || !slices.Equal(fields, r.Fields)) {
			return schema.Violations{{Pointer: "/grants", Rule: "immutable", Message: "of the administrator stay as they are"}}
		}
		if err := s.validate(r).Err(); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update roles set name = $2, updated_at = $3 where id = $1", id, r.Name, s.now()); err != nil {
			return err
		}
		for _, table := range []string{"role_grants", "role_fields"} {
			if _, err := tx.Exec(ctx, "delete from "+table+" where role_id = $1", id); err != nil {
				return err
			}
		}
		if err := r.write(ctx, tx); err != nil {
			return err
		}
		return recordChange(ctx, tx, "role", id, was, r.audited())
	})
	return r, roleFault(err)
}

func (r Role) write(ctx context.Context, tx pgx.Tx) error {
	var resources, actions, scopes []string
	for _, g := range r.Grants {
		resources, actions, scopes = append(resources, string(g.Resource)), append(actions, string(g.Action)), append(scopes, string(g.Scope))
	}
	_, err := tx.Exec(ctx, `
		insert into role_grants (role_id, resource, action, scope)
		select $1, * from unnest($2::text[], $3::text[], $4::text[])`, r.ID, resources, actions, scopes)
	if err != nil {
		return err
	}
	var entities, fields, accesses []string
	for _, f := range r.Fields {
		entities, fields, accesses = append(entities, string(f.Resource)), append(fields, f.Field), append(accesses, string(f.Access))
	}
	_, err = tx.Exec(ctx, `
		insert into role_fields (role_id, resource, field, access)
		select $1, * from unnest($2::text[], $3::text[], $4::text[])`, r.ID, entities, fields, accesses)
	return err
}

func roleFault(err error) error {
	var vs schema.Violations
	code, _ := postgres.ErrorCode(err)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrInUse), errors.As(err, &vs):
		return err
	case code == uniqueViolation:
		return schema.Violations{{Pointer: "/code", Rule: "unique", Message: "is taken already"}}
	}
	return fmt.Errorf("write role: %w", err)
}

// DeleteRole deletes a role that nobody has: else, and for the administrator's, [ErrInUse]; [ErrNotFound] if there is none.
func (s *Store) DeleteRole(ctx context.Context, p postgres.Principal, id uuid.UUID) error {
	err := s.DB.As(ctx, p, func(tx pgx.Tx) error {
		var code string
		var had bool
		err := tx.QueryRow(ctx, `
			select code, exists (select from user_roles u where u.role_id = r.id) from roles r where id = $1 for update`, id).Scan(&code, &had)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if had || code == Admin {
			return ErrInUse
		}
		if _, err := tx.Exec(ctx, "delete from roles where id = $1", id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "deleted", Entity: "role", EntityID: id, Detail: map[string]string{"code": code}})
	})
	return roleFault(err)
}

// remembered are the permissions of users as read at a version of their organization's; see access_version.
const maxRemembered = 10_000

type remembered struct {
	version     int64
	permissions *Permissions
}

// permissionsOf returns what a user may do, at a version of the organization's permissions.
func (s *Store) permissionsOf(ctx context.Context, organization, user uuid.UUID, version int64) (*Permissions, error) {
	s.mu.Lock()
	known, ok := s.known[user]
	s.mu.Unlock()
	if ok && known.version == version {
		return known.permissions, nil
	}
	var p *Permissions
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		p, err = s.readPermissions(ctx, tx, organization, user)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxRemembered {
		s.known = map[uuid.UUID]remembered{}
	}
	s.known[user] = remembered{version, p}
	return p, nil
}

func (s *Store) readPermissions(ctx context.Context, tx pgx.Tx, organization, user uuid.UUID) (*Permissions, error) {
	roles, err := readRoles(ctx, tx, `r.organization_id = $1 and exists (
		select from user_roles u where u.organization_id = r.organization_id and u.role_id = r.id and u.user_id = $2)`, organization, user)
	if err != nil {
		return nil, err
	}
	p := merge(roles)
	p.texts = s.text
	p.owners.Own = user
	err = tx.QueryRow(ctx, membersSQL, organization, user).Scan(&p.owners.Department, &p.owners.DepartmentTree)
	if err != nil {
		return nil, fmt.Errorf("read departments: %w", err)
	}
	p.setReach()
	return p, nil
}

// membersSQL finds the colleagues of a user's department, and those of it and the departments below. He is always one.
const membersSQL = `
with me as (
	select d.id, d.path from users u
	left join departments d on d.organization_id = u.organization_id and d.id = u.department_id
	where u.organization_id = $1 and u.id = $2)
select array(select u.id from users u where u.organization_id = $1 and (u.id = $2 or u.department_id = (select id from me)) order by 1),
	array(select u.id from users u left join departments d on d.organization_id = u.organization_id and d.id = u.department_id
		where u.organization_id = $1 and (u.id = $2 or d.path like (select path || '%' from me)) order by 1)`

// text reports whether a field can be masked.
func (s *Store) text(r Resource, field string) bool {
	e, _ := s.entity(r)
	return e.Fields[field]
}

// identify adds to an identity what it may do.
func (s *Store) identify(ctx context.Context, who *Identity, version int64, scopes []string) error {
	p, err := s.permissionsOf(ctx, who.Principal.Organization, who.UserID, version)
	if err != nil {
		return err
	}
	who.Permissions = p.narrow(scopes)
	who.Principal.Reach = who.reach
	return nil
}

// at is the time to write, as the database keeps it.
func (s *Store) at() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
