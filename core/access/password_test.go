package access

import "testing"

func FuzzParseHash(f *testing.F) {
	f.Add(Cost{}.hash("x"))
	f.Add(Cost{}.nobodys())
	f.Add("$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err == nil && (h.memory > 1<<20 || h.time > 16 || len(h.key) > 64) {
			t.Errorf("%q would cost too much to check", s)
		}
	})
}

func TestPasswordMatchesItsOwnHashOnly(t *testing.T) {
	t.Parallel()
	a, b := Cost{}.hash("one password"), Cost{}.hash("one password")
	if a == b {
		t.Error("two hashes of a password are equal: there is no salt")
	}
	for password, want := range map[string]bool{"one password": true, "another password": false, "": false} {
		got, err := checkPassword(a, password)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", password, got, err, want)
		}
	}
	if ok, err := checkPassword(Cost{}.nobodys(), ""); ok || err != nil {
		t.Errorf("nobody's hash: %v, %v", ok, err)
	}
}
