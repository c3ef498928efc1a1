package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"
)

// A write with an Idempotency-Key happens once. Its answer is stored by the transaction that does it, so that there is
// never an effect without the answer, nor an answer without the effect. Only success is kept: what failed changed
// nothing and may be tried again under the same key.

var idempotencyKeyForm = regexp.MustCompile(`^[\x21-\x7e]{1,128}$`)

func idempotencyKeyParameter() *huma.Param {
	return &huma.Param{
		Name: "Idempotency-Key", In: "header",
		Description: "Makes the write safe to repeat: the same key with the same request gives the first answer again " +
			"(Idempotency-Replayed: true), with another request 422, while the first still runs 409. Kept for 24 hours.",
		Schema: &huma.Schema{Type: huma.TypeString, Pattern: idempotencyKeyForm.String()},
	}
}

func (c *call) idempotencyKey() (key string, given bool) {
	_, given = c.request.Header["Idempotency-Key"]
	return c.request.Header.Get("Idempotency-Key"), given
}

// write runs do in a transaction of the caller, at most once per Idempotency-Key.
func (s *server) write(ctx context.Context, c *call, do func(tx pgx.Tx) (answer, error)) (answer, error) {
	key, given := c.idempotencyKey()
	var a answer
	err := s.DB.As(ctx, c.who.Principal, func(tx pgx.Tx) (err error) {
		if !given {
			a, err = do(tx)
			return err
		}
		a, err = once(ctx, tx, key, c.digest(), do)
		return err
	})
	return a, err
}

// The lock is the request in flight: it is gone with its transaction, however that ends, and unlike an inserted row
// it does not make a second request wait.
const (
	lockKeySQL   = `select pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || crmhub_actor() || ' ' || crmhub_organization(), 0))`
	findKeySQL   = `select request_digest = $2, status, etag, location, body from idempotency_keys where actor = crmhub_actor() and key = $1`
	insertKeySQL = `insert into idempotency_keys (key, request_digest, status, etag, location, body) values ($1, $2, $3, $4, $5, $6)`
)

func once(ctx context.Context, tx pgx.Tx, key string, digest []byte, do func(tx pgx.Tx) (answer, error)) (answer, error) {
	var free bool
	if err := tx.QueryRow(ctx, lockKeySQL, key).Scan(&free); err != nil {
		return answer{}, fmt.Errorf("lock idempotency key: %w", err)
	}
	if !free {
		return answer{}, &Problem{
			Type: problemType("in-flight"), Title: "The request is still running", Status: http.StatusConflict,
			Detail: "A request with this Idempotency-Key has not ended yet. Repeat it in a moment.",
			header: http.Header{"Retry-After": {"1"}},
		}
	}
	a, same := answer{Replayed: true}, false
	err := tx.QueryRow(ctx, findKeySQL, key, digest).Scan(&same, &a.Status, &a.ETag, &a.Location, &a.Body)
	switch {
	case err == nil && same && a.Status == http.StatusGone: // what it said of a person was erased (package privacy)
		return answer{}, &Problem{
			Type: problemType("answer-erased"), Title: "The answer was erased", Status: http.StatusConflict,
			Detail: "This request was done. Its answer held data that were erased since, and it is not done again.",
		}
	case err == nil && same:
		return a, nil
	case err == nil:
		return answer{}, &Problem{
			Type: problemType("key-reused"), Title: "The key belongs to another request", Status: http.StatusUnprocessableEntity,
			Detail:     "This Idempotency-Key came with another request before.",
			Violations: []Violation{{Parameter: "Idempotency-Key", Rule: "unique", Message: "came with another request before"}},
		}
	case !errors.Is(err, pgx.ErrNoRows):
		return answer{}, fmt.Errorf("find idempotency key: %w", err)
	}
	if a, err = do(tx); err != nil {
		return answer{}, err
	}
	if _, err := tx.Exec(ctx, insertKeySQL, key, digest, a.Status, a.ETag, a.Location, a.Body); err != nil {
		return answer{}, fmt.Errorf("keep the answer for its idempotency key: %w", err)
	}
	return a, nil
}

// digest tells requests apart that came with the same key.
func (c *call) digest() []byte {
	h := sha256.New()
	r := c.request
	fmt.Fprintf(h, "%s %s\n%s\n", r.Method, r.URL.RequestURI(), r.Header.Get("If-Match"))
	h.Write(c.body)
	return h.Sum(nil)
}
