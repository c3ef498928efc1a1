package access_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const password = "correct horse battery"

// house is an organization with a user, and a clock that the test moves.
type house struct {
	*access.Store
	who  postgres.Principal
	user access.User
	now  time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return openHouse(t, postgrestest.New(t), "ann")
}

func openHouse(t *testing.T, db *postgres.DB, login string) *house {
	t.Helper()
	h := &house{who: postgrestest.Organization(t, db), now: time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)}
	key, err := secret.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	h.Store = &access.Store{DB: db, Key: key, Now: func() time.Time { return h.now }, Passwords: access.Cost{Memory: 8, Passes: 1}}
	h.user, err = h.AddUser(t.Context(), h.who, access.User{Login: login, Name: "Ann", Locale: "zh-CN"}, password)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) signIn(t *testing.T) string {
	t.Helper()
	entry, err := h.SignIn(t.Context(), access.SignIn{Login: h.user.Login, Password: password, IP: "::1", UserAgent: "test"})
	if err != nil || entry.Pending != "" {
		t.Fatalf("%v, waiting: %v", err, entry.Pending != "")
	}
	return entry.Session
}

// signedIn is who has a session.
func (h *house) signedIn(t *testing.T, session string) access.Identity {
	t.Helper()
	who, err := h.AuthenticateSession(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func TestSignedInUserIsKnownUntilTheSessionEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token := h.signIn(t)
	got, err := h.AuthenticateSession(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if got.SessionID == uuid.Nil {
		t.Error("the session has no id")
	}
	want := access.Identity{
		Principal: postgres.Principal{Organization: h.who.Organization, Actor: postgres.User(h.user.ID), Reach: got.Principal.Reach},
		UserID:    h.user.ID, SessionID: got.SessionID, Permissions: got.Permissions, Login: "ann", Name: "Ann", Locale: "zh-CN", Organization: "t" + h.who.Organization.String()[:8],
	}
	if diff := cmp.Diff(want, got, byPointer); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}

	ends := map[string]func(t *testing.T, h *house, token string) error{
		"it expires, though it is used": func(t *testing.T, h *house, token string) error {
			for range 11 {
				h.now = h.now.Add(time.Hour)
				h.signedIn(t, token)
			}
			h.now = h.now.Add(time.Hour)
			return nil
		},
		"it is not used": func(_ *testing.T, h *house, _ string) error {
			h.now = h.now.Add(access.SessionIdle)
			return nil
		},
		"signed out": func(t *testing.T, h *house, token string) error { return h.SignOut(t.Context(), token) },
		"revoked": func(t *testing.T, h *house, _ string) error {
			sessions, err := h.Sessions(t.Context(), h.who, h.user.ID)
			if err != nil || len(sessions) != 1 {
				t.Fatalf("%d sessions, %v", len(sessions), err)
			}
			return h.RevokeSession(t.Context(), h.who, sessions[0].ID)
		},
		"revoked from another": func(t *testing.T, h *house, _ string) error {
			return h.RevokeOtherSessions(t.Context(), h.signedIn(t, h.signIn(t)))
		},
		"its owner's new password": func(t *testing.T, h *house, _ string) error {
			other := h.signIn(t)
			err := h.ChangePassword(t.Context(), h.signedIn(t, other), access.Proof{Password: password}, "another good one")
			h.signedIn(t, other) // the one that asked goes on
			return err
		},
		"how the user signs in is reset": func(t *testing.T, h *house, _ string) error { return h.ResetSignIn(t.Context(), h.who, h.user.ID) },
		"new password": func(t *testing.T, h *house, _ string) error {
			return h.SetPassword(t.Context(), h.who, h.user.ID, "another good one")
		},
		"user disabled": func(t *testing.T, h *house, _ string) error { return h.DisableUser(t.Context(), h.who, h.user.ID) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			token := h.signIn(t)
			if err := end(t, h, token); err != nil {
				t.Fatal(err)
			}
			if _, err := h.AuthenticateSession(t.Context(), token); !errors.Is(err, access.ErrUnauthenticated) {
				t.Errorf("got %v, want ErrUnauthenticated", err)
			}
		})
	}
}

// byPointer compares what never changes by where it is.
var byPointer = cmp.Options{
	cmp.Comparer(func(a, b *postgres.Reach) bool { return a == b }),
	cmp.Comparer(func(a, b *access.Permissions) bool { return a == b }),
}

func TestSigningInTellsNobodyWhatIsWrong(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	disabled, err := h.AddUser(t.Context(), h.who, access.User{Login: "gone", Name: "Gone"}, password)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.DisableUser(t.Context(), h.who, disabled.ID); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]access.SignIn{
		"wrong password":    {Login: "ann", Password: "wrong"},
		"unknown login":     {Login: "nobody", Password: password},
		"disabled user":     {Login: "gone", Password: password},
		"empty":             {},
		"odd bytes":         {Login: "a\x00nn\xff", Password: "\x00"},
		"endless password":  {Login: "ann", Password: strings.Repeat(password, 1000)},
		"password as login": {Login: password, Password: "ann"},
	} {
		if _, err := h.SignIn(t.Context(), in); err != access.ErrSignIn { //nolint:errorlint // nothing may be wrapped around it
			t.Errorf("%s: got %v, want ErrSignIn", name, err)
		}
	}
	if _, err := h.SignIn(t.Context(), access.SignIn{Login: " ANN"[1:], Password: password}); err != nil {
		t.Errorf("a login in another case: %v", err)
	}
}

func TestTokenStandsForItsUserUntilItEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	expires := h.now.Add(time.Hour)
	token, secret, err := h.AddToken(t.Context(), h.who, h.user.ID, "import", &expires)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "chb_") || len(secret) < 40 {
		t.Errorf("secret has %d characters", len(secret))
	}
	who, err := h.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	if want := (postgres.Principal{Organization: h.who.Organization, Actor: postgres.Token(token.ID), Reach: who.Principal.Reach}); who.Principal != want {
		t.Errorf("principal is %v, want %v", who.Principal, want)
	}
	list, err := h.Tokens(t.Context(), h.who, h.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	token.LastUsedAt = &h.now
	if diff := cmp.Diff([]access.Token{token}, list); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}

	for _, wrong := range []string{"", "chb_", secret + "x", strings.TrimPrefix(secret, "chb_")} {
		if _, err := h.Authenticate(t.Context(), wrong); !errors.Is(err, access.ErrUnauthenticated) {
			t.Errorf("another token: got %v, want ErrUnauthenticated", err)
		}
	}
	h.now = expires
	if _, err := h.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("expired: got %v, want ErrUnauthenticated", err)
	}
	h.now = expires.Add(-time.Second)
	if err := h.RevokeToken(t.Context(), h.who, token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Authenticate(t.Context(), secret); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("revoked: got %v, want ErrUnauthenticated", err)
	}
}

func TestNobodyReachesPeopleOfAnotherOrganization(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	a, b := openHouse(t, db, "ann"), openHouse(t, db, "bob")
	token, _, err := a.AddToken(t.Context(), a.who, a.user.ID, "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	a.signIn(t)
	sessions, err := a.Sessions(t.Context(), a.who, a.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() error{
		"password": func() error { return b.SetPassword(t.Context(), b.who, a.user.ID, password) },
		"reset":    func() error { return b.ResetSignIn(t.Context(), b.who, a.user.ID) },
		"disable":  func() error { return b.DisableUser(t.Context(), b.who, a.user.ID) },
		"session":  func() error { return b.RevokeSession(t.Context(), b.who, sessions[0].ID) },
		"revoke":   func() error { return b.RevokeToken(t.Context(), b.who, token.ID) },
		"token": func() error {
			_, _, err := b.AddToken(t.Context(), b.who, a.user.ID, "x", nil)
			return err
		},
	} {
		if err := try(); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
	users, err := b.Users(t.Context(), b.who)
	if diff := cmp.Diff([]access.User{b.user}, users); diff != "" || err != nil {
		t.Errorf("users (-want +got): %v\n%s", err, diff)
	}
	foreign, err := b.Tokens(t.Context(), b.who, a.user.ID)
	if len(foreign) > 0 || err != nil {
		t.Errorf("sees %d tokens, %v", len(foreign), err)
	}
}

func TestBadInputIsAViolation(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	user := func(u access.User, password string) error {
		_, err := h.AddUser(t.Context(), h.who, u, password)
		return err
	}
	organization := func(o access.Organization) error {
		_, err := h.AddOrganization(t.Context(), o)
		return err
	}
	if err := organization(access.Organization{Code: "two", Name: "Two", BaseCurrency: "CNY"}); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		err  error
		want []string
	}{
		"all wrong":     {user(access.User{Email: "x", Locale: "tlh"}, "short"), []string{"/login", "/name", "/email", "/locale", "/password"}},
		"login taken":   {user(access.User{Login: "Ann", Name: "Ann"}, password), []string{"/login"}},
		"organization":  {organization(access.Organization{Code: "A b", BaseCurrency: "euro"}), []string{"/code", "/name", "/base_currency"}},
		"code taken":    {organization(access.Organization{Code: "two", Name: "Two", BaseCurrency: "CNY"}), []string{"/code"}},
		"no new secret": {h.SetPassword(t.Context(), h.who, h.user.ID, ""), []string{"/password"}},
	} {
		var vs schema.Violations
		var got []string
		errors.As(tc.err, &vs)
		for _, v := range vs {
			got = append(got, v.Pointer)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, tc.err, diff)
		}
	}
}

func TestBootstrapMakesOneAdministrator(t *testing.T) {
	t.Parallel()
	key, err := secret.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	s := &access.Store{DB: postgrestest.New(t), Key: key}
	type result struct {
		b   access.Bootstrapped
		err error
	}
	results := make(chan result)
	for range 2 {
		go func() {
			b, err := s.Bootstrap(t.Context(), "CNY")
			results <- result{b, err}
		}()
	}
	made := 0
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if r.b.Login == "" {
			continue
		}
		made++
		if _, err := s.SignIn(t.Context(), access.SignIn{Login: r.b.Login, Password: r.b.Password.Reveal()}); err != nil {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d administrators were made, want 1", made)
	}
	if _, err := s.Organization(t.Context(), access.MainOrganization); err != nil {
		t.Error(err)
	}
	if _, err := s.Organization(t.Context(), "other"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestSecretsAreNowhereInTheDatabase(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	session := h.signIn(t)
	_, token, err := h.AddToken(t.Context(), h.who, h.user.ID, "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	var stored string
	err = h.DB.As(t.Context(), h.who, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select concat((select json_agg(u) from users u), (select json_agg(s) from sessions s), (select json_agg(a) from api_tokens a))`).Scan(&stored)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"password": password, "session": session, "token": token} {
		if strings.Contains(stored, secret) || strings.Contains(stored, hex.EncodeToString([]byte(secret))) {
			t.Errorf("the %s is in the database", name)
		}
	}
	if !strings.Contains(stored, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Error("the password is not hashed as it should be")
	}
}

func TestATokenIsHeldForAWhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.TokensHeld = time.Hour
	expires := h.now.Add(time.Hour)
	token, secret, err := h.AddToken(t.Context(), h.who, h.user.ID, "import", &expires)
	if err != nil {
		t.Fatal(err)
	}
	asked := func(want error) {
		t.Helper()
		if _, err := h.Authenticate(t.Context(), secret); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	asked(nil)
	other := &access.Store{DB: h.DB, Key: h.Key, Now: h.Now, Passwords: h.Passwords} // another process
	if err := other.RevokeToken(t.Context(), h.who, token.ID); err != nil {
		t.Fatal(err)
	}
	asked(nil)
	h.now = expires
	asked(access.ErrUnauthenticated)
	h.now = expires.Add(-time.Second)
	asked(nil)
	if err := h.RevokeToken(t.Context(), h.who, token.ID); err != nil {
		t.Fatal(err)
	}
	asked(access.ErrUnauthenticated)
}
