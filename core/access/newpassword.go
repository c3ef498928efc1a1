package access

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/schema"
)

const (
	minPassword = 10 // characters
	maxPassword = 256
)

// commonPasswords are the ones long enough that everybody thinks of first, one a line.
//
//go:embed common_passwords.txt
var commonPasswords string

// validatePassword judges a password by its length and whether it is the first that a guesser would try. It asks for no
// digits or signs: they make people choose Password1! (NIST SP 800-63B, 3.1.1.2).
func validatePassword(login, password string) schema.Violations {
	fault := func(rule, message string) schema.Violations {
		return schema.Violations{{Pointer: "/password", Rule: rule, Message: message}}
	}
	if n := utf8.RuneCountInString(password); n < minPassword || n > maxPassword {
		return fault("minLength", fmt.Sprintf("must have %d to %d characters", minPassword, maxPassword))
	}
	if strings.EqualFold(password, login) {
		return fault("login", "must not be the login")
	}
	for common := range strings.Lines(commonPasswords) {
		if strings.EqualFold(strings.TrimSpace(common), password) {
			return fault("common", "is one of those that everybody tries first")
		}
	}
	if first, _ := utf8.DecodeRuneInString(password); strings.Trim(password, string(first)) == "" {
		return fault("common", "must not be one character over and over")
	}
	return nil
}

// ChangePassword gives somebody who knows the old password a new one, and ends all of their other sessions. What is wrong is
// [schema.Violations]; guessing the old one is slowed down, by [LockedError].
func (s *Store) ChangePassword(ctx context.Context, who Identity, old Proof, password string) error {
	if err := validatePassword(who.Login, password).Err(); err != nil {
		return err
	}
	hash := s.Passwords.hash(password)
	err := s.proven(ctx, who, old, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update users set password_hash = $2, updated_at = now() where id = $1", who.UserID, hash)
		if err != nil {
			return err
		}
		if err := endOthers(ctx, tx, who.UserID, who.SessionID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "password_changed", Entity: "user", EntityID: who.UserID})
	})
	if err != nil {
		return fmt.Errorf("change the password: %w", faultOf(err, "/old_password"))
	}
	return nil
}
