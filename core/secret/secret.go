// Package secret holds values that must not be seen: a text that prints as •••, and the key that seals such texts at rest
// and signs what must not be forged or told.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "•••"

// Text is a secret string. However it is printed, logged or marshalled, it shows •••; Reveal gives the value.
// The zero value is no secret.
type Text struct {
	value *string // fmt reads past the methods of what lies in an unexported field, but not through its pointers
}

// New wraps a secret.
func New(value string) Text { return Text{&value} }

// Reveal returns the secret itself, to be handed to the one place that needs it.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.Reveal() == "" }

// String hides the secret.
func (t Text) String() string { return redacted }

// Format hides the secret from every verb.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue hides the secret from logs.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from JSON and YAML.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the secret from a flag or an environment variable.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

// Key seals and opens secrets with AES-256-GCM, and signs with HMAC-SHA-256. The zero value has no key material: it can
// do neither.
type Key struct {
	aead    cipher.AEAD
	signing *[sha256.Size]byte // behind a pointer, where fmt does not look
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.aead == nil }

// NewKey derives a key from at least 32 bytes of key material.
func NewKey(material []byte) (Key, error) {
	if len(material) < 32 {
		return Key{}, fmt.Errorf("a sealing key needs 32 bytes, not %d", len(material))
	}
	sum := sha256.Sum256(material)
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return Key{}, fmt.Errorf("sealing key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Key{}, fmt.Errorf("sealing key: %w", err)
	}
	derived, err := hkdf.Expand(sha256.New, sum[:], "crmhub signing", sha256.Size)
	if err != nil {
		return Key{}, fmt.Errorf("signing key: %w", err)
	}
	return Key{aead, (*[sha256.Size]byte)(derived)}, nil
}

// Sign returns a signature that only holders of the key can make: 32 bytes, equal for equal messages of a place, from which
// nobody without the key can tell the message, not even by trying. place says what kind of thing is signed, so that the
// signature of one is not one of another.
func (k Key) Sign(place string, message []byte) []byte {
	h := hmac.New(sha256.New, k.signing[:])
	_, _ = fmt.Fprintf(h, "%d %s ", len(place), place)
	_, _ = h.Write(message)
	return h.Sum(nil)
}

// Signed reports whether Sign made the signature of this message, in constant time.
func (k Key) Signed(place string, message, signature []byte) bool {
	return hmac.Equal(k.Sign(place, message), signature)
}

// Notary returns the Ed25519 key that signs what others are to verify, such as an auditor: they need its public half only,
// which is the same as long as the key material is.
func (k Key) Notary() ed25519.PrivateKey {
	seed, err := hkdf.Expand(sha256.New, k.signing[:], "crmhub notary", ed25519.SeedSize)
	if err != nil {
		panic(err) // the length is right, and nothing else is wrong with it
	}
	return ed25519.NewKeyFromSeed(seed)
}

// ErrSealed is returned when sealed bytes cannot be opened: another key sealed them, or they were changed.
var ErrSealed = errors.New("the sealed secret cannot be opened: wrong key, wrong place or damaged")

// Seal encrypts named secrets. place binds the result to where it is stored (such as a connection's id),
// so that sealed bytes copied elsewhere do not open.
func (k Key) Seal(place string, secrets map[string]Text) ([]byte, error) {
	plain := make(map[string]string, len(secrets))
	for name, t := range secrets {
		plain[name] = t.Reveal()
	}
	b, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("seal secrets: %w", err)
	}
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce) // it never fails (crypto/rand)
	return k.aead.Seal(nonce, nonce, b, []byte(place)), nil
}

// Open decrypts what Seal made for the same place. No bytes give no secrets.
func (k Key) Open(place string, sealed []byte) (map[string]Text, error) {
	if len(sealed) == 0 {
		return map[string]Text{}, nil
	}
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	b, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(place))
	if err != nil {
		return nil, ErrSealed
	}
	var plain map[string]string
	if err := json.Unmarshal(b, &plain); err != nil {
		return nil, ErrSealed
	}
	secrets := make(map[string]Text, len(plain))
	for name, v := range plain {
		secrets[name] = New(v)
	}
	return secrets, nil
}
