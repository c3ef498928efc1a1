package access

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what it costs to try a password: argon2id on one lane. A hash carries its own, so those kept stay good when it changes.
// The zero value is what OWASP recommends, 19 MiB and two passes.
type Cost struct {
	Memory uint32 // KiB
	Passes uint32
}

const (
	saltBytes = 16
	keyBytes  = 32
)

// hash returns the password's hash in the PHC string format, with a salt of its own.
func (c Cost) hash(password string) string {
	c = c.orDefault()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails, it says
	return c.format(salt, argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, 1, keyBytes))
}

// nobodys is a hash to compare with when there is no user, so that the answer takes as long as for one.
func (c Cost) nobodys() string {
	return c.orDefault().format(make([]byte, saltBytes), make([]byte, keyBytes))
}

func (c Cost) format(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, c.Memory, c.Passes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func (c Cost) orDefault() Cost {
	return Cost{Memory: cmp.Or(c.Memory, 19456), Passes: cmp.Or(c.Passes, 2)}
}

// checkPassword compares in constant time.
func checkPassword(hash, password string) (bool, error) {
	h, err := parseHash(hash)
	if err != nil {
		return false, err
	}
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(key, h.key) == 1, nil
}

type passwordHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

var errHash = errors.New("the stored password hash is malformed")

func parseHash(s string) (passwordHash, error) {
	var h passwordHash
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return h, errHash
	}
	var err error
	if h.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return h, errHash
	}
	if h.key, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return h, errHash
	}
	// A hash is our own, yet a row gone wrong must not ask for all the memory there is.
	if h.memory > 1<<20 || h.time == 0 || h.time > 16 || h.threads == 0 || len(h.salt) < 8 || len(h.key) < 16 || len(h.key) > 64 {
		return h, errHash
	}
	return h, nil
}
