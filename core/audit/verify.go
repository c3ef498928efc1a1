package audit

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"crmhub/core/secret"
)

// Kind says what is wrong with a trail.
type Kind string

// The kinds.
const (
	Changed   Kind = "changed"   // the entry is not the one that was sealed
	Missing   Kind = "missing"   // there is no entry with this number
	Inserted  Kind = "inserted"  // the entry was not sealed here
	Truncated Kind = "truncated" // the trail ends before this number, where it once went on
	Rewritten Kind = "rewritten" // the trail holds by itself, but does not end as it was signed, or lacks the hash that was noted
	Unsigned  Kind = "unsigned"  // before this entry the trail did not end as it was signed; the hub noticed when it went on
)

// Explain says what the kind means, of an entry.
func (k Kind) Explain() string {
	switch k {
	case Changed:
		return "it is not the one that was sealed"
	case Missing:
		return "it is missing"
	case Inserted:
		return "it was not sealed here"
	case Truncated:
		return "the trail ends before it, where it once went on"
	case Rewritten:
		return "the trail holds by itself, but does not end as it was signed, or lacks the hash that was noted"
	case Unsigned:
		return "before it the trail did not end as it was signed"
	}
	return string(k)
}

// Fault is the first break of a trail.
type Fault struct {
	Number int64 `json:"number"`
	Kind   Kind  `json:"kind"`
}

// Range is the part of a trail to verify.
type Range struct {
	From  int64 // the first entry; 0 is 1. The one before it is believed.
	Limit int64 // how many at most; 0: all
	Noted *Hash // a hash noted down elsewhere, which must be among them
}

// Report is what Verify found.
type Report struct {
	Intact  bool   `json:"intact"`
	Entries int64  `json:"entries"` // that hold
	Last    int64  `json:"last"`    // the number of the last of them; 0 if there is none
	Hash    Hash   `json:"hash"`    // of that one: to be noted down elsewhere
	Fault   *Fault `json:"fault,omitempty"`
	More    bool   `json:"more"`   // the limit ended it before the trail did
	Erased  int64  `json:"erased"` // of those that hold: their detail was taken out at somebody's request
}

const (
	selectChain = `
select number, at, actor, action, entity, entity_id, coalesce(version, 0), coalesce(detail::text, ''), previous_hash, hash, salt, digest, erased_at
from audit_log
where number >= $1
order by number
limit nullif($2::bigint, 0)`
	selectPending = `select detail::text from audit_acts where action = $1 and entity = $2`
	selectBefore  = `select hash from audit_log where number = $1`
	selectHead    = `select number, hash, signature from audit_heads`
)

// Verify recomputes a trail of the transaction's organization, reading it once, entry by entry, and compares its end with the
// signed head. The transaction must not have read anything yet. Errors are those of the database: what is wrong with the
// trail is in the report.
func Verify(ctx context.Context, tx pgx.Tx, key secret.Key, organization uuid.UUID, r Range) (Report, error) {
	// The head and the entries must be of one moment.
	_, err := tx.Exec(ctx, "set transaction isolation level repeatable read, read only")
	var report Report
	if err == nil {
		report, err = recompute(ctx, tx, key, organization, r)
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify the audit trail: %w", err)
	}
	return report, nil
}

func recompute(ctx context.Context, tx pgx.Tx, key secret.Key, organization uuid.UUID, r Range) (Report, error) {
	v := verifier{organization: organization, noted: r.Noted, next: max(r.From, 1)}
	v.last = v.next - 1
	if v.last > 0 {
		var before []byte
		if err := tx.QueryRow(ctx, selectBefore, v.last).Scan(&before); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return Report{}, err
		}
		v.hash = toHash(before)
	}
	signed, err := readSigned(ctx, tx, key, organization)
	if err != nil {
		return Report{}, err
	}
	more, err := v.walk(ctx, tx, r.Limit)
	if err != nil {
		return Report{}, err
	}
	if v.fault == nil && !more {
		v.fault = v.end(signed)
	}
	if v.fault == nil && !more && len(v.unsaid) > 0 {
		if err := v.allSaid(ctx, tx); err != nil {
			return Report{}, err
		}
	}
	if v.fault == nil && !more && v.noted != nil {
		v.fault = &Fault{v.last, Rewritten}
	}
	return Report{Intact: v.fault == nil, Entries: v.entries, Last: v.last, Hash: v.hash, Fault: v.fault, More: more && v.fault == nil, Erased: v.erased}, nil
}

// verifier walks along a trail.
type verifier struct {
	organization uuid.UUID
	chain        chain
	noted        *Hash // nil once it was found
	next         int64 // the number that comes next
	entries      int64 // that hold so far
	last         int64 // the last that holds
	hash         Hash  // its hash
	before       Hash  // the hash of the one before it
	fault        *Fault
	erased       int64   // of those that hold
	unsaid       []int64 // those of them of which nothing in the trail has said yet that they are
}

// walk reads entries until one does not hold, and reports whether there are more than limit.
func (v *verifier) walk(ctx context.Context, tx pgx.Tx, limit int64) (more bool, err error) {
	ask := limit
	if limit > 0 {
		ask++
	}
	from := v.next
	if from == 1 {
		from = math.MinInt64 // whatever somebody put before
	}
	rows, err := tx.Query(ctx, selectChain, from, ask)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var s scanned
	for rows.Next() {
		if limit > 0 && v.entries == limit {
			return true, nil
		}
		if err := rows.Scan(s.targets()...); err != nil {
			return false, err
		}
		if v.fault = v.check(s.entry()); v.fault != nil {
			return false, nil
		}
	}
	return false, rows.Err()
}

// check says what is wrong with the entry that comes next, given that those before it hold.
func (v *verifier) check(e *Entry) *Fault {
	switch {
	case e.Number > v.next:
		return &Fault{v.next, Missing}
	case e.Number < v.next:
		return &Fault{e.Number, Inserted}
	case !e.lacks() && v.chain.hash(v.organization, e) != e.Hash, !e.holds():
		return &Fault{e.Number, Changed}
	case e.PreviousHash != v.hash && v.entries > 0 && e.PreviousHash == v.before:
		// It follows the one before the last: the last came in between, with a hash of its own.
		return &Fault{v.last, Inserted}
	case e.PreviousHash != v.hash:
		// The last was changed together with its hash; of the first there is none before.
		return &Fault{max(v.last, 1), Changed}
	case e.Action == unsigned && e.Entity == "audit":
		return &Fault{e.Number, Unsigned}
	}
	if e.ErasedAt != nil {
		v.erased++
		v.unsaid = append(v.unsaid, e.Number)
	}
	if e.Action == erasing && e.Entity == "audit" {
		v.said(e.Detail)
	}
	v.before, v.hash = v.hash, e.Hash
	v.entries, v.last, v.next = v.entries+1, e.Number, e.Number+1
	if v.noted != nil && e.Hash == *v.noted {
		v.noted = nil
	}
	return nil
}

// signedEnd is the head of a trail.
type signedEnd struct {
	number int64
	hash   Hash
	holds  bool // the signature is the installation's
}

func readSigned(ctx context.Context, tx pgx.Tx, key secret.Key, organization uuid.UUID) (*signedEnd, error) {
	var s signedEnd
	var hash, signature []byte
	err := tx.QueryRow(ctx, selectHead).Scan(&s.number, &hash, &signature)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // there is none
	}
	s.hash = toHash(hash)
	s.holds = err == nil && key.Signed(headPlace, signedHead(organization, s.number, s.hash), signature)
	return &s, err
}

// end says what is wrong with where the trail ends.
func (v *verifier) end(signed *signedEnd) *Fault {
	switch {
	case signed == nil && v.last == 0:
		return nil
	case signed != nil && signed.holds && v.entries == 0 && v.last > signed.number:
		return nil // asked for from behind the end
	case signed == nil || !signed.holds:
		return &Fault{v.last, Rewritten}
	case signed.number > v.last:
		return &Fault{v.next, Truncated}
	case signed.number < v.last:
		return &Fault{signed.number + 1, Inserted}
	case signed.hash != v.hash:
		return &Fault{v.last, Rewritten}
	}
	return nil
}

// scanned is a row of the trail as it is read; the next one takes its place.
type scanned struct {
	e                          Entry
	at                         pgtype.Timestamptz
	id                         pgtype.UUID
	detail, previousHash, hash []byte
	salt, digest               []byte
	erasedAt                   pgtype.Timestamptz
	entity                     uuid.UUID
}

func (s *scanned) targets() []any {
	return []any{&s.e.Number, &s.at, &s.e.Actor, &s.e.Action, &s.e.Entity, &s.id, &s.e.Version, &s.detail, &s.previousHash, &s.hash, &s.salt, &s.digest, &s.erasedAt}
}

func (s *scanned) entry() *Entry {
	s.e.At, s.e.EntityID, s.e.Detail = s.at.Time.UTC(), nil, s.detail
	if s.id.Valid {
		s.entity = s.id.Bytes
		s.e.EntityID = &s.entity
	}
	s.e.PreviousHash, s.e.Hash = toHash(s.previousHash), toHash(s.hash)
	s.e.Salt, s.e.Digest, s.e.ErasedAt = s.salt, nil, nil
	if s.digest != nil {
		d := toHash(s.digest)
		s.e.Digest = &d
	}
	if s.erasedAt.Valid {
		at := s.erasedAt.Time.UTC()
		s.e.ErasedAt = &at
	}
	return &s.e
}
