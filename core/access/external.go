package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// External is somebody whom an OpenID provider knows, and what it vouches for.
type External struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool
	IP            string
	UserAgent     string
}

// Why somebody whom a provider knows is not let in.
var (
	ErrEmailUnverified = errors.New("the provider does not vouch for the e-mail address")
	ErrNobody          = errors.New("nobody here has this e-mail address")
	ErrAmbiguous       = errors.New("several users have this e-mail address")
	ErrBound           = errors.New("the user is bound to another identity of this provider")
	ErrDisabled        = errors.New("the user is disabled")
)

const (
	findIdentity = `
select u.organization_id, u.id, lower(u.login), u.status = 'disabled'
from identities i join users u on u.organization_id = i.organization_id and u.id = i.user_id
where i.issuer = $1 and i.subject = $2`

	findEmail = `
select organization_id, id, lower(login), status = 'disabled' from users where lower(email) = lower($1) and email <> '' limit 2`

	insertIdentity = `
insert into identities (organization_id, issuer, subject, user_id, created_at) values ($1, $2, $3, $4, $5)
on conflict do nothing`
)

// SignInExternal lets in whom a provider knows. The first time, the user with the e-mail address that the provider vouches
// for is found and bound to the identity, which alone counts from then on: addresses are given to others. No user is made
// up. A second factor is asked for as ever. It returns one of the errors above.
func (s *Store) SignInExternal(ctx context.Context, in External) (Entry, error) {
	var p person
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) (err error) {
		p, err = s.recognize(ctx, tx, in)
		return err
	})
	if err == nil && p.disabled {
		err = ErrDisabled
	}
	if err == nil {
		return s.enter(ctx, p, ByOIDC, nil, in.IP, in.UserAgent)
	}
	event := LoginEvent{Method: ByOIDC, IP: in.IP}
	switch {
	case errors.Is(err, ErrDisabled):
		event.Outcome = UserDisabled
	case errors.Is(err, ErrEmailUnverified), errors.Is(err, ErrNobody), errors.Is(err, ErrAmbiguous), errors.Is(err, ErrBound):
		event.Outcome = UnknownLogin
		p = person{login: in.Issuer + " " + in.Subject}
	default:
		return Entry{}, fmt.Errorf("sign in from elsewhere: %w", err)
	}
	if err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error { return s.record(ctx, tx, p, event) }); err != nil {
		return Entry{}, err
	}
	return Entry{}, err
}

// recognize finds who an identity is, and binds it to a user the first time.
func (s *Store) recognize(ctx context.Context, tx pgx.Tx, in External) (person, error) {
	people, err := queryPeople(ctx, tx, findIdentity, in.Issuer, in.Subject)
	if err != nil || len(people) == 1 {
		return append(people, person{})[0], err
	}
	if !in.EmailVerified || in.Email == "" {
		return person{}, ErrEmailUnverified
	}
	people, err = queryPeople(ctx, tx, findEmail, in.Email)
	switch {
	case err != nil:
		return person{}, err
	case len(people) == 0:
		return person{}, ErrNobody
	case len(people) > 1:
		return person{}, ErrAmbiguous
	case people[0].disabled:
		return people[0], nil // not bound: somebody else may get the address
	}
	p := people[0]
	tag, err := tx.Exec(ctx, insertIdentity, p.organization, in.Issuer, in.Subject, p.id, s.now())
	if err != nil {
		return p, err
	}
	if tag.RowsAffected() == 0 {
		// Bound meanwhile by the same person's other window, or to another subject.
		again, err := queryPeople(ctx, tx, findIdentity, in.Issuer, in.Subject)
		if err == nil && len(again) == 0 {
			err = ErrBound
		}
		return p, err
	}
	return p, nil
}

func queryPeople(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]person, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p person, err error) {
		err = row.Scan(&p.organization, &p.id, &p.login, &p.disabled)
		return p, err
	})
}
