package crm

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"crmhub/core/schema"
)

// translate turns what the server found wrong with the input into violations; other errors stay what they are.
func translate(t table, err error) error {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return err
	}
	at := t.pointer(pe)
	violation := func(rule, message string) error {
		return schema.Violations{{Pointer: at, Rule: rule, Message: message}}
	}
	switch pe.Code {
	case "23505": // unique_violation
		return violation("unique", "is taken already")
	case "23P01": // exclusion_violation, raised by our triggers
		return violation("overlap", "overlaps another one")
	case "23503": // foreign_key_violation
		return violation("exists", "must be the id of something here")
	case "23001": // restrict_violation, raised by our triggers
		return violation("immutable", "cannot be changed once the document is issued")
	case "23514": // check_violation
		return violation("check", "breaks a rule of the database ("+pe.ConstraintName+")")
	case "22003": // numeric_value_out_of_range
		return violation("maximum", "has too many digits")
	case "22P05", "22021": // a NUL, or what is no UTF-8, inside custom fields
		return violation("format", "must be text without NUL characters")
	default:
		return err
	}
}

// pointer finds the field in a constraint's name: customers_code, orders_organization_id_contact_id_fkey, order_lines_qty_check.
func (t table) pointer(pe *pgconn.PgError) string {
	name := pe.ConstraintName
	for _, p := range t.parts {
		if pe.TableName == p.name {
			return "/" + p.list
		}
	}
	name = strings.TrimPrefix(name, t.name+"_")
	if name == "pkey" {
		return "/id"
	}
	name = strings.TrimPrefix(name, "organization_id_")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_fkey"), "_check")
	for _, c := range t.columns {
		if c.name == name {
			return "/" + name
		}
	}
	return ""
}
