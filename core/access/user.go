package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// User is a person of an organization.
type User struct {
	ID       uuid.UUID
	Login    string // unique in the installation, in any case
	Name     string
	Email    string // "" if unknown
	Locale   string // en, zh-CN; en if empty
	Disabled bool

	DepartmentID *uuid.UUID
	Roles        []string // codes of the roles that say what the user may do, sorted; none: nothing
}

// Person is a user as others need to know him.
type Person struct {
	ID       uuid.UUID
	Name     string
	Disabled bool
}

func (u User) validate() schema.Violations {
	vs := append(checkName("/login", u.Login, 100), checkName("/name", u.Name, 300)...)
	add := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	if strings.ContainsAny(u.Login, "\n\r\t") {
		add("/login", "pattern", "must be one line")
	}
	if a, err := mail.ParseAddress(u.Email); u.Email != "" && (err != nil || a.Address != u.Email) {
		add("/email", "format", "must be an e-mail address like name@example.com")
	}
	if !slices.Contains([]string{"en", "zh-CN"}, u.Locale) {
		add("/locale", "enum", "must be en or zh-CN")
	}
	return vs
}

// AddUser creates a user in p's organization and gives it an id. What is wrong is [schema.Violations].
func (s *Store) AddUser(ctx context.Context, p postgres.Principal, u User, password string) (User, error) {
	u.Login, u.Name, u.Locale = strings.TrimSpace(u.Login), strings.TrimSpace(u.Name), cmp.Or(u.Locale, "en")
	if err := append(u.validate(), validatePassword(u.Login, password)...).Err(); err != nil {
		return u, err
	}
	hash := s.Passwords.hash(password) // before the transaction: it takes long on purpose
	err := s.DB.As(ctx, p, func(tx pgx.Tx) (err error) {
		u, err = addUser(ctx, tx, p.Organization, u, hash)
		return err
	})
	return u, err
}

const insertUser = `
insert into users (organization_id, id, login, name, email, password_hash, locale, status, department_id)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7, case when $8 then 'disabled' else 'active' end, $9)`

// addUser names the organization because the system role, which has none, adds the first user.
func addUser(ctx context.Context, tx pgx.Tx, organization uuid.UUID, u User, hash string) (User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return u, fmt.Errorf("add user: %w", err)
	}
	u.ID = id
	_, err = tx.Exec(ctx, insertUser, organization, u.ID, u.Login, u.Name, u.Email, hash, u.Locale, u.Disabled, u.DepartmentID)
	if err != nil {
		return u, userFault(err)
	}
	if err := u.giveRoles(ctx, tx, organization); err != nil {
		return u, err
	}
	return u, audit.Record(ctx, tx, audit.Act{Organization: organization, Action: "created", Entity: "user", EntityID: u.ID, Detail: u.audited()})
}

// giveRoles writes down the user's roles.
func (u *User) giveRoles(ctx context.Context, tx pgx.Tx, organization uuid.UUID) error {
	u.Roles = slices.Compact(slices.Sorted(slices.Values(u.Roles)))
	if u.Roles == nil {
		u.Roles = []string{}
	}
	tag, err := tx.Exec(ctx, `
		insert into user_roles (organization_id, user_id, role_id)
		select organization_id, $2, id from roles where organization_id = $1 and code = any($3)`, organization, u.ID, u.Roles)
	if err != nil {
		return fmt.Errorf("give roles: %w", err)
	}
	if int(tag.RowsAffected()) != len(u.Roles) {
		return schema.Violations{{Pointer: "/roles", Rule: "exists", Message: "must be codes of roles here"}}
	}
	return nil
}

func userFault(err error) error {
	var vs schema.Violations
	code, constraint := postgres.ErrorCode(err)
	switch {
	case err == nil, errors.Is(err, ErrNotFound), errors.As(err, &vs):
		return err
	case code == uniqueViolation:
		return schema.Violations{{Pointer: "/login", Rule: "unique", Message: "is taken already"}}
	case code == foreignKeyViolation && strings.Contains(constraint, "department"):
		return schema.Violations{{Pointer: "/department_id", Rule: "exists", Message: "must be the id of a department here"}}
	}
	return fmt.Errorf("write user: %w", err)
}

const readUsers = `
select id, login, name, coalesce(email, ''), locale, status = 'disabled', department_id,
	array(select r.code from user_roles h join roles r on r.id = h.role_id where h.user_id = u.id order by r.code)
from users u`

// Users returns the people of p's organization by login.
func (s *Store) Users(ctx context.Context, p postgres.Principal) ([]User, error) {
	return all[User](ctx, s, p, "list users", readUsers+" order by lower(login)")
}

// Names are what the people of the caller's organization are called, by name; of the disabled ones too, whose rows stay theirs.
func Names(ctx context.Context, tx pgx.Tx) ([]Person, error) {
	return postgres.All(ctx, tx, "list names of users", pgx.RowToStructByPos[Person], "select id, name, status = 'disabled' from users order by name, login")
}

// User returns a person of p's organization, or [ErrNotFound].
func (s *Store) User(ctx context.Context, p postgres.Principal, id uuid.UUID) (u User, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		u, err = readUser(ctx, tx, id)
		return err
	})
	return u, userFault(err)
}

// UsersByID returns people of the transaction's organization; who is not there is absent.
func UsersByID(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]User, error) {
	return postgres.All(ctx, tx, "read users", pgx.RowToStructByPos[User], readUsers+" where id = any($1)", ids)
}

func readUser(ctx context.Context, tx pgx.Tx, id uuid.UUID) (User, error) {
	return postgres.One(ctx, tx, "read a user", pgx.RowToStructByPos[User], ErrNotFound, readUsers+" where id = $1", id)
}

// ChangeUser changes all of a user but id and login; disabling ends the user's sessions. [ErrNotFound] if there is no such user.
// What is wrong is [schema.Violations]; so is taking the administrator's role from the last active one.
func (s *Store) ChangeUser(ctx context.Context, p postgres.Principal, id uuid.UUID, change func(*User)) (u User, err error) {
	err = s.DB.As(ctx, p, func(tx pgx.Tx) error {
		if err := lockAdministrators(ctx, tx); err != nil {
			return err
		}
		if u, err = readUser(ctx, tx, id); err != nil {
			return err
		}
		login, was := u.Login, u
		change(&u)
		u.ID, u.Login, u.Name, u.Locale = id, login, strings.TrimSpace(u.Name), cmp.Or(u.Locale, "en")
		vs := u.validate()
		if was.administers() && !u.administers() {
			last, err := lastAdministrator(ctx, tx, id)
			if err != nil {
				return err
			}
			if last {
				pointer := "/roles"
				if u.Disabled {
					pointer = "/status"
				}
				vs = append(vs, schema.Violation{Pointer: pointer, Rule: "administrator", Message: "must leave an active administrator"})
			}
		}
		if err := vs.Err(); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			update users set name = $2, email = nullif($3, ''), locale = $4, status = case when $5 then 'disabled' else 'active' end,
				department_id = $6, updated_at = $7
			where id = $1`, id, u.Name, u.Email, u.Locale, u.Disabled, u.DepartmentID, s.at())
		if err != nil {
			return err
		}
		if u.Disabled {
			if err := endOthers(ctx, tx, id, uuid.Nil); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "delete from user_roles where user_id = $1", id); err != nil {
			return err
		}
		if err := u.giveRoles(ctx, tx, p.Organization); err != nil {
			return err
		}
		return recordChange(ctx, tx, "user", id, was.audited(), u.audited())
	})
	return u, userFault(err)
}

// audited is what the audit trail says of a user.
func (u User) audited() map[string]any {
	return map[string]any{
		"login": u.Login, "name": u.Name, "email": u.Email, "locale": u.Locale, "disabled": u.Disabled,
		"department_id": u.DepartmentID, "roles": u.Roles,
	}
}

// recordChange writes down what is different since; nothing if nothing is.
func recordChange(ctx context.Context, tx pgx.Tx, entity string, id uuid.UUID, before, after map[string]any) error {
	changed, err := audit.Diff(before, after)
	if err != nil || len(changed) == 0 {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: entity, EntityID: id, Detail: changed})
}

func (u User) administers() bool { return !u.Disabled && slices.Contains(u.Roles, Admin) }

// lockAdministrators keeps two administrators from taking each other's role at once.
func lockAdministrators(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "select from roles where code = $1 for update", Admin)
	return err
}

// lastAdministrator reports whether no other active user is an administrator.
func lastAdministrator(ctx context.Context, tx pgx.Tx, user uuid.UUID) (last bool, err error) {
	err = tx.QueryRow(ctx, `
		select not exists (
			select from users u join user_roles h on h.user_id = u.id join roles r on r.id = h.role_id
			where r.code = $2 and u.status = 'active' and u.id <> $1)`, user, Admin).Scan(&last)
	return last, err
}

// SetPassword changes a user's password and ends all of the user's sessions; [ErrNotFound] if there is no such user.
func (s *Store) SetPassword(ctx context.Context, p postgres.Principal, user uuid.UUID, password string) error {
	var login string
	err := s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select login from users where id = $1", user).Scan(&login)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	if err := validatePassword(login, password).Err(); err != nil {
		return err
	}
	hash := s.Passwords.hash(password)
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return changeUser(ctx, tx, user, "password_changed", "update users set password_hash = $2, updated_at = now() where id = $1", hash)
	})
}

// DisableUser keeps a user from signing in and ends all of the user's sessions; API tokens stop as well. The last active
// administrator stays: [schema.Violations].
func (s *Store) DisableUser(ctx context.Context, p postgres.Principal, user uuid.UUID) error {
	_, err := s.ChangeUser(ctx, p, user, func(u *User) { u.Disabled = true })
	return err
}

// changeUser runs a statement on a user, ends the user's sessions, and records what was done by it.
func changeUser(ctx context.Context, tx pgx.Tx, user uuid.UUID, action, sql string, args ...any) error {
	tag, err := tx.Exec(ctx, sql, append([]any{user}, args...)...)
	if err != nil {
		return fmt.Errorf("change user: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	if err := endOthers(ctx, tx, user, uuid.Nil); err != nil {
		return err
	}
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: "user", EntityID: user})
}
