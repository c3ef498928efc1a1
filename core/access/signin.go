package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/audit"
	"crmhub/core/postgres"
)

// How long a session lives: at most so long, and so long without a request.
const (
	SessionLife = 12 * time.Hour
	SessionIdle = 2 * time.Hour
)

// CodeTime is how long a sign-in waits for its second factor.
const CodeTime = 5 * time.Minute

// SignIn is an attempt to sign in.
type SignIn struct {
	Login     string
	Password  string
	IP        string // where it comes from, "" if unknown
	UserAgent string
}

// Entry is what a right password, or an identity known elsewhere, has come to: one of the two.
type Entry struct {
	Session string // the token of a session that has begun; it is nowhere else
	Pending string // the token of a sign-in that waits for its second factor: [Store.EnterCode]
}

// person is somebody who signs in.
type person struct {
	organization, id uuid.UUID
	login            string // in lower case, as the database has it
	hash             string
	disabled         bool
}

// findLogin answers with a row for a login that nobody has, too: lower case is what the database says it is.
const findLogin = `
select l.login, coalesce(u.organization_id, $2), coalesce(u.id, $2), coalesce(u.password_hash, ''), coalesce(u.status = 'disabled', false)
from (select lower($1)) l (login) left join users u on lower(u.login) = l.login`

// SignIn checks a password and begins a session, or a sign-in that waits for its second factor. It returns [ErrSignIn], or
// a [LockedError] once too much was tried.
func (s *Store) SignIn(ctx context.Context, in SignIn) (Entry, error) {
	var p person
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, findLogin, clean(in.Login, 100), uuid.Nil).Scan(&p.login, &p.organization, &p.id, &p.hash, &p.disabled)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("sign in: %w", err)
	}
	a, err := s.count(ctx, guessPassword, p.login, in.IP)
	if err != nil {
		return Entry{}, err
	}
	// No transaction is open while the password is hashed: it takes long on purpose.
	right, err := s.compare(p.hash, in.Password)
	if err != nil {
		return Entry{}, fmt.Errorf("sign in: %w", err)
	}
	event := LoginEvent{Method: ByPassword, IP: in.IP}
	switch {
	case p.id == uuid.Nil:
		event.Outcome = UnknownLogin
	case !right:
		event.Outcome = WrongPassword
	case p.disabled:
		event.Outcome = UserDisabled
	default:
		return s.enter(ctx, p, ByPassword, &a, in.IP, in.UserAgent)
	}
	if err := s.refuse(ctx, p, event, a); err != nil {
		return Entry{}, err
	}
	return Entry{}, ErrSignIn
}

// compare takes the same time whether there is a hash or not.
func (s *Store) compare(hash, password string) (bool, error) {
	known := hash != "" && len(password) <= 4*maxPassword // bytes
	if !known {
		hash, password = s.Passwords.nobodys(), password[:min(len(password), 4*maxPassword)]
	}
	check := s.check
	if check == nil {
		check = checkPassword
	}
	right, err := check(hash, password)
	return right && known, err
}

const insertSession = `
insert into sessions (organization_id, id, user_id, token_hash, ip, user_agent, created_at, last_seen_at, expires_at)
values ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, $7, $8)`

const insertSignIn = `
insert into sign_ins (organization_id, id, user_id, token_hash, method, expires_at)
select f.organization_id, $3, f.user_id, $4, $5, $6 from second_factors f
where f.organization_id = $1 and f.user_id = $2 and f.confirmed_at is not null`

// enter lets somebody in who proved to be p: whole, or up to the second factor if there is one. The failures on a login
// are forgotten only by whoever gets through, or a right password would allow guessing codes without end. a is nil where
// nothing was counted.
func (s *Store) enter(ctx context.Context, p person, method Method, a *attempt, ip, userAgent string) (Entry, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Entry{}, fmt.Errorf("sign in: %w", err)
	}
	var entry Entry
	token, hash := newSecret("")
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		waiting, err := tx.Exec(ctx, insertSignIn, p.organization, p.id, id, hash, method, s.now().Add(CodeTime))
		if err != nil {
			return err
		}
		if waiting.RowsAffected() > 0 {
			entry.Pending = token
			if a == nil {
				return nil
			}
			return s.forgive(ctx, tx, *a)
		}
		entry.Session = token
		return s.begin(ctx, tx, p, method, hash, a, ip, userAgent)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("sign in: %w", err)
	}
	return entry, nil
}

// begin begins a session.
func (s *Store) begin(ctx context.Context, tx pgx.Tx, p person, method Method, hash []byte, a *attempt, ip, userAgent string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	if a != nil {
		if err := s.clear(ctx, tx, p.login, *a); err != nil {
			return err
		}
	}
	now := s.now()
	_, err = tx.Exec(ctx, insertSession, p.organization, id, p.id, hash, clean(ip, 100), clean(userAgent, 300), now, now.Add(SessionLife))
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	err = audit.Record(ctx, tx, audit.Act{
		Organization: p.organization, Actor: postgres.User(p.id), Action: "created", Entity: "session", EntityID: id,
		Detail: map[string]string{"ip": clean(ip, 100), "user_agent": clean(userAgent, 300)},
	})
	if err != nil {
		return err
	}
	return s.record(ctx, tx, p, LoginEvent{Method: method, IP: ip, Outcome: SignedIn})
}

// Code is the second step of signing in.
type Code struct {
	Pending   string // of [Entry]
	Code      string // from the authenticator app, or a recovery code
	IP        string
	UserAgent string
}

const findSignIn = `
select s.id, s.method, u.organization_id, u.id, lower(u.login)
from sign_ins s join users u on u.organization_id = s.organization_id and u.id = s.user_id
where s.token_hash = $1 and s.expires_at > $2 and u.status = 'active'`

// EnterCode ends a sign-in that waits for its second factor, and returns the token of the session it begins. It returns
// [ErrCode] for a code that is wrong or was used, [ErrUnauthenticated] once the sign-in waited too long, or a [LockedError].
func (s *Store) EnterCode(ctx context.Context, in Code) (session string, err error) {
	var (
		id     uuid.UUID
		method Method
		p      person
	)
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, findSignIn, hashSecret(in.Pending), s.now()).Scan(&id, &method, &p.organization, &p.id, &p.login)
	})
	if err != nil {
		return "", unauthenticated(err)
	}
	a, err := s.count(ctx, guessCode, p.login, in.IP)
	if err != nil {
		return "", err
	}
	session, hash := newSecret("")
	err = s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		// Only one request ends a sign-in; the code it brings is used up together with it.
		gone, err := tx.Exec(ctx, "delete from sign_ins where id = $1", id)
		if err != nil {
			return err
		}
		if gone.RowsAffected() == 0 {
			return ErrUnauthenticated
		}
		if err := s.useCode(ctx, tx, p.organization, p.id, in.Code); err != nil {
			return err
		}
		return s.begin(ctx, tx, p, method, hash, &a, in.IP, in.UserAgent)
	})
	switch {
	case errors.Is(err, ErrCode):
		if err := s.refuse(ctx, p, LoginEvent{Method: method, IP: in.IP, Outcome: WrongCode}, a); err != nil {
			return "", err
		}
		return "", ErrCode
	case errors.Is(err, ErrUnauthenticated):
		return "", ErrUnauthenticated
	case err != nil:
		return "", fmt.Errorf("sign in: %w", err)
	}
	return session, nil
}

// refuse writes down an attempt that failed, and that its login or address has to wait now.
func (s *Store) refuse(ctx context.Context, p person, e LoginEvent, a attempt) error {
	events := []LoginEvent{e}
	if a.blockedUntil().After(s.now()) {
		e.Outcome = Locked
		events = append(events, e)
	}
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error { return s.record(ctx, tx, p, events...) })
	if err != nil {
		return fmt.Errorf("write the attempt down: %w", err)
	}
	return nil
}
