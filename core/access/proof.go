package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
)

// Proof is what somebody signed in gives before changing how they sign in: a session may be left open, or stolen.
type Proof struct {
	Password string
	Code     string // of the second factor, where it is asked for
	IP       string
}

// ErrCode says that a code of the second factor is wrong, or was used before.
var ErrCode = errors.New("the code is wrong or was used before")

var errPassword = errors.New("the password is wrong")

// proven runs do for somebody who knows the password. Guessing is slowed down as it is when signing in, and so is guessing
// codes: do says [ErrCode]. It returns errPassword, a [LockedError], or what do returns.
func (s *Store) proven(ctx context.Context, who Identity, proof Proof, do func(tx pgx.Tx) error) error {
	p := person{organization: who.Principal.Organization, id: who.UserID}
	err := s.DB.As(ctx, who.Principal, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select lower(login), coalesce(password_hash, '') from users where id = $1", who.UserID).Scan(&p.login, &p.hash)
	})
	if err != nil {
		return fmt.Errorf("find the password: %w", err)
	}
	a, err := s.count(ctx, guessProof, p.login, proof.IP)
	if err != nil {
		return err
	}
	event := LoginEvent{Method: ByPassword, IP: proof.IP, Outcome: WrongPassword}
	right, err := s.compare(p.hash, proof.Password)
	if err != nil {
		return fmt.Errorf("check the password: %w", err)
	}
	if !right {
		return errors.Join(s.refuse(ctx, p, event, a), errPassword)
	}
	err = s.DB.As(ctx, who.Principal, do)
	if errors.Is(err, ErrCode) {
		event.Outcome = WrongCode
		return errors.Join(s.refuse(ctx, p, event, a), ErrCode)
	}
	return errors.Join(err, s.DB.AsSystem(ctx, func(tx pgx.Tx) error { return s.forgive(ctx, tx, a) }))
}

// faultOf turns what proven refuses into what is wrong with a request.
func faultOf(err error, passwordPointer string) error {
	switch {
	case errors.Is(err, errPassword):
		return schema.Violations{{Pointer: passwordPointer, Rule: "password", Message: "is wrong"}}
	case errors.Is(err, ErrCode):
		return schema.Violations{{Pointer: "/code", Rule: "code", Message: "is wrong or was used before"}}
	}
	return err
}

// endOthers ends a user's sessions but one, and the sign-ins that wait for a second factor.
func endOthers(ctx context.Context, tx pgx.Tx, user, but uuid.UUID) error {
	for _, sql := range []string{
		"delete from sessions where user_id = $1 and id <> $2",
		"delete from sign_ins where user_id = $1 and id <> $2",
	} {
		if _, err := tx.Exec(ctx, sql, user, but); err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
	}
	return nil
}
