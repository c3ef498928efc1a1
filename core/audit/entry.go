// Package audit keeps the trail: who did what to what, with before and after, in an order that cannot be changed unnoticed.
//
// [Record] writes an act down in the transaction that does it; changes of entities are taken from the outbox, where they
// stand anyway. [Sealer] takes both up in the order of their commits, exactly once, and chains them: each entry's hash
// covers the one before, and the last one is signed with the installation's key. [Verify] recomputes all of it and says
// where it breaks. The README has the encoding that is hashed, what is found and what is not.
package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Entry is one line of an organization's trail.
type Entry struct {
	Number       int64           `json:"number"` // 1, 2, 3 … without a gap
	At           time.Time       `json:"at"`     // when the transaction began
	Actor        string          `json:"actor"`  // user:<id>, token:<id>, connection:<id> or system
	Action       string          `json:"action"`
	Entity       string          `json:"entity"`
	EntityID     *uuid.UUID      `json:"entity_id,omitempty"`
	Version      int64           `json:"version,omitempty"` // that it has since; 0 where there are none
	Detail       json.RawMessage `json:"detail,omitempty"`  // of a creation the entity, of an update {"field": [before, after]}
	Salt         Salt            `json:"salt,omitempty"`
	Digest       *Hash           `json:"digest,omitempty"`    // SHA-256 of salt and detail: what is hashed instead of the detail
	ErasedAt     *time.Time      `json:"erased_at,omitempty"` // when the detail was taken out, at somebody's request
	PreviousHash Hash            `json:"previous_hash"`
	Hash         Hash            `json:"hash"`
}

// Hash is a SHA-256, in hexadecimal wherever it is written as text.
type Hash [sha256.Size]byte

// ErrHash says that a text is no Hash.
var ErrHash = errors.New("a hash is 64 hexadecimal digits")

// String returns the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash in lower-case hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what String wrote.
func (h *Hash) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(make([]byte, len(b)/2+1), b); err != nil || n != len(h) {
		return ErrHash
	}
	_, _ = hex.Decode(h[:], b)
	return nil
}

// Salt keeps a digest from being found again by trying details. It is in hexadecimal wherever it is written as text.
type Salt []byte

// MarshalText writes the salt in lower-case hexadecimal.
func (s Salt) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Salt) UnmarshalText(b []byte) (err error) {
	*s, err = hex.AppendDecode(nil, b)
	return err
}

// digest is the SHA-256 of a salt and a detail.
func digest(salt Salt, detail []byte) Hash {
	h := sha256.New()
	_, _ = h.Write(salt)
	_, _ = h.Write(detail)
	return Hash(h.Sum(nil))
}

// conceal gives the entry's detail a salt and a digest.
func (e *Entry) conceal() {
	if len(e.Detail) == 0 {
		return
	}
	e.Salt = make(Salt, saltSize)
	_, _ = rand.Read(e.Salt) // it never fails (crypto/rand)
	d := digest(e.Salt, e.Detail)
	e.Digest = &d
}

const saltSize = 16

// chain computes hashes; it is there to keep a buffer.
type chain struct{ buffer bytes.Buffer }

// hash is the hash that e must have: SHA-256 of the previous hash and its fields, each as its length and its text.
func (c *chain) hash(organization uuid.UUID, e *Entry) Hash {
	b := &c.buffer
	b.Reset()
	b.Write(e.PreviousHash[:])
	var entityID, version string
	if e.EntityID != nil {
		entityID = e.EntityID.String()
	}
	if e.Version != 0 {
		version = strconv.FormatInt(e.Version, 10)
	}
	for _, field := range [...]string{
		organization.String(), strconv.FormatInt(e.Number, 10), e.At.UTC().Format("2006-01-02T15:04:05.000000Z"),
		e.Actor, e.Action, e.Entity, entityID, version,
	} {
		writeLength(b, len(field))
		b.WriteString(field)
	}
	if e.Digest != nil {
		const form = "sha256:"
		writeLength(b, len(form)+2*len(e.Digest))
		b.WriteString(form)
		b.Write(hex.AppendEncode(b.AvailableBuffer(), e.Digest[:]))
	} else { // no detail, or sealed before there were digests
		writeLength(b, len(e.Detail))
		b.Write(e.Detail)
	}
	return sha256.Sum256(b.Bytes())
}

// writeLength writes a length as four bytes, the highest first. PostgreSQL holds no value of 1 GiB or more.
func writeLength(b *bytes.Buffer, n int) {
	b.Write(binary.BigEndian.AppendUint32(b.AvailableBuffer(), uint32(n))) //nolint:gosec // see above
}

// signedHead is what the signature of a trail's last entry covers.
func signedHead(organization uuid.UUID, number int64, h Hash) []byte {
	return []byte(organization.String() + " " + strconv.FormatInt(number, 10) + " " + h.String())
}

// headPlace tells signatures of heads from those of other things.
const headPlace = "audit head"
