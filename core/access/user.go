package access

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode/utf8"

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
}

const (
	minPassword = 10 // characters
	maxPassword = 256
)

func (u User) validate() schema.Violations {
	var vs schema.Violations
	add := func(pointer, rule, message string) {
		vs = append(vs, schema.Violation{Pointer: pointer, Rule: rule, Message: message})
	}
	if u.Login == "" || utf8.RuneCountInString(u.Login) > 100 || strings.ContainsAny(u.Login, "\x00\n\r\t") {
		add("/login", "required", "must have 1 to 100 characters")
	}
	if u.Name == "" || utf8.RuneCountInString(u.Name) > 300 || strings.Contains(u.Name, "\x00") {
		add("/name", "required", "must have 1 to 300 characters")
	}
	if a, err := mail.ParseAddress(u.Email); u.Email != "" && (err != nil || a.Address != u.Email) {
		add("/email", "format", "must be an e-mail address like name@example.com")
	}
	if !slices.Contains([]string{"en", "zh-CN"}, u.Locale) {
		add("/locale", "enum", "must be en or zh-CN")
	}
	return vs
}

func validatePassword(password string) schema.Violations {
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return schema.Violations{{
			Pointer: "/password", Rule: "minLength",
			Message: fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword),
		}}
	}
	return nil
}

// AddUser creates a user in p's organization and gives it an id. What is wrong is [schema.Violations].
func (s *Store) AddUser(ctx context.Context, p postgres.Principal, u User, password string) (User, error) {
	u.Login, u.Name, u.Locale = strings.TrimSpace(u.Login), strings.TrimSpace(u.Name), cmp.Or(u.Locale, "en")
	if err := append(u.validate(), validatePassword(password)...).Err(); err != nil {
		return u, err
	}
	hash := hashPassword(password) // before the transaction: it takes long on purpose
	err := s.DB.As(ctx, p, func(tx pgx.Tx) (err error) {
		u, err = addUser(ctx, tx, p.Organization, u, hash)
		return err
	})
	return u, err
}

const insertUser = `
insert into users (organization_id, id, login, name, email, password_hash, locale, status)
values ($1, $2, $3, $4, nullif($5, ''), $6, $7, case when $8 then 'disabled' else 'active' end)`

// addUser names the organization because the system role, which has none, adds the first user.
func addUser(ctx context.Context, tx pgx.Tx, organization uuid.UUID, u User, hash string) (User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return u, fmt.Errorf("add user: %w", err)
	}
	u.ID = id
	_, err = tx.Exec(ctx, insertUser, organization, u.ID, u.Login, u.Name, u.Email, hash, u.Locale, u.Disabled)
	if code, _ := postgres.ErrorCode(err); code == uniqueViolation {
		return u, schema.Violations{{Pointer: "/login", Rule: "unique", Message: "is taken already"}}
	}
	if err != nil {
		return u, fmt.Errorf("add user: %w", err)
	}
	return u, audit.Record(ctx, tx, audit.Act{
		Organization: organization, Action: "created", Entity: "user", EntityID: u.ID,
		Detail: map[string]any{"login": u.Login, "name": u.Name, "email": u.Email, "locale": u.Locale, "disabled": u.Disabled},
	})
}

// Users returns the people of p's organization by login.
func (s *Store) Users(ctx context.Context, p postgres.Principal) ([]User, error) {
	var users []User
	err := s.DB.As(ctx, p, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id, login, name, coalesce(email, ''), locale, status = 'disabled' from users order by lower(login)")
		if err != nil {
			return err
		}
		users, err = pgx.CollectRows(rows, pgx.RowToStructByPos[User])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	return users, nil
}

// SetPassword changes a user's password and ends all of the user's sessions; [ErrNotFound] if there is no such user.
func (s *Store) SetPassword(ctx context.Context, p postgres.Principal, user uuid.UUID, password string) error {
	if err := validatePassword(password).Err(); err != nil {
		return err
	}
	hash := hashPassword(password)
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return changeUser(ctx, tx, user, "password_changed", "update users set password_hash = $2, updated_at = now() where id = $1", hash)
	})
}

// DisableUser keeps a user from signing in and ends all of the user's sessions; API tokens stop as well.
func (s *Store) DisableUser(ctx context.Context, p postgres.Principal, user uuid.UUID) error {
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		return changeUser(ctx, tx, user, "disabled", "update users set status = 'disabled', updated_at = now() where id = $1")
	})
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
	if _, err := tx.Exec(ctx, "delete from sessions where user_id = $1", user); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return audit.Record(ctx, tx, audit.Act{Action: action, Entity: "user", EntityID: user})
}
