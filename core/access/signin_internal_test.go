package access

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmhub/core/postgres/postgrestest"
	"crmhub/core/secret"
)

// TestSigningInHashesAsMuchForEverybody counts instead of measuring time: hashing takes tens of milliseconds, all else one or two.
func TestSigningInHashesAsMuchForEverybody(t *testing.T) {
	t.Parallel()
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{DB: postgrestest.New(t), Key: key}
	p := postgrestest.Organization(t, s.DB)
	const password = "correct horse battery"
	for _, login := range []string{"ann", "gone"} {
		u, err := s.AddUser(t.Context(), p, User{Login: login, Name: login}, password)
		if err != nil {
			t.Fatal(err)
		}
		if login == "gone" {
			if err := s.DisableUser(t.Context(), p, u.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	var work []string
	s.check = func(hash, password string) (bool, error) {
		h, err := parseHash(hash)
		work = append(work, fmt.Sprintf("%d KiB, %d passes, %d lanes, %d bytes", h.memory, h.time, h.threads, len(h.key)))
		if err != nil {
			return false, err
		}
		return checkPassword(hash, password)
	}
	for _, in := range []SignIn{
		{Login: "ann", Password: "wrong"},
		{Login: "nobody", Password: password},
		{Login: "gone", Password: password},
		{Login: "gone", Password: "wrong"},
		{},
	} {
		work = nil
		if _, err := s.SignIn(t.Context(), in); !errors.Is(err, ErrSignIn) {
			t.Errorf("%q: %v", in.Login, err)
		}
		if diff := cmp.Diff([]string{"19456 KiB, 2 passes, 1 lanes, 32 bytes"}, work); diff != "" {
			t.Errorf("%q with %q costs (-want +got):\n%s", in.Login, in.Password, diff)
		}
	}
}

func TestWaitsGrowUpToALimit(t *testing.T) {
	t.Parallel()
	for failures, want := range map[float64]time.Duration{
		0: 0, 1: 0, 4: 0, 4.9999: 30 * time.Second, 5: 30 * time.Second, 6: time.Minute, 7: 2 * time.Minute,
		8: 4 * time.Minute, 9: 8 * time.Minute, 10: 15 * time.Minute, 15: 15 * time.Minute, 1e9: 15 * time.Minute,
	} {
		if got := waitAfter(failures, freeByLogin); got != want {
			t.Errorf("after %v failures %v, want %v", failures, got, want)
		}
	}
}

func TestNetworkIsWhatOnePartyHas(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
		"": "", "pipe": "",
	} {
		if got := networkOf(ip); got != want {
			t.Errorf("%q is of %q, want %q", ip, got, want)
		}
	}
}

// The vectors of RFC 6238, appendix B, for SHA-1.
func TestCodesAreThoseOfTheRFC(t *testing.T) {
	t.Parallel()
	key := []byte("12345678901234567890")
	for seconds, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := codeAt(key, stepAt(time.Unix(seconds, 0)), 8); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
	}
	// Appendix D of RFC 4226, whose codes have six digits.
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := codeAt(key, int64(step), 6); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
}

func TestCodeCountsOneStepEarlyOrLateAndOnce(t *testing.T) {
	t.Parallel()
	key := []byte("12345678901234567890")
	now := time.Unix(1_700_000_010, 0)
	at := stepAt(now)
	for name, tc := range map[string]struct {
		step, after int64
		ok          bool
	}{
		"now": {at, 0, true}, "early": {at + 1, 0, true}, "late": {at - 1, 0, true},
		"too early": {at + 2, 0, false}, "too late": {at - 2, 0, false},
		"used": {at, at, false}, "before the used one": {at - 1, at, false}, "after the used one": {at + 1, at, true},
	} {
		step, ok := stepOf(key, codeAt(key, tc.step, codeDigits), now, tc.after)
		if ok != tc.ok || ok && step != tc.step {
			t.Errorf("%s: got step %d, %v", name, step, ok)
		}
	}
}
