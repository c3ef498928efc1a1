package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
	"crmhub/core/secret"
)

// Enrolment is a second factor that its owner has yet to confirm. It is shown once.
type Enrolment struct {
	Secret secret.Text // as typed into an authenticator app: base32
	URI    secret.Text // the same as otpauth URI, mostly shown as a QR code
}

// SecondFactor is how somebody's second factor stands.
type SecondFactor struct {
	On            bool
	ConfirmedAt   *time.Time
	RecoveryCodes int // that are left
}

// ErrSecondFactor says that the second factor is on already, or not on, or not begun.
var ErrSecondFactor = errors.New("the second factor does not stand so")

const recoveryCodes = 10

const beginFactor = `
insert into second_factors as f (user_id, secret, created_at) values ($1, $2, $3)
on conflict (organization_id, user_id) do update set secret = excluded.secret, created_at = excluded.created_at, last_step = 0
where f.confirmed_at is null`

// BeginSecondFactor makes a second factor for whoever has the password. It counts once it is confirmed; to begin again
// makes another. It returns [ErrSecondFactor] if one is on.
func (s *Store) BeginSecondFactor(ctx context.Context, who Identity, proof Proof) (Enrolment, error) {
	key := make([]byte, factorBytes)
	_, _ = rand.Read(key) // never fails, it says
	text := base32Text.EncodeToString(key)
	sealed, err := s.sealFactor(who.UserID, text)
	if err != nil {
		return Enrolment{}, err
	}
	err = s.proven(ctx, who, proof, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, beginFactor, who.UserID, sealed, s.now())
		if err == nil && tag.RowsAffected() == 0 {
			return ErrSecondFactor
		}
		return err
	})
	if err != nil {
		return Enrolment{}, fmt.Errorf("begin a second factor: %w", faultOf(err, "/password"))
	}
	return Enrolment{Secret: secret.New(text), URI: secret.New(factorURI(who.Login, key))}, nil
}

// ConfirmSecondFactor turns the second factor on with a code that its owner's app shows, and returns recovery codes, which
// are shown once and kept nowhere. It returns [ErrSecondFactor] if none was begun.
func (s *Store) ConfirmSecondFactor(ctx context.Context, who Identity, code string) (codes []string, err error) {
	err = s.DB.As(ctx, who.Principal, func(tx pgx.Tx) error {
		key, last, err := s.openFactor(ctx, tx, who.Principal.Organization, who.UserID, false)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrSecondFactor
		}
		if err != nil {
			return err
		}
		step, ok := stepOf(key, plainCode(code), s.now(), last)
		if !ok {
			return ErrCode
		}
		_, err = tx.Exec(ctx, "update second_factors set confirmed_at = $2, last_step = $3 where user_id = $1", who.UserID, s.now(), step)
		if err != nil {
			return err
		}
		if codes, err = renewCodes(ctx, tx, who.UserID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "second_factor_begun", Entity: "user", EntityID: who.UserID})
	})
	if err != nil {
		return nil, fmt.Errorf("confirm the second factor: %w", faultOf(err, ""))
	}
	return codes, nil
}

// RenewRecoveryCodes replaces all recovery codes by new ones.
func (s *Store) RenewRecoveryCodes(ctx context.Context, who Identity, proof Proof) (codes []string, err error) {
	err = s.withFactor(ctx, who, proof, func(tx pgx.Tx) (err error) {
		codes, err = renewCodes(ctx, tx, who.UserID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew recovery codes: %w", err)
	}
	return codes, nil
}

// EndSecondFactor turns the second factor off.
func (s *Store) EndSecondFactor(ctx context.Context, who Identity, proof Proof) error {
	err := s.withFactor(ctx, who, proof, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from second_factors where user_id = $1", who.UserID); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "second_factor_ended", Entity: "user", EntityID: who.UserID})
	})
	if err != nil {
		return fmt.Errorf("end the second factor: %w", err)
	}
	return nil
}

// withFactor runs do for somebody who knows the password and has the second factor.
func (s *Store) withFactor(ctx context.Context, who Identity, proof Proof, do func(tx pgx.Tx) error) error {
	now, err := s.SecondFactor(ctx, who)
	if err != nil {
		return err
	}
	if !now.On {
		return ErrSecondFactor
	}
	err = s.proven(ctx, who, proof, func(tx pgx.Tx) error {
		if err := s.useCode(ctx, tx, who.Principal.Organization, who.UserID, proof.Code); err != nil {
			return err
		}
		return do(tx)
	})
	return faultOf(err, "/password")
}

// SecondFactor returns how somebody's second factor stands.
func (s *Store) SecondFactor(ctx context.Context, who Identity) (SecondFactor, error) {
	var f SecondFactor
	err := s.DB.As(ctx, who.Principal, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			select (select confirmed_at from second_factors where user_id = $1),
				(select count(*) from recovery_codes where user_id = $1 and used_at is null)`, who.UserID).Scan(&f.ConfirmedAt, &f.RecoveryCodes)
	})
	if err != nil {
		return f, fmt.Errorf("find the second factor: %w", err)
	}
	f.On = f.ConfirmedAt != nil
	return f, nil
}

// ResetSignIn helps a user of p's organization who cannot sign in any more: second factor, recovery codes and the bond
// with an identity elsewhere are gone, and so are the sessions. It returns [ErrNotFound] if there is no such user.
func (s *Store) ResetSignIn(ctx context.Context, p postgres.Principal, user uuid.UUID) error {
	return s.DB.As(ctx, p, func(tx pgx.Tx) error {
		var found bool
		if err := tx.QueryRow(ctx, "select exists (select from users where id = $1)", user).Scan(&found); err != nil {
			return fmt.Errorf("reset how a user signs in: %w", err)
		}
		if !found {
			return ErrNotFound
		}
		for _, sql := range []string{"delete from second_factors where user_id = $1", "delete from identities where user_id = $1"} {
			if _, err := tx.Exec(ctx, sql, user); err != nil {
				return fmt.Errorf("reset how a user signs in: %w", err)
			}
		}
		if err := endOthers(ctx, tx, user, uuid.Nil); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Act{Action: "sign_in_reset", Entity: "user", EntityID: user})
	})
}

// useCode takes a code of a confirmed second factor: the app's, of a step that none was taken of, or a recovery code. What
// was taken is of no use again. It returns [ErrCode].
func (s *Store) useCode(ctx context.Context, tx pgx.Tx, organization, user uuid.UUID, code string) error {
	code = plainCode(code)
	if len(code) != codeDigits {
		tag, err := tx.Exec(ctx, `
			update recovery_codes set used_at = $4 where organization_id = $1 and user_id = $2 and code_hash = $3 and used_at is null`,
			organization, user, hashSecret(code), s.now())
		if err == nil && tag.RowsAffected() == 0 {
			return ErrCode
		}
		return err
	}
	key, last, err := s.openFactor(ctx, tx, organization, user, true)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrCode // turned off meanwhile
	}
	if err != nil {
		return err
	}
	step, ok := stepOf(key, code, s.now(), last)
	if !ok {
		return ErrCode
	}
	_, err = tx.Exec(ctx, "update second_factors set last_step = $3 where organization_id = $1 and user_id = $2", organization, user, step)
	return err
}

// openFactor locks a user's second factor, confirmed or not yet, and opens it.
func (s *Store) openFactor(ctx context.Context, tx pgx.Tx, organization, user uuid.UUID, confirmed bool) (key []byte, last int64, err error) {
	var sealed []byte
	err = tx.QueryRow(ctx, `
		select secret, last_step from second_factors
		where organization_id = $1 and user_id = $2 and (confirmed_at is not null) = $3 for update`, organization, user, confirmed).Scan(&sealed, &last)
	if err != nil {
		return nil, 0, err
	}
	secrets, err := s.Key.Open(factorPlace(user), sealed)
	if err != nil {
		return nil, 0, fmt.Errorf("open the second factor: %w", err)
	}
	key, err = base32Text.DecodeString(secrets["secret"].Reveal())
	return key, last, err
}

var errNoKey = errors.New("there is no key to seal the second factor with")

func (s *Store) sealFactor(user uuid.UUID, text string) ([]byte, error) {
	if s.Key.IsZero() {
		return nil, errNoKey
	}
	return s.Key.Seal(factorPlace(user), map[string]secret.Text{"secret": secret.New(text)})
}

func factorPlace(user uuid.UUID) string { return "second factor of " + user.String() }

// renewCodes makes recovery codes of 80 random bits, more than can be guessed from their fast hash.
func renewCodes(ctx context.Context, tx pgx.Tx, user uuid.UUID) ([]string, error) {
	codes, hashes := make([]string, recoveryCodes), make([][]byte, recoveryCodes)
	for i := range codes {
		random := make([]byte, 10)
		_, _ = rand.Read(random) // never fails, it says
		c := base32Text.EncodeToString(random)
		hashes[i] = hashSecret(c)
		codes[i] = strings.Join([]string{c[:4], c[4:8], c[8:12], c[12:]}, "-")
	}
	if _, err := tx.Exec(ctx, "delete from recovery_codes where user_id = $1", user); err != nil {
		return nil, err
	}
	_, err := tx.Exec(ctx, "insert into recovery_codes (user_id, code_hash) select $1, unnest($2::bytea[])", user, hashes)
	return codes, err
}

// plainCode is a code as it is compared, however it was typed.
func plainCode(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(clean(code, 40)))
}
