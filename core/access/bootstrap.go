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

// Bootstrapped is an organization and who signs in there first.
type Bootstrapped struct {
	Organization Organization
	Login        string      // of the first user; "" if there were users already
	Password     secret.Text // made up, to be shown once; zero if there were users already
}

// Bootstrap makes sure that the main organization exists, with a first user called admin if nobody is in it. Its books are kept in the
// base currency if it is made now. Of several processes that do so at once, one makes them.
func (s *Store) Bootstrap(ctx context.Context, baseCurrency string) (Bootstrapped, error) {
	var b Bootstrapped
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		// "boot" in ASCII; held until the transaction ends.
		if _, err = tx.Exec(ctx, "select pg_advisory_xact_lock(1651470196)"); err != nil {
			return err
		}
		b.Organization, err = organization(ctx, tx, MainOrganization)
		if errors.Is(err, ErrNotFound) {
			b.Organization, err = addOrganization(ctx, tx, Organization{Code: MainOrganization, Name: "Main", BaseCurrency: baseCurrency})
		}
		if err != nil {
			return err
		}
		var inhabited bool
		err = tx.QueryRow(ctx, "select exists (select from users where organization_id = $1)", b.Organization.ID).Scan(&inhabited)
		if err != nil || inhabited {
			return err
		}
		b.Login = adminLogin
		b.Password, err = s.addAdministrator(ctx, tx, b.Organization, adminLogin)
		return err
	})
	if err != nil {
		return Bootstrapped{}, fmt.Errorf("make the first organization: %w", err)
	}
	return b, nil
}

// Found makes a further organization and its first administrator. What is wrong with either is [schema.Violations].
func (s *Store) Found(ctx context.Context, o Organization, login string) (Bootstrapped, error) {
	b := Bootstrapped{Login: strings.TrimSpace(login)}
	if err := append(o.validate(), firstUser(b.Login).validate()...).Err(); err != nil {
		return b, err
	}
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		if b.Organization, err = addOrganization(ctx, tx, o); err != nil {
			return err
		}
		b.Password, err = s.addAdministrator(ctx, tx, b.Organization, b.Login)
		return err
	})
	return b, err
}

func firstUser(login string) User {
	return User{Login: login, Name: "Administrator", Locale: "en", Roles: []string{Admin}}
}

func (s *Store) addAdministrator(ctx context.Context, tx pgx.Tx, o Organization, login string) (secret.Text, error) {
	password, _ := newSecret("")
	_, err := addUser(ctx, tx, o.ID, firstUser(login), s.Passwords.hash(password))
	return secret.New(password), err
}

// clean makes text from outside storable: valid, without NUL, at most max characters.
func clean(s string, most int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}
