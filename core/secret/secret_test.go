package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"crmhub/core/secret"
)

func key(t *testing.T, fill byte) secret.Key {
	t.Helper()
	k, err := secret.NewKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignatureHoldsForItsKeyPlaceAndMessageOnly(t *testing.T) {
	t.Parallel()
	k := key(t, 1)
	signature := k.Sign("a b", []byte("c"))
	for name, tc := range map[string]struct {
		key            secret.Key
		place, message string
		signed         bool
	}{
		"the same":        {key(t, 1), "a b", "c", true},
		"another key":     {key(t, 2), "a b", "c", false},
		"another place":   {k, "a", "b c", false},
		"another message": {k, "a b", "d", false},
	} {
		if got := tc.key.Signed(tc.place, []byte(tc.message), signature); got != tc.signed {
			t.Errorf("%s: signed is %v", name, got)
		}
	}
	if k.Signed("a b", []byte("c"), nil) {
		t.Error("no signature is one")
	}
}

func TestNoFormatShowsASecret(t *testing.T) {
	t.Parallel()
	const plain = "hunter2-of-all-places"
	s := secret.New(plain)
	inside := struct{ Password secret.Text }{s}
	hidden := struct{ password secret.Text }{s} // fmt calls no methods on it
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+" "+verb+"\n", s, &s, inside, hidden)
	}
	b, err := json.Marshal(map[string]any{"a": s, "b": inside})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("m", "secret", s, "inside", inside, "error", fmt.Errorf("with %v", s))
	if hex := fmt.Sprintf("%x", plain); bytes.Contains(out.Bytes(), []byte(plain)) || bytes.Contains(out.Bytes(), []byte(hex)) {
		t.Errorf("it shows: %s", out.String())
	}
	if s.Reveal() != plain {
		t.Error("it is lost")
	}
}

func TestSealedSecretsOpenOnlyWithTheirKeyAtTheirPlaceUnchanged(t *testing.T) {
	t.Parallel()
	k, other := key(t, 1), key(t, 2)
	rapid.Check(t, func(r *rapid.T) {
		want := rapid.MapOf(rapid.String(), rapid.String()).Draw(r, "secrets")
		secrets := map[string]secret.Text{}
		for name, value := range want {
			secrets[name] = secret.New(value)
		}
		place := rapid.String().Draw(r, "place")
		sealed, err := k.Seal(place, secrets)
		if err != nil {
			r.Fatal(err)
		}
		opened, err := k.Open(place, sealed)
		if err != nil {
			r.Fatal(err)
		}
		got := map[string]string{}
		for name, value := range opened {
			got[name] = value.Reveal()
		}
		// JSON replaces what is not UTF-8; rapid's strings are.
		if diff := cmp.Diff(want, got); diff != "" {
			r.Error(diff)
		}
		if _, err := other.Open(place, sealed); !errors.Is(err, secret.ErrSealed) {
			r.Errorf("another key gave %v", err)
		}
		if _, err := k.Open(place+"x", sealed); !errors.Is(err, secret.ErrSealed) {
			r.Errorf("another place gave %v", err)
		}
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(r, "at")] ^= 1
		if _, err := k.Open(place, sealed); !errors.Is(err, secret.ErrSealed) {
			r.Errorf("a changed byte gave %v", err)
		}
	})
}

func TestShortKeyIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := secret.NewKey(make([]byte, 31)); err == nil {
		t.Error("31 bytes made a key")
	}
}

func TestNothingSealedOpensAsNothing(t *testing.T) {
	t.Parallel()
	got, err := key(t, 1).Open("here", nil)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := key(t, 1).Open("here", []byte("short")); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("too few bytes gave %v", err)
	}
}

func TestSignaturesTellTextsPlacesAndKeysApart(t *testing.T) {
	t.Parallel()
	k, other := key(t, 1), key(t, 2)
	same, again := k.Sign("login", []byte("ann")), k.Sign("login", []byte("ann"))
	if !bytes.Equal(same, again) || len(same) != 32 {
		t.Errorf("got %x and %x", same, again)
	}
	for name, signature := range map[string][]byte{
		"text": k.Sign("login", []byte("bob")), "place": k.Sign("ip", []byte("ann")), "key": other.Sign("login", []byte("ann")), "cut": k.Sign("logi", []byte("nann")),
	} {
		if bytes.Equal(same, signature) {
			t.Errorf("another %s has the same signature", name)
		}
	}
}
