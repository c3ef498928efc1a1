package access_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/schema"
)

// try is one attempt with a password, in words.
func (h *house) try(t *testing.T, login, password, ip string) string {
	t.Helper()
	entry, err := h.SignIn(t.Context(), access.SignIn{Login: login, Password: password, IP: ip})
	return outcome(t, h, entry, err)
}

func outcome(t *testing.T, h *house, entry access.Entry, err error) string {
	t.Helper()
	locked, isLocked := errors.AsType[*access.LockedError](err)
	switch {
	case isLocked:
		return "wait " + locked.Wait.String()
	case errors.Is(err, access.ErrSignIn):
		return "wrong"
	case err != nil:
		t.Fatal(err)
	case entry.Pending != "":
		return "code"
	}
	return "in"
}

// A login that nobody has is answered and slowed down like one that somebody has.
func TestGuessersOfALoginWaitLongerAndLonger(t *testing.T) {
	t.Parallel()
	for _, login := range []string{"ann", "nobody"} {
		t.Run(login, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			var got []string
			guess := func() { got = append(got, h.try(t, login, "guess", fmt.Sprintf("192.0.2.%d", len(got)))) }
			for range 7 {
				guess()
			}
			h.now = h.now.Add(30 * time.Second)
			guess()
			guess()
			h.now = h.now.Add(time.Minute - time.Second)
			guess()
			h.now = h.now.Add(time.Second)
			guess()
			guess()
			want := []string{
				"wrong", "wrong", "wrong", "wrong", "wrong", "wait 30s", "wait 30s",
				"wrong", "wait 1m0s", "wait 1s", "wrong", "wait 2m0s",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// In another case it is the same login.
			if got := h.try(t, strings.ToUpper(login), "guess", ""); got != "wait 2m0s" {
				t.Errorf("in upper case: %s", got)
			}
		})
	}
}

func TestWaitIsOverByTimeAndForgottenByTheOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 5 {
		h.try(t, "ann", "guess", "192.0.2.1")
	}
	if got := h.try(t, "ann", password, "192.0.2.2"); got != "wait 30s" {
		t.Errorf("the right password while waiting: %s", got)
	}
	h.now = h.now.Add(30 * time.Second)
	if got := h.try(t, "ann", password, "192.0.2.2"); got != "in" {
		t.Fatalf("afterwards: %s", got)
	}
	for i := range 5 {
		if got := h.try(t, "ann", "guess", "192.0.2.1"); got != "wrong" {
			t.Errorf("guess %d after the owner was here: %s", i, got)
		}
	}
	h.now = h.now.Add(15 * time.Hour)
	for i := range 5 {
		if got := h.try(t, "ann", "guess", "192.0.2.1"); got != "wrong" {
			t.Errorf("guess %d a day later: %s", i, got)
		}
	}
}

func TestAddressWaitsWhateverLoginsItTries(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 25 {
		// A right password in between makes no clean sheet.
		if i%5 == 0 && h.try(t, "ann", password, "2001:db8::1") != "in" {
			t.Fatal("not in")
		}
		if got := h.try(t, fmt.Sprintf("user%d", i), "guess", fmt.Sprintf("2001:db8::%x", i)); got != "wrong" {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	if got := h.try(t, "ann", password, "2001:db8::ffff"); got != "wait 30s" {
		t.Errorf("the same network: %s", got)
	}
	if got := h.try(t, "ann", password, "2001:db8:0:1::1"); got != "in" {
		t.Errorf("another network: %s", got)
	}
}

func TestGuessesSentAtOnceAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			_, err := h.SignIn(t.Context(), access.SignIn{Login: "ann", Password: "guess", IP: "192.0.2.1"})
			_, locked := errors.AsType[*access.LockedError](err)
			mu.Lock()
			defer mu.Unlock()
			got[fmt.Sprint(locked, errors.Is(err, access.ErrSignIn))]++
		})
	}
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"false true": 5, "true false": 7}, got); diff != "" {
		t.Errorf("locked, wrong (-want +got):\n%s", diff)
	}
}

func TestEventsSayWhoTriedAndNotWhatWasTyped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	main, err := h.AddOrganization(t.Context(), access.Organization{Code: access.MainOrganization, Name: "Main", BaseCurrency: "EUR"})
	if err != nil {
		t.Fatal(err)
	}
	h.try(t, "ann", password, "192.0.2.1")
	for range 5 {
		h.try(t, "ann", "guess", "192.0.2.2")
	}
	h.try(t, "ann", "guess", "192.0.2.2") // refused, not written down
	h.try(t, "my secret password", "ann", "192.0.2.3")
	h.try(t, "MY secret password", "ann", "192.0.2.3")

	events, err := h.LoginEvents(t.Context(), h.who, access.EventFilter{UserID: h.user.ID, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	event := func(o access.Outcome, ip string) access.LoginEvent {
		return access.LoginEvent{At: h.now, UserID: &h.user.ID, Login: "ann", Method: access.ByPassword, Outcome: o, IP: ip}
	}
	want := []access.LoginEvent{event(access.Locked, "192.0.2.2")}
	for range 5 {
		want = append(want, event(access.WrongPassword, "192.0.2.2"))
	}
	want = append(want, event(access.SignedIn, "192.0.2.1"))
	if diff := cmp.Diff(want, events, cmpopts.IgnoreFields(access.LoginEvent{}, "ID")); diff != "" {
		t.Errorf("Ann's (-want +got):\n%s", diff)
	}
	next, err := h.LoginEvents(t.Context(), h.who, access.EventFilter{After: events[1].ID, Limit: 2})
	if diff := cmp.Diff(events[2:4], next); diff != "" || err != nil {
		t.Errorf("next page (-want +got): %v\n%s", err, diff)
	}

	p := h.who
	p.Organization = main.ID
	unknown, err := h.LoginEvents(t.Context(), p, access.EventFilter{Limit: 50})
	if err != nil || len(unknown) != 2 {
		t.Fatalf("%d events, %v", len(unknown), err)
	}
	if unknown[0].LoginDigest != unknown[1].LoginDigest || len(unknown[0].LoginDigest) != 16 || unknown[0].Outcome != access.UnknownLogin {
		t.Errorf("got %+v", unknown)
	}
	var stored string
	err = h.DB.AsSystem(t.Context(), func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select concat((select json_agg(e) from login_events e), (select json_agg(a) from sign_in_attempts a))`).Scan(&stored)
	})
	if err != nil || strings.Contains(strings.ToLower(stored), "secret password") {
		t.Errorf("%v, the login typed is stored: %s", err, stored)
	}
}

// factor is somebody's authenticator app.
type factor struct{ secret string }

func (h *house) enrol(t *testing.T, session string) (f factor, recovery []string) {
	t.Helper()
	who := h.signedIn(t, session)
	e, err := h.BeginSecondFactor(t.Context(), who, access.Proof{Password: password})
	if err != nil {
		t.Fatal(err)
	}
	f = factor{e.Secret.Reveal()}
	if recovery, err = h.ConfirmSecondFactor(t.Context(), who, f.code(t, h.now)); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(time.Minute) // the code is used
	return f, recovery
}

func (f factor) code(t *testing.T, at time.Time) string {
	t.Helper()
	code, err := access.CodeOf(f.secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (h *house) pending(t *testing.T) string {
	t.Helper()
	entry, err := h.SignIn(t.Context(), access.SignIn{Login: "ann", Password: password, IP: "192.0.2.9"})
	if err != nil || entry.Session != "" || entry.Pending == "" {
		t.Fatalf("no second step: %v", err)
	}
	return entry.Pending
}

func TestSecondFactorIsASecondStep(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.signIn(t)
	f, recovery := h.enrol(t, first)
	h.signedIn(t, first) // the session that turned it on goes on

	enter := func(pending, code string) error {
		session, err := h.EnterCode(t.Context(), access.Code{Pending: pending, Code: code, IP: "192.0.2.9"})
		if err == nil {
			h.signedIn(t, session)
		}
		return err
	}
	check := func(name string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	pending := h.pending(t)
	if _, err := h.AuthenticateSession(t.Context(), pending); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("a sign-in that waits is no session: %v", err)
	}
	check("a wrong code", enter(pending, "000000"), access.ErrCode)
	check("nothing", enter(pending, ""), access.ErrCode)
	check("the right one, as typed from a screen", enter(pending, f.code(t, h.now)[:3]+" "+f.code(t, h.now)[3:]), nil)
	check("the same sign-in again", enter(pending, f.code(t, h.now.Add(time.Minute))), access.ErrUnauthenticated)
	check("the same code for another", enter(h.pending(t), f.code(t, h.now)), access.ErrCode)
	check("the code before the used one", enter(h.pending(t), f.code(t, h.now.Add(-30*time.Second))), access.ErrCode)
	check("a phone that is fast", enter(h.pending(t), f.code(t, h.now.Add(30*time.Second))), nil)
	check("a recovery code, in lower case", enter(h.pending(t), strings.ToLower(recovery[3])), nil)
	check("the same again", enter(h.pending(t), recovery[3]), access.ErrCode)
	check("another", enter(h.pending(t), recovery[4]), nil)

	late := h.pending(t)
	h.now = h.now.Add(access.CodeTime)
	check("too late", enter(late, f.code(t, h.now)), access.ErrUnauthenticated)

	state, err := h.SecondFactor(t.Context(), h.signedIn(t, first))
	if want := 8; err != nil || !state.On || state.RecoveryCodes != want {
		t.Errorf("%v, %+v, want %d codes left", err, state, want)
	}
}

func TestGuessersOfACodeWait(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	f, _ := h.enrol(t, h.signIn(t))
	for range 5 {
		// A right password in between does not make guesses free.
		if _, err := h.EnterCode(t.Context(), access.Code{Pending: h.pending(t), Code: "000000"}); !errors.Is(err, access.ErrCode) {
			t.Fatal(err)
		}
	}
	pending := h.pending(t)
	_, err := h.EnterCode(t.Context(), access.Code{Pending: pending, Code: f.code(t, h.now)})
	if locked, ok := errors.AsType[*access.LockedError](err); !ok || locked.Wait != 30*time.Second {
		t.Errorf("got %v", err)
	}
	h.now = h.now.Add(30 * time.Second)
	if _, err := h.EnterCode(t.Context(), access.Code{Pending: pending, Code: f.code(t, h.now)}); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestChangingHowOneSignsInNeedsProof(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	session := h.signIn(t)
	who := h.signedIn(t, session)
	ctx := t.Context()
	begin := func(p string) error {
		_, err := h.BeginSecondFactor(ctx, who, access.Proof{Password: p})
		return err
	}
	confirm := func(code string) error {
		_, err := h.ConfirmSecondFactor(ctx, who, code)
		return err
	}
	check := func(name string, err error, pointer string) {
		t.Helper()
		var vs schema.Violations
		if !errors.As(err, &vs) || len(vs) != 1 || vs[0].Pointer != pointer {
			t.Errorf("%s: got %v, want a violation at %s", name, err, pointer)
		}
	}
	if err := confirm("123456"); !errors.Is(err, access.ErrSecondFactor) {
		t.Errorf("confirm what was not begun: %v", err)
	}
	check("begin", begin("wrong"), "/password")
	if err := begin(password); err != nil {
		t.Fatal(err)
	}
	check("confirm", confirm("000000"), "/code")
	if h.signIn(t) == "" {
		t.Error("what is not confirmed is asked for")
	}
	f, codes := h.enrol(t, session)
	if err := begin(password); !errors.Is(err, access.ErrSecondFactor) {
		t.Errorf("begin another: %v", err)
	}
	right := func() access.Proof {
		h.now = h.now.Add(time.Minute)
		return access.Proof{Password: password, Code: f.code(t, h.now)}
	}
	noCode, noPassword := right(), right()
	noCode.Code, noPassword.Password = "000000", "wrong"
	check("end without a code", h.EndSecondFactor(ctx, who, noCode), "/code")
	check("end without the password", h.EndSecondFactor(ctx, who, noPassword), "/password")
	renewed, err := h.RenewRecoveryCodes(ctx, who, right())
	if err != nil || len(renewed) != 10 || len(codes) != 10 {
		t.Fatalf("%d codes, %v", len(renewed), err)
	}
	if _, err := h.EnterCode(ctx, access.Code{Pending: h.pending(t), Code: codes[0]}); !errors.Is(err, access.ErrCode) {
		t.Errorf("an old recovery code: %v", err)
	}
	check("change the password", h.ChangePassword(ctx, who, access.Proof{Password: "wrong"}, "another good one"), "/old_password")
	check("to a bad one", h.ChangePassword(ctx, who, access.Proof{Password: password}, "short"), "/password")
	if err := h.EndSecondFactor(ctx, who, right()); err != nil {
		t.Fatal(err)
	}
	if h.signIn(t) == "" {
		t.Error("it is still asked for")
	}
	_, err = h.RenewRecoveryCodes(ctx, who, right())
	if !errors.Is(err, access.ErrSecondFactor) {
		t.Errorf("renew without a second factor: %v", err)
	}
	check("the fifth guess", begin("wrong"), "/password")
	if _, ok := errors.AsType[*access.LockedError](begin(password)); !ok {
		t.Error("whoever has the session may guess without end")
	}
	if got := h.try(t, "ann", password, ""); got != "in" {
		t.Errorf("guesses within a session keep the owner out: %s", got)
	}
}

func TestResettingHowSomebodySignsIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol(t, h.signIn(t))
	waiting := h.pending(t)
	if err := h.ResetSignIn(t.Context(), h.who, h.user.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.EnterCode(t.Context(), access.Code{Pending: waiting, Code: "000000"}); !errors.Is(err, access.ErrUnauthenticated) {
		t.Errorf("a sign-in that waited: %v", err)
	}
	if h.signIn(t) == "" {
		t.Error("a code is still asked for")
	}
	if err := h.ResetSignIn(t.Context(), h.who, uuid.New()); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("somebody who is not there: %v", err)
	}
}

func TestPasswordsThatAreTriedFirstAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for password, rule := range map[string]string{
		"":              "minLength",
		"九个字的密码不够长":     "minLength",
		"十个字的密码刚好够长了":   "",
		"annabel.lee@x": "login", "AnnaBel.Lee@X": "login",
		"Password123": "common", "1234567890": "common", "aaaaaaaaaaaa": "common", "woaini1314": "common",
		"correct horse battery":   "",
		strings.Repeat("ab", 129): "minLength",
	} {
		_, err := h.AddUser(t.Context(), h.who, access.User{Login: "annabel.lee@x", Name: "Annabel"}, password)
		var vs schema.Violations
		got := ""
		if errors.As(err, &vs) && vs[0].Pointer == "/password" {
			got = vs[0].Rule
		}
		if got != rule {
			t.Errorf("%q: got %q, want %q", password, got, rule)
		}
	}
}

func TestWhatIsOverIsSwept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.enrol(t, h.signIn(t))
	h.pending(t)
	h.try(t, "nobody", "guess", "192.0.2.1")
	count := func() (n map[string]int) {
		n = map[string]int{}
		err := h.DB.AsSystem(t.Context(), func(tx pgx.Tx) error {
			for _, table := range []string{"sessions", "sign_ins", "sign_in_attempts", "login_events"} {
				var rows int
				if err := tx.QueryRow(t.Context(), "select count(*) from "+table).Scan(&rows); err != nil {
					return err
				}
				n[table] = rows
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for _, step := range []struct {
		after time.Duration
		want  map[string]int
	}{
		{0, before},
		{access.SessionIdle + time.Second, map[string]int{"sessions": 0, "sign_ins": 0, "sign_in_attempts": before["sign_in_attempts"], "login_events": 1}},
		{15 * time.Hour, map[string]int{"sessions": 0, "sign_ins": 0, "sign_in_attempts": 0, "login_events": 1}},
		{90 * 24 * time.Hour, map[string]int{"sessions": 0, "sign_ins": 0, "sign_in_attempts": 0, "login_events": 0}},
	} {
		h.now = h.now.Add(step.after)
		if err := h.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, count()); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", step.after, diff)
		}
	}
}

func TestIdentityElsewhereIsBoundOnceByAVerifiedAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	add := func(login, email string) access.User {
		t.Helper()
		u, err := h.AddUser(t.Context(), h.who, access.User{Login: login, Name: login, Email: email}, password)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	bea := add("bea", "bea@example.com")
	gone := add("gone", "gone@example.com")
	add("twin1", "twin@example.com")
	add("twin2", "Twin@example.com")
	if err := h.DisableUser(t.Context(), h.who, gone.ID); err != nil {
		t.Fatal(err)
	}
	const issuer = "https://id.example.com"
	enter := func(subject, email string, verified bool) (access.Entry, error) {
		return h.SignInExternal(t.Context(), access.External{Issuer: issuer, Subject: subject, Email: email, EmailVerified: verified, IP: "192.0.2.1"})
	}
	for _, step := range []struct {
		name, subject, email string
		verified             bool
		want                 error
	}{
		{"unverified", "s1", "bea@example.com", false, access.ErrEmailUnverified},
		{"no address", "s1", "", true, access.ErrEmailUnverified},
		{"nobody's", "s1", "x@example.com", true, access.ErrNobody},
		{"two people's", "s1", "twin@example.com", true, access.ErrAmbiguous},
		{"a disabled user's", "s1", "gone@example.com", true, access.ErrDisabled},
		{"first", "s1", "Bea@Example.com", true, nil},
		{"again, with another address", "s1", "other@example.com", false, nil},
		{"another identity with the address", "s2", "bea@example.com", true, access.ErrBound},
	} {
		entry, err := enter(step.subject, step.email, step.verified)
		if !errors.Is(err, step.want) || (entry.Session != "") != (step.want == nil) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
		if err == nil {
			if who := h.signedIn(t, entry.Session); who.UserID != bea.ID {
				t.Errorf("%s: it is %s", step.name, who.Login)
			}
		}
	}
	entry, err := enter("s1", "", false)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := h.enrol(t, entry.Session)
	if entry, err = enter("s1", "", false); err != nil || entry.Pending == "" {
		t.Fatalf("the second factor is not asked for: %v", err)
	}
	if _, err := h.EnterCode(t.Context(), access.Code{Pending: entry.Pending, Code: f.code(t, h.now)}); err != nil {
		t.Error(err)
	}
	if err := h.ResetSignIn(t.Context(), h.who, bea.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := enter("s2", "bea@example.com", true); err != nil {
		t.Errorf("after the bond was cut: %v", err)
	}
	if err := h.DisableUser(t.Context(), h.who, bea.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := enter("s2", "bea@example.com", true); !errors.Is(err, access.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
}
