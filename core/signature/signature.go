// Package signature signs webhooks and checks those that others signed: who sent it, that nothing was changed, and that it is no
// copy of an old one.
//
// It knows Standard Webhooks (standardwebhooks.com), by which the hub signs what it sends, and the plain HMAC of the body in a
// header, as GitHub, Shopify or Xero send it, which has no time of its own.
// It leaves to others: keeping the secrets (package secret) and remembering which messages came already.
package signature

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"crmhub/core/secret"
)

// The headers of Standard Webhooks.
const (
	HeaderID        = "Webhook-Id"        // of the message, the same for each attempt
	HeaderTimestamp = "Webhook-Timestamp" // of the attempt, seconds since 1970
	HeaderSignature = "Webhook-Signature" // one or more of "v1,<base64>", separated by spaces
)

// Window is how far the clocks of sender and receiver may be apart, and how old a message may be.
const Window = 5 * time.Minute

// The errors of Verify.
var (
	ErrMissing  = errors.New("the signature is missing")
	ErrMismatch = errors.New("the signature does not fit the body")
	ErrExpired  = errors.New("the message is too old, or a clock is wrong")
)

const secretPrefix = "whsec_"

// NewSecret makes a secret in the form of Standard Webhooks: whsec_ and 32 random bytes in base64.
func NewSecret() secret.Text {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return secret.New(secretPrefix + base64.StdEncoding.EncodeToString(b))
}

// CheckSecret reports whether a text can be a secret of Standard Webhooks: 24 to 64 bytes.
func CheckSecret(s secret.Text) error {
	_, err := keyOf(s)
	return err
}

func keyOf(s secret.Text) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), secretPrefix))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a webhook's secret is whsec_ and 24 to 64 bytes in base64")
	}
	return key, nil
}

// Sign sets the headers of a message to be sent, signed by each of the secrets: two while one replaces the other.
func Sign(h http.Header, id string, at time.Time, body []byte, secrets ...secret.Text) error {
	signed := make([]string, len(secrets))
	timestamp := strconv.FormatInt(at.Unix(), 10)
	for i, s := range secrets {
		key, err := keyOf(s)
		if err != nil {
			return fmt.Errorf("sign message %s: %w", id, err)
		}
		signed[i] = "v1," + base64.StdEncoding.EncodeToString(standard(key, id, timestamp, body))
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, timestamp)
	h.Set(HeaderSignature, strings.Join(signed, " "))
	return nil
}

// standard is the signature of Standard Webhooks: HMAC-SHA-256 of id, timestamp and body, joined by dots.
func standard(key []byte, id, timestamp string, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + timestamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// Verify checks a message received at a time, signed as Standard Webhooks says, and returns its id.
// Errors: [ErrMissing], [ErrMismatch], [ErrExpired].
func Verify(h http.Header, now time.Time, body []byte, s secret.Text) (id string, err error) {
	id, timestamp := h.Get(HeaderID), h.Get(HeaderTimestamp)
	if id == "" || timestamp == "" || h.Get(HeaderSignature) == "" {
		return "", ErrMissing
	}
	key, err := keyOf(s)
	if err != nil {
		return "", err
	}
	want, fits := standard(key, id, timestamp, body), false
	for candidate := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		version, text, _ := strings.Cut(candidate, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		fits = fits || err == nil && version == "v1" && hmac.Equal(got, want)
	}
	if !fits {
		return "", ErrMismatch
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Unix(seconds, 0).Sub(now).Abs() > Window {
		return "", ErrExpired
	}
	return id, nil
}

// VerifyBody checks the HMAC-SHA-256 of the body alone, in hexadecimal or base64, with or without a prefix such as "sha256=".
// Such a message has no id and no time: who receives it must remember what came. Errors: [ErrMissing], [ErrMismatch].
func VerifyBody(given string, body []byte, s secret.Text) error {
	if given == "" {
		return ErrMissing
	}
	m := hmac.New(sha256.New, []byte(s.Reveal()))
	m.Write(body)
	want := m.Sum(nil)
	given = strings.TrimPrefix(given, "sha256=")
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString} {
		if got, err := decode(given); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrMismatch
}
