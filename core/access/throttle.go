package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Guessers are slowed down by login and by address. A login that nobody has is counted like any other, so that being
// slowed down tells nothing. Failures leak away with time; an address may stand for a whole office, hence its patience.
const (
	freeByLogin = 5 // failures that cost nothing
	leakByLogin = time.Hour
	freeByIP    = 25
	leakByIP    = 5 * time.Minute

	firstWait   = 30 * time.Second
	longestWait = 15 * time.Minute
	mostBeyond  = 10 // failures beyond the free ones that are remembered

	// forgetAfter is when every failure has leaked away.
	forgetAfter = (freeByLogin + mostBeyond) * leakByLogin
)

// LockedError says that too much was tried in vain, by this login or from this address, whether it is known or not.
type LockedError struct {
	Wait time.Duration
}

func (e *LockedError) Error() string { return "too many attempts; wait for " + e.Wait.String() }

// waitAfter is how long a subject is refused after so many failures, of which some are free: 30 s, doubled by each more,
// at most 15 minutes.
func waitAfter(failures float64, free int) time.Duration {
	beyond := int(math.Round(failures)) - free
	if beyond < 0 {
		return 0
	}
	return min(firstWait<<min(beyond, mostBeyond), longestWait)
}

// attempt is one try, counted as a failure before anything is compared: of a thousand guesses sent at once only the free
// ones are answered. Who was right is forgiven.
type attempt struct {
	subjects []subject // by key, the order in which rows are locked
}

type subject struct {
	key          []byte
	free         int
	leak         time.Duration // in which one failure is forgotten
	failures     float64
	lastAt       time.Time
	blockedUntil time.Time
}

// fail counts one more failure.
func (x *subject) fail(now time.Time) {
	left := max(0, x.failures-float64(now.Sub(x.lastAt))/float64(x.leak))
	x.failures = min(left+1, float64(x.free+mostBeyond))
	x.lastAt, x.blockedUntil = now, now.Add(waitAfter(x.failures, x.free))
}

// blockedUntil is when neither its login nor its address has to wait any more.
func (a attempt) blockedUntil() time.Time { return slices.MaxFunc(a.waits(), time.Time.Compare) }

const (
	beginSubjects = `
insert into sign_in_attempts (subject, failures, last_at, blocked_until)
select s, 0, $2, $2 from unnest($1::bytea[]) with ordinality u (s, n) order by n
on conflict do nothing`

	lockSubjects = `
select failures, last_at, blocked_until from sign_in_attempts where subject = any($1) order by subject for update`

	countSubjects = `
update sign_in_attempts a set failures = u.failures, last_at = $4, blocked_until = u.blocked_until
from unnest($1::bytea[], $2::double precision[], $3::timestamptz[]) u (subject, failures, blocked_until) where a.subject = u.subject`

	// What others did meanwhile stays: their failures are theirs, and a wait that is not this attempt's goes on.
	forgiveSubjects = `
with locked as (select subject from sign_in_attempts where subject = any($1) order by subject for update)
update sign_in_attempts a set failures = greatest(a.failures - 1, 0),
	blocked_until = case when a.blocked_until = u.blocked_until then least(a.blocked_until, $3) else a.blocked_until end
from locked join unnest($1::bytea[], $2::timestamptz[]) u (subject, blocked_until) using (subject) where a.subject = u.subject`
)

// What is guessed at. Each has a count of its own, so that who guesses passwords from outside does not keep a person who
// is past that from entering a code, or from changing the password.
const (
	guessPassword = "login"
	guessCode     = "code"
	guessProof    = "proof"
)

// count takes an attempt on a login, in lower case, from an address, or returns a [LockedError]. A refused attempt does
// not count: a wait ends when it said it would.
func (s *Store) count(ctx context.Context, guess, login, ip string) (attempt, error) {
	a := attempt{subjects: []subject{{key: s.Key.Sign(guess, []byte(login)), free: freeByLogin, leak: leakByLogin}}}
	if network := networkOf(ip); network != "" {
		a.subjects = append(a.subjects, subject{key: s.Key.Sign("ip", []byte(network)), free: freeByIP, leak: leakByIP})
	}
	slices.SortFunc(a.subjects, func(x, y subject) int { return bytes.Compare(x.key, y.key) })
	now := s.now().UTC().Truncate(time.Microsecond)
	err := s.DB.AsSystem(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, beginSubjects, a.keys(), now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, lockSubjects, a.keys())
		if err != nil {
			return err
		}
		i := 0
		var x subject
		_, err = pgx.ForEachRow(rows, []any{&x.failures, &x.lastAt, &x.blockedUntil}, func() error {
			a.subjects[i].failures, a.subjects[i].lastAt, a.subjects[i].blockedUntil = x.failures, x.lastAt, x.blockedUntil
			i++
			return nil
		})
		if err != nil {
			return err
		}
		if until := a.blockedUntil(); until.After(now) {
			return &LockedError{Wait: until.Sub(now)}
		}
		failures := make([]float64, len(a.subjects))
		for i := range a.subjects {
			a.subjects[i].fail(now)
			failures[i] = a.subjects[i].failures
		}
		_, err = tx.Exec(ctx, countSubjects, a.keys(), failures, a.waits(), now)
		return err
	})
	if locked, ok := errors.AsType[*LockedError](err); ok {
		return attempt{}, locked
	}
	if err != nil {
		return attempt{}, fmt.Errorf("count the attempt: %w", err)
	}
	return a, nil
}

// forgive takes an attempt back that was no failure.
func (s *Store) forgive(ctx context.Context, tx pgx.Tx, a attempt) error {
	if _, err := tx.Exec(ctx, forgiveSubjects, a.keys(), a.waits(), s.now()); err != nil {
		return fmt.Errorf("take the attempt back: %w", err)
	}
	return nil
}

// clear takes an attempt back and forgets the failures on its login: its owner is here. Those from the address stay, or
// one account of their own would give guessers of others' a clean sheet.
func (s *Store) clear(ctx context.Context, tx pgx.Tx, login string, a attempt) error {
	if err := s.forgive(ctx, tx, a); err != nil {
		return err
	}
	keys := [][]byte{s.Key.Sign(guessPassword, []byte(login)), s.Key.Sign(guessCode, []byte(login))}
	if _, err := tx.Exec(ctx, "delete from sign_in_attempts where subject = any($1)", keys); err != nil {
		return fmt.Errorf("forget failed attempts: %w", err)
	}
	return nil
}

func (a attempt) waits() []time.Time {
	waits := make([]time.Time, len(a.subjects))
	for i, s := range a.subjects {
		waits[i] = s.blockedUntil
	}
	return waits
}

func (a attempt) keys() [][]byte {
	keys := make([][]byte, len(a.subjects))
	for i, s := range a.subjects {
		keys[i] = s.key
	}
	return keys
}

// networkOf is what counts as one address: an IPv6 network of 64 bits, since who has one has 2⁶⁴ addresses.
func networkOf(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
