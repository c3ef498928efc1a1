package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"crmhub/core/secret"
)

// adminLogin is the login of the first user.
const adminLogin = "admin"

// Bootstrapped is what [Store.Bootstrap] found or made.
type Bootstrapped struct {
	Organization Organization
	Login        string      // of the first user; "" if there were users already
	Password     secret.Text // made up, to be shown once; zero if there were users already
}

// Bootstrap makes sure that the main organization exists, with a first user called admin if nobody is in it.
// Of several processes that do so at once, one makes them.
func (s *Store) Bootstrap(ctx context.Context) (Bootstrapped, error) {
	var b Bootstrapped
	password, _ := newSecret("")
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		// "boot" in ASCII; held until the transaction ends.
		if _, err = tx.Exec(ctx, "select pg_advisory_xact_lock(1651470196)"); err != nil {
			return err
		}
		b.Organization, err = organization(ctx, tx, MainOrganization)
		if errors.Is(err, ErrNotFound) {
			b.Organization, err = addOrganization(ctx, tx, Organization{Code: MainOrganization, Name: "Main", BaseCurrency: "EUR"})
		}
		if err != nil {
			return err
		}
		var inhabited bool
		err = tx.QueryRow(ctx, "select exists (select from users where organization_id = $1)", b.Organization.ID).Scan(&inhabited)
		if err != nil || inhabited {
			return err
		}
		b.Login, b.Password = adminLogin, secret.New(password)
		_, err = addUser(ctx, tx, b.Organization.ID, User{Login: adminLogin, Name: "Administrator", Locale: "en", Roles: []string{Admin}}, s.Passwords.hash(password))
		return err
	})
	if err != nil {
		return Bootstrapped{}, fmt.Errorf("make the first organization: %w", err)
	}
	return b, nil
}

// clean makes text from outside storable: valid, without NUL, at most max characters.
func clean(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
