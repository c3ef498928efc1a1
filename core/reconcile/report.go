package reconcile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/schema"
	"crmhub/core/secret"
)

// reportFormat names the format of a report file; another one gets another name.
const reportFormat = "crmhub.reconciliation.v1"

// Head is the first line of a report file.
type Head struct {
	Format       string `json:"format"`
	Organization string `json:"organization"` // its code
	Connection   string `json:"connection"`   // its code
	Reconciliation
	Differences int64 `json:"differences"` // lines that follow
}

// seal is the last line of a report file: the hash of all bytes before it, and the signature of that hash.
type seal struct {
	SHA256    string    `json:"sha256"` // hexadecimal
	SignedAt  time.Time `json:"signed_at"`
	PublicKey string    `json:"public_key"` // base64
	Signature string    `json:"signature"`  // base64, Ed25519
}

// signed are the bytes that a signature covers: what kind of thing it is, when, and the hash.
func (s seal) signed() []byte {
	return []byte(reportFormat + "\n" + s.SignedAt.UTC().Format(time.RFC3339Nano) + "\n" + s.SHA256)
}

// Names are what a report calls an organization and a connection, whose ids say nothing to an auditor.
type Names struct{ Organization, Connection string }

const allDifferences = `select ` + differenceColumns + ` from differences d where d.reconciliation_id = $1 order by d.id`

// Report writes a reconciliation that has ended as a file of JSON lines: its counts and sums, each difference, and a
// signature over all of it. Errors: [ErrNotFound], [ErrRunning].
func Report(ctx context.Context, tx pgx.Tx, key secret.Key, names Names, id uuid.UUID, at time.Time, w io.Writer) error {
	r, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if r.Verdict == Running {
		return ErrRunning
	}
	head := Head{Format: reportFormat, Organization: names.Organization, Connection: names.Connection, Reconciliation: r}
	if err := tx.QueryRow(ctx, `select count(*) from differences where reconciliation_id = $1`, id).Scan(&head.Differences); err != nil {
		return fmt.Errorf("report of a reconciliation: %w", err)
	}
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(w, sum))
	lines.SetEscapeHTML(false)
	if err := lines.Encode(head); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	rows, _ := tx.Query(ctx, allDifferences, id)
	defer rows.Close()
	for rows.Next() {
		d, err := scanDifference(rows)
		if err == nil {
			err = lines.Encode(d)
		}
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read differences: %w", err)
	}
	private := key.Notary()
	public, _ := private.Public().(ed25519.PublicKey)
	s := seal{SHA256: hex.EncodeToString(sum.Sum(nil)), SignedAt: at.UTC(), PublicKey: base64.StdEncoding.EncodeToString(public)}
	s.Signature = base64.StdEncoding.EncodeToString(ed25519.Sign(private, s.signed()))
	end, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if _, err := w.Write(append(end, '\n')); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// The errors of a report that does not verify.
var (
	ErrForged    = errors.New("the report was changed after it was signed, or its signature is none")
	ErrOtherKey  = errors.New("the report was signed with another key")
	ErrNoReport  = errors.New("the file is no report of a reconciliation")
	ErrTruncated = errors.New("the report has fewer differences than it says")
)

// Verified is a report whose signature holds.
type Verified struct {
	Head
	SignedAt  time.Time
	PublicKey ed25519.PublicKey
	SHA256    string
}

// Verify reads a report file and checks its signature against a public key. Errors: [ErrNoReport], [ErrForged], [ErrOtherKey],
// [ErrTruncated].
func Verify(r io.Reader, key ed25519.PublicKey) (v Verified, err error) {
	in := bufio.NewReader(r)
	sum := sha256.New()
	first, err := line(in)
	if err != nil || json.Unmarshal(first, &v.Head) != nil || v.Format != reportFormat {
		return v, ErrNoReport
	}
	last, lines, err := hashed(in, sum, first)
	if err != nil {
		return v, err
	}
	var s seal
	d := json.NewDecoder(bytes.NewReader(last))
	d.DisallowUnknownFields()
	if d.Decode(&s) != nil || s.Signature == "" {
		return v, ErrForged
	}
	public, errKey := base64.StdEncoding.DecodeString(s.PublicKey)
	signature, errSignature := base64.StdEncoding.DecodeString(s.Signature)
	switch {
	case errKey != nil || errSignature != nil:
		return v, ErrForged
	case !key.Equal(ed25519.PublicKey(public)):
		return v, ErrOtherKey
	case s.SHA256 != hex.EncodeToString(sum.Sum(nil)) || !ed25519.Verify(key, s.signed(), signature):
		return v, ErrForged
	case lines != v.Differences:
		return v, ErrTruncated
	}
	v.SignedAt, v.PublicKey, v.SHA256 = s.SignedAt, key, s.SHA256
	return v, nil
}

// hashed hashes all lines but the last, which it returns with the number of lines between it and the first.
func hashed(in *bufio.Reader, sum hash.Hash, before []byte) (last []byte, between int64, err error) {
	for {
		next, err := line(in)
		if errors.Is(err, io.EOF) {
			return before, between - 1, nil
		}
		if err != nil {
			return nil, 0, err
		}
		_, _ = sum.Write(before) // it never fails
		before, between = next, between+1
	}
}

// longest is how long a line may be: a difference is as large as two records at most.
const longest = 64 << 20

// line returns the next line with its end; io.EOF after the last. What lacks its end was cut off.
func line(in *bufio.Reader) ([]byte, error) {
	var whole []byte
	for {
		part, err := in.ReadSlice('\n')
		whole = append(whole, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(whole) < longest:
			continue
		case errors.Is(err, io.EOF) && len(whole) == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return nil, ErrForged
		case err != nil:
			return nil, fmt.Errorf("read the report: %w", err)
		}
		return whole, nil
	}
}

// ParsePublicKey reads a public key as reports print it.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, schema.Violations{{Pointer: "/key", Rule: "format", Message: "must be an Ed25519 public key in base64"}}
	}
	return b, nil
}
