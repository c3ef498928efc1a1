package signature_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"crmhub/core/secret"
	"crmhub/core/signature"
)

var at = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)

// The example of the specification's own libraries: secret, message and signature as published.
func TestSignatureIsTheOneOfTheSpecification(t *testing.T) {
	t.Parallel()
	h := http.Header{}
	when := time.Unix(1614265330, 0)
	body := []byte(`{"test": 2432232314}`)
	s := secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err := signature.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", when, body, s); err != nil {
		t.Fatal(err)
	}
	if got, want := h.Get(signature.HeaderSignature), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestWhatWasSignedIsVerifiedAndNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		id := rapid.StringMatching(`[a-z0-9_-]{1,40}`).Draw(t, "id")
		old, s := signature.NewSecret(), signature.NewSecret()
		h := http.Header{}
		if err := signature.Sign(h, id, at, body, old, s); err != nil {
			t.Fatal(err)
		}
		if got, err := signature.Verify(h, at.Add(signature.Window), body, s); err != nil || got != id {
			t.Fatalf("got %q, %v", got, err)
		}
		if _, err := signature.Verify(h, at, append(bytes.Clone(body), 'x'), s); !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("a longer body: %v", err)
		}
		if _, err := signature.Verify(h, at, body, signature.NewSecret()); !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("another secret: %v", err)
		}
		for _, now := range []time.Time{at.Add(signature.Window + time.Second), at.Add(-signature.Window - time.Second)} {
			if _, err := signature.Verify(h, now, body, s); !errors.Is(err, signature.ErrExpired) {
				t.Fatalf("at %v: %v", now, err)
			}
		}
		for _, name := range []string{signature.HeaderID, signature.HeaderTimestamp, signature.HeaderSignature} {
			without := h.Clone()
			without.Del(name)
			if _, err := signature.Verify(without, at, body, s); !errors.Is(err, signature.ErrMissing) {
				t.Fatalf("without %s: %v", name, err)
			}
		}
		forged := h.Clone()
		forged.Set(signature.HeaderTimestamp, "9"+h.Get(signature.HeaderTimestamp))
		if _, err := signature.Verify(forged, at, body, s); !errors.Is(err, signature.ErrMismatch) {
			t.Fatalf("another time: %v", err)
		}
	})
}

func TestBodyAloneIsVerifiedInTheFormsThereAre(t *testing.T) {
	t.Parallel()
	// HMAC-SHA-256 of "Hello, World!" with the secret of GitHub's documentation.
	const hexadecimal = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	const encoded = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="
	s, body := secret.New("It's a Secret to Everybody"), []byte("Hello, World!")
	for _, given := range []string{hexadecimal, "sha256=" + hexadecimal, strings.ToUpper(hexadecimal), encoded} {
		if err := signature.VerifyBody(given, body, s); err != nil {
			t.Errorf("%s: %v", given, err)
		}
	}
	if err := signature.VerifyBody("", body, s); !errors.Is(err, signature.ErrMissing) {
		t.Errorf("none: %v", err)
	}
	for _, given := range []string{"sha256=", "00" + hexadecimal[2:], "sha1=" + hexadecimal, encoded[1:]} {
		if err := signature.VerifyBody(given, body, s); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s: %v", given, err)
		}
	}
}

func TestSecretOfAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "whsec_", "whsec_c2hvcnQ=", "hunter2", "whsec_" + strings.Repeat("AAAA", 22)} {
		if signature.CheckSecret(secret.New(s)) == nil {
			t.Errorf("%q is taken for a secret", s)
		}
	}
	if err := signature.CheckSecret(signature.NewSecret()); err != nil {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("msg_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte("{}"))
	f.Add("", "", "v1a,x v1,", []byte(nil))
	s := signature.NewSecret()
	f.Fuzz(func(t *testing.T, id, timestamp, signed string, body []byte) {
		h := http.Header{}
		h.Set(signature.HeaderID, id)
		h.Set(signature.HeaderTimestamp, timestamp)
		h.Set(signature.HeaderSignature, signed)
		if _, err := signature.Verify(h, at, body, s); err == nil {
			t.Error("a signature without the secret fits")
		}
	})
}
