package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/currency"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/schema"
)

// MainOrganization is the code of the organization an installation begins with.
const MainOrganization = "main"

// Organization is a tenant.
type Organization struct {
	ID           uuid.UUID
	Code         string // lower-case letters, digits and -, from a letter on; part of its topics' names
	Name         string
	BaseCurrency string // ISO 4217
}

var codeForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

func (o Organization) validate() schema.Violations {
	var vs schema.Violations
	if !codeForm.MatchString(o.Code) {
		vs = append(vs, schema.Violation{Pointer: "/code", Rule: "pattern", Message: "must be a letter and up to 30 lower-case letters, digits or -"})
	}
	if strings.TrimSpace(o.Name) == "" {
		vs = append(vs, schema.Violation{Pointer: "/name", Rule: "required", Message: "is required"})
	}
	if _, err := currency.ParseISO(o.BaseCurrency); err != nil {
		vs = append(vs, schema.Violation{Pointer: "/base_currency", Rule: "format", Message: "must be an ISO 4217 currency like EUR"})
	}
	return vs
}

// AddOrganization creates an organization and gives it an id. What is wrong with it is [schema.Violations].
func (s *Store) AddOrganization(ctx context.Context, o Organization) (Organization, error) {
	if err := o.validate().Err(); err != nil {
		return o, err
	}
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		o, err = addOrganization(ctx, tx, o)
		return err
	})
	return o, err
}

func addOrganization(ctx context.Context, tx pgx.Tx, o Organization) (Organization, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return o, fmt.Errorf("add organization: %w", err)
	}
	o.ID = id
	_, err = tx.Exec(ctx, "insert into organizations (id, code, name, base_currency) values ($1, $2, $3, $4)", o.ID, o.Code, o.Name, o.BaseCurrency)
	if code, _ := postgres.ErrorCode(err); code == uniqueViolation {
		return o, schema.Violations{{Pointer: "/code", Rule: "unique", Message: "is taken already"}}
	}
	if err != nil {
		return o, fmt.Errorf("add organization: %w", err)
	}
	return o, audit.Record(ctx, tx, audit.Act{
		Organization: o.ID, Action: "created", Entity: "organization", EntityID: o.ID,
		Detail: map[string]string{"code": o.Code, "name": o.Name, "base_currency": o.BaseCurrency},
	})
}

const uniqueViolation = "23505"

// Organizations are all of the installation, by code.
func (s *Store) Organizations(ctx context.Context) (all []Organization, err error) {
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select id, code, name, base_currency from organizations order by code")
		if err != nil {
			return fmt.Errorf("list organizations: %w", err)
		}
		all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Organization])
		return err
	})
	return all, err
}

// Organization returns the organization with a code, or [ErrNotFound].
func (s *Store) Organization(ctx context.Context, code string) (Organization, error) {
	var o Organization
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		o, err = organization(ctx, tx, code)
		return err
	})
	return o, err
}

func organization(ctx context.Context, tx pgx.Tx, code string) (Organization, error) {
	o := Organization{Code: code}
	err := tx.QueryRow(ctx, "select id, name, base_currency from organizations where code = $1", code).Scan(&o.ID, &o.Name, &o.BaseCurrency)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, ErrNotFound
	}
	if err != nil {
		return o, fmt.Errorf("find organization: %w", err)
	}
	return o, nil
}

// RenameOrganization gives p's organization another name, which its papers show. Its code, which is in its topics' names, and
// its base currency, in which its books are kept, stay. What is wrong is [schema.Violations].
func (s *Store) RenameOrganization(ctx context.Context, p postgres.Principal, name string) error {
	name = strings.TrimSpace(name)
	if err := checkName("/name", name, 300).Err(); err != nil {
		return err
	}
	return s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		var was string
		if err := tx.QueryRow(ctx, "select name from organizations where id = $1 for update", p.Organization).Scan(&was); err != nil {
			return fmt.Errorf("rename the organization: %w", err)
		}
		if was == name {
			return nil
		}
		if _, err := tx.Exec(ctx, "update organizations set name = $2 where id = $1", p.Organization, name); err != nil {
			return fmt.Errorf("rename the organization: %w", err)
		}
		return audit.Record(ctx, tx, audit.Act{
			Organization: p.Organization, Actor: p.Actor, Action: "updated", Entity: "organization", EntityID: p.Organization,
			Detail: map[string][2]string{"name": {was, name}},
		})
	})
}
