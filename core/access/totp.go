package access

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, the only one that every authenticator app knows; HMAC needs no more
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// Codes as every authenticator app makes them: HMAC-SHA-1, six digits, a step of 30 seconds (RFC 6238, RFC 4226).
const (
	codeDigits  = 6
	codeStep    = 30 * time.Second
	drift       = 1 // steps that a phone's clock may be wrong
	factorBytes = 20
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding) //nolint:gochecknoglobals // a constant

// stepAt numbers the steps from the Unix epoch.
func stepAt(t time.Time) int64 { return t.Unix() / int64(codeStep/time.Second) }

// codeAt is the code of a step: HOTP (RFC 4226, section 5.3) of its number.
func codeAt(key []byte, step int64, digits int) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	number := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	modulus := uint32(1)
	for range digits {
		modulus *= 10
	}
	return fmt.Sprintf("%0*d", digits, number%modulus)
}

// stepOf finds the step whose code it is, after a step whose code was used already. It looks at every step there is to be
// looked at, so that how long it takes tells nothing.
func stepOf(key []byte, code string, now time.Time, after int64) (step int64, ok bool) {
	for i := stepAt(now) - drift; i <= stepAt(now)+drift; i++ {
		if subtle.ConstantTimeCompare([]byte(codeAt(key, i, codeDigits)), []byte(code)) == 1 && i > after {
			step, ok = i, true
		}
	}
	return step, ok
}

// factorURI is what an authenticator app takes, mostly as a QR code: the key URI format that they have in common.
func factorURI(login string, key []byte) string {
	query := url.Values{
		"secret": {base32Text.EncodeToString(key)}, "issuer": {"crmhub"}, "algorithm": {"SHA1"},
		"digits": {fmt.Sprint(codeDigits)}, "period": {fmt.Sprint(int(codeStep.Seconds()))},
	}
	return "otpauth://totp/" + url.PathEscape("crmhub:"+login) + "?" + query.Encode()
}
