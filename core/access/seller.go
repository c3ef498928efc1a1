package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/schema"
)

// Seller is an organization as it stands on its invoices: who sells, where to, and to which account is paid. What is not
// known is "".
type Seller struct {
	Name           string `json:"name" db:"name" maxLength:"300" doc:"Name as registered; the organization's own if left empty."`
	VATNumber      string `json:"vat_number" db:"vat_number" maxLength:"300" doc:"VAT identifier, with the country's code: DE123456789."`
	TaxNumber      string `json:"tax_number" db:"tax_number" maxLength:"300" doc:"Number at the local tax office."`
	Registration   string `json:"registration" db:"registration" maxLength:"300" doc:"Number in a register of companies."`
	Street         string `json:"street" db:"street" maxLength:"300" doc:"Street and number."`
	City           string `json:"city" db:"city" maxLength:"300" doc:"City."`
	Postcode       string `json:"postcode" db:"postcode" maxLength:"300" doc:"Postcode."`
	Province       string `json:"province" db:"province" maxLength:"300" doc:"Province or state."`
	Country        string `json:"country" db:"country" pattern:"^([A-Z]{2})?$" doc:"Country, ISO 3166-1 alpha-2."`
	Contact        string `json:"contact" db:"contact" maxLength:"300" doc:"Whom to ask about an invoice."`
	Phone          string `json:"phone" db:"phone" maxLength:"300" doc:"His phone."`
	Email          string `json:"email" db:"email" maxLength:"300" doc:"His e-mail."`
	BankAccount    string `json:"bank_account" db:"bank_account" maxLength:"300" doc:"Account to pay to, as a rule an IBAN."`
	Bank           string `json:"bank" db:"bank" maxLength:"300" doc:"Its bank, as a rule a BIC."`
	Endpoint       string `json:"endpoint" db:"endpoint" maxLength:"300" doc:"Electronic address for messages about invoices."`
	EndpointScheme string `json:"endpoint_scheme" db:"endpoint_scheme" maxLength:"300" doc:"Of which scheme that is, a code of EAS: EM for e-mail, 0088 for a GLN."`
}

const maxSellerText = 300

var countryForm = regexp.MustCompile(`^([A-Z]{2})?$`)

func (s Seller) validate() schema.Violations {
	var vs schema.Violations
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		text := v.Field(i).String()
		at := "/" + v.Type().Field(i).Tag.Get("json")
		switch {
		case utf8.RuneCountInString(text) > maxSellerText:
			vs = append(vs, schema.Violation{Pointer: at, Rule: "maxLength", Message: fmt.Sprintf("must have at most %d characters", maxSellerText)})
		case strings.ContainsRune(text, 0):
			vs = append(vs, schema.Violation{Pointer: at, Rule: "pattern", Message: "must not have the character 0"})
		}
	}
	if !countryForm.MatchString(s.Country) {
		vs = append(vs, schema.Violation{Pointer: "/country", Rule: "pattern", Message: "must be two capital letters such as DE"})
	}
	if (s.Endpoint == "") != (s.EndpointScheme == "") {
		vs = append(vs, schema.Violation{Pointer: "/endpoint_scheme", Rule: "dependentRequired", Message: "must be given with endpoint, and only then"})
	}
	return vs
}

// Seller returns how the organization of the transaction stands on its invoices; empty until somebody says so.
func (s *Store) Seller(ctx context.Context, tx pgx.Tx) (Seller, error) {
	rows, err := tx.Query(ctx, `
select name, vat_number, tax_number, registration, street, city, postcode, province, country, contact, phone, email,
	bank_account, bank, endpoint, endpoint_scheme
from sellers`)
	if err != nil {
		return Seller{}, fmt.Errorf("read the seller: %w", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Seller])
	if errors.Is(err, pgx.ErrNoRows) {
		return Seller{}, nil
	}
	if err != nil {
		return Seller{}, fmt.Errorf("read the seller: %w", err)
	}
	return found, nil
}

const writeSeller = `
insert into sellers (name, vat_number, tax_number, registration, street, city, postcode, province, country, contact, phone, email,
	bank_account, bank, endpoint, endpoint_scheme)
select name, vat_number, tax_number, registration, street, city, postcode, province, country, contact, phone, email,
	bank_account, bank, endpoint, endpoint_scheme
from json_populate_record(null::sellers, $1)
on conflict (organization_id) do update set (name, vat_number, tax_number, registration, street, city, postcode, province, country, contact,
	phone, email, bank_account, bank, endpoint, endpoint_scheme, updated_at)
	= row (excluded.name, excluded.vat_number, excluded.tax_number, excluded.registration, excluded.street, excluded.city, excluded.postcode,
	excluded.province, excluded.country, excluded.contact, excluded.phone, excluded.email, excluded.bank_account, excluded.bank,
	excluded.endpoint, excluded.endpoint_scheme, now())`

// UpdateSeller changes how the organization stands on its invoices. What is wrong with it is [schema.Violations].
func (s *Store) UpdateSeller(ctx context.Context, tx pgx.Tx, v Seller) error {
	if err := v.validate().Err(); err != nil {
		return err
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("change the seller: %w", err)
	}
	if _, err := tx.Exec(ctx, writeSeller, string(doc)); err != nil {
		return fmt.Errorf("change the seller: %w", err)
	}
	return audit.Record(ctx, tx, audit.Act{Action: "updated", Entity: "seller", Detail: v})
}
