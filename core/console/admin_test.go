package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp/totp"

	"crmhub/core/access"
)

// secretIn is what a page shows once.
func secretIn(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile(`id="secret" class="mono" readonly value="([^"]+)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no secret in\n%s", page)
	}
	return m[1]
}

// userOf is the user with a login.
func (s *site) userOf(login string) access.User {
	s.Helper()
	users, err := s.access.Users(s.Context(), s.who)
	if err != nil {
		s.Fatal(err)
	}
	i := slices.IndexFunc(users, func(u access.User) bool { return u.Login == login })
	if i < 0 {
		s.Fatalf("there is no user %s", login)
	}
	return users[i]
}

// signInAs brings somebody before a browser of his own.
func (s *site) signInAs(login, password string) *http.Client {
	s.Helper()
	other, mine := s.newBrowser(), s.browser
	s.browser = other
	defer func() { s.browser = mine }()
	s.post("/login", "login", login, "password", password)
	return other
}

// employ adds somebody with a role.
func (s *site) employ(login, role string) access.User {
	s.Helper()
	u, err := s.access.AddUser(s.Context(), s.who, access.User{Login: login, Name: strings.ToUpper(login[:1]) + login[1:], Roles: []string{role}}, password)
	if err != nil {
		s.Fatal(err)
	}
	return u
}

func (s *site) as(browser *http.Client, path string) answer {
	s.Helper()
	mine := s.browser
	s.browser = browser
	defer func() { s.browser = mine }()
	return s.get(path)
}

func TestNewUserSignsInAndSeesWhatHisRoleAllows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	wrong := s.do(http.MethodPost, "/admin/users", form("login", "", "name", "Bob", "email", "no address", "locale", "en", "role", "sales"))
	wrong.wants(t, http.StatusUnprocessableEntity, `value="Bob"`, `aria-invalid="true"`, `name="role" value="sales" checked`)
	s.do(http.MethodPost, "/admin/users", form("login", "ann", "name", "Bob", "locale", "en")).wants(t, http.StatusUnprocessableEntity, "is taken already")
	made := s.do(http.MethodPost, "/admin/users", form("login", "bob", "name", "Bob", "locale", "zh-CN", "role", "sales"))
	made.wants(t, http.StatusOK, "Bob can sign in now", "shown only once")
	bob := s.signInAs("bob", secretIn(t, made.body))
	home := s.as(bob, "/")
	home.wants(t, 200, `href="/customers"`, `lang="zh-CN"`)
	if strings.Contains(home.body, "/admin/audit") || strings.Contains(home.body, "/sync") {
		t.Errorf("a sales person is led to administration:\n%s", home.body)
	}
	s.as(bob, "/admin/users/new").wants(t, http.StatusForbidden)
	s.as(bob, "/admin/audit").wants(t, http.StatusForbidden)
	s.as(bob, "/account").wants(t, 200, "Bob")
	s.get("/admin/users?q=bob").wants(t, 200, "Sales")
	s.get("/admin/users?q=nobody").wants(t, 200, "Nothing matches")
}

func TestUserIsChangedAndHelped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	bob := s.employ("bob", "sales")
	d, err := s.access.AddDepartment(t.Context(), s.who, access.Department{Name: "North"})
	if err != nil {
		t.Fatal(err)
	}
	team, err := s.access.AddTeam(t.Context(), s.who, access.Team{Name: "Keys"})
	if err != nil {
		t.Fatal(err)
	}
	path := "/admin/users/" + bob.ID.String()
	s.get(s.post(path, "name", "Robert", "email", "bob@example.com", "locale", "en", "department_id", d.ID.String(), "role", "service", "teams", "1", "team", team.ID.String())).
		wants(t, 200, "Robert", "North", `name="team" value="`+team.ID.String()+`" checked`)
	got := s.userOf("bob")
	if got.Name != "Robert" || got.DepartmentID == nil || *got.DepartmentID != d.ID || !slices.Equal(got.Roles, []string{"service"}) {
		t.Errorf("the user is %+v", got)
	}
	s.do(http.MethodPost, path, form("name", "", "locale", "en")).wants(t, http.StatusUnprocessableEntity, `aria-invalid="true"`)

	browser := s.signInAs("bob", password)
	reset := s.do(http.MethodPost, path+"/reset-password", nil)
	reset.wants(t, 200, "A new password for Robert")
	if a := s.as(browser, "/"); a.status != http.StatusSeeOther {
		t.Errorf("after the reset he is still signed in: %d", a.status)
	}
	fresh := secretIn(t, reset.body)
	for range 6 {
		s.do(http.MethodPost, "/login", form("login", "bob", "password", "guess"))
	}
	s.get(path).wants(t, 200, "Locked after too many", "Wrong password")
	s.get(s.post(path+"/unlock")).wants(t, 200, "right away")
	browser = s.signInAs("bob", fresh)
	s.post(path + "/end-sessions")
	if a := s.as(browser, "/"); a.status != http.StatusSeeOther {
		t.Errorf("his session goes on: %d", a.status)
	}
	s.get(s.post(path+"/reset-sign-in")).wants(t, 200, "second factor is reset")
	s.get(s.post(path+"/disable")).wants(t, 200, "Deactivated")
	if !s.userOf("bob").Disabled {
		t.Error("he is active")
	}
	s.get(s.post(path+"/enable")).wants(t, 200, "can sign in again")
	// Somebody must be able to administer.
	s.do(http.MethodPost, "/admin/users/"+s.ann.ID.String()+"/disable", nil).wants(t, http.StatusUnprocessableEntity, "must leave an active administrator")
}

func TestWhatSomebodyOwnsGoesOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	bob := s.employ("bob", "sales")
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update customers set owner_id = $1", s.ann.ID)
		return err
	})
	path := "/admin/users/" + s.ann.ID.String()
	s.do(http.MethodPost, path+"/hand-over", form("do", "count")).wants(t, http.StatusUnprocessableEntity, "Choose who gets it")
	s.do(http.MethodPost, path+"/hand-over", form("do", "count", "to", bob.ID.String())).wants(t, 200, "Customers", "Hand over</button>")
	to := s.post(path+"/hand-over", "do", "go", "to", bob.ID.String())
	page := s.get(to)
	page.wants(t, 200, "The hand-over has started", "Running", "0 / 1")
	cancel := regexp.MustCompile(`action="(/admin/hand-overs/[^"]+/cancel)"`).FindStringSubmatch(page.body)
	if cancel == nil {
		t.Fatal("it cannot be cancelled")
	}
	s.get(s.post(cancel[1])).wants(t, 200, "stops after this batch")
}

func TestNobodyGivesMoreThanHeMay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.become(access.Role{Grants: []access.Grant{
		{Resource: access.Users, Action: access.Any, Scope: "organization"},
		{Resource: access.Roles, Action: access.Any, Scope: "organization"},
		{Resource: "customer", Action: access.Read, Scope: "own"},
	}})
	s.signIn()
	s.get("/admin/users/new").wants(t, 200, `value="admin" disabled`)
	s.do(http.MethodPost, "/admin/users", form("login", "evil", "name", "Evil", "locale", "en", "role", "admin")).wants(t, http.StatusForbidden)
	boss := "/admin/users/" + s.userOf("boss").ID.String()
	if a := s.get(boss); strings.Contains(a.body, "/reset-password") {
		t.Error("the administrator's password may be reset")
	}
	for _, act := range []string{"", "/disable", "/reset-password", "/reset-sign-in", "/end-sessions", "/unlock"} {
		if a := s.do(http.MethodPost, boss+act, form("name", "x", "locale", "en")); a.status != http.StatusForbidden {
			t.Errorf("%s: %d", act, a.status)
		}
	}
	s.do(http.MethodPost, "/admin/roles", form("code", "more", "name", "More", "grant.order.read", "organization")).wants(t, http.StatusForbidden)
	tested := "/admin/roles/" + s.role("tested").ID.String()
	s.do(http.MethodPost, tested, form("name", "More", "grant.*.*", "organization")).wants(t, http.StatusForbidden)
	s.do(http.MethodPost, "/admin/roles/"+s.role("sales").ID.String(), form("name", "Less")).wants(t, http.StatusForbidden)
}

func TestRoleIsAMatrix(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/admin/roles/new?from="+s.role("sales").ID.String()).wants(t, 200, `name="grant.customer.read"`)
	s.do(http.MethodPost, "/admin/roles", form("code", "Bad Code", "name", "", "grant.customer.read", "own")).
		wants(t, http.StatusUnprocessableEntity, `aria-invalid="true"`, `<option value="own" selected>`)
	to := s.post("/admin/roles", "code", "keys", "name", "Key accounts", "grant.customer.read", "department", "grant.product.read", "organization")
	path, _, _ := strings.Cut(to, "?")
	s.get(to).wants(t, 200, "Role created", `name="grant.product.read" value="organization" aria-label="Products: Read" checked`)
	s.get(s.post(path, "name", "Keys", "grant.customer.read", "own", "grant.pool.claim", "organization")).wants(t, 200, "Keys")
	r := s.role("keys")
	if len(r.Grants) != 2 || r.Name != "Keys" {
		t.Errorf("the role is %+v", r)
	}
	s.do(http.MethodPost, path, form("name", "Keys", "grant.product.read", "own")).wants(t, http.StatusUnprocessableEntity, "Products: Read")
	s.get(path+"/fields?resource=customer").wants(t, 200, `name="field.phone"`, "Masked")
	s.get(s.post(path+"/fields", "resource", "customer", "field.phone", "masked", "field.remark", "hidden", "field.name", "edit")).wants(t, 200, `<option value="masked" selected>`)
	if r := s.role("keys"); len(r.Fields) != 2 || len(r.Grants) != 2 {
		t.Errorf("the role is %+v", r)
	}
	s.get(path+"/fields?resource=nothing").wants(t, http.StatusBadRequest)
	s.do(http.MethodPost, "/admin/roles/"+s.role("admin").ID.String()+"/delete", nil).wants(t, http.StatusConflict, "Somebody still has this role")
	s.get(s.post(path+"/delete")).wants(t, 200, "Role deleted")
}

func TestPresetsAreCalledAsTheReaderCallsThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	path := "/admin/roles/" + s.role("sales").ID.String()
	s.post(path, "name", "Field force", "grant.customer.read", "own")
	s.post("/language", "language", "zh-CN", "to", "/")
	s.get("/admin/roles").wants(t, 200, ">销售经理<", ">Field force<")
	s.get("/admin/roles/"+s.role("finance").ID.String()).wants(t, 200, "<h1>财务</h1>", `value="Finance"`)
}

func TestDepartmentsAreATree(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/admin/departments").wants(t, 200, "No departments yet")
	s.post("/admin/departments", "name", "Sales", "parent_id", "")
	top := regexp.MustCompile(`/admin/departments/([0-9a-f-]{36})"`).FindStringSubmatch(s.get("/admin/departments").body)[1]
	s.get(s.post("/admin/departments", "name", "North", "parent_id", top)).wants(t, 200, `class="depth-1"`, "Sales › North")
	s.do(http.MethodPost, "/admin/departments", form("name", "North", "parent_id", top)).wants(t, http.StatusUnprocessableEntity, "is taken already")
	s.do(http.MethodPost, "/admin/departments/"+top, form("name", "Sales", "parent_id", top)).wants(t, http.StatusUnprocessableEntity, "not below this one")
	s.do(http.MethodPost, "/admin/departments/"+top+"/delete", nil).wants(t, http.StatusConflict)
	s.get(s.post("/admin/departments/"+top, "name", "Sales EMEA", "parent_id", "")).wants(t, 200, "Sales EMEA › North")

	s.get("/admin/teams").wants(t, 200, "No teams yet")
	s.get(s.post("/admin/teams", "name", "Keys", "member", s.ann.ID.String())).wants(t, 200, "Keys", "Ann Lee")
	s.do(http.MethodPost, "/admin/teams", form("name", "keys")).wants(t, http.StatusUnprocessableEntity)
	team := regexp.MustCompile(`/admin/teams/([0-9a-f-]{36})"`).FindStringSubmatch(s.get("/admin/teams").body)[1]
	s.get(s.post("/admin/teams/"+team, "name", "Key accounts")).wants(t, 200, "Key accounts", "Nobody")
	s.get(s.post("/admin/teams/"+team+"/delete")).wants(t, 200, "Team deleted")
}

func TestAccountIsOnesOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	other := s.signInAs("ann", password)
	s.get("/account").wants(t, 200, "Ann Lee", "This browser", "End all others")
	s.get(s.post("/account/sessions/end")).wants(t, 200, "Sessions ended")
	if a := s.as(other, "/account"); a.status != http.StatusSeeOther {
		t.Errorf("the other session goes on: %d", a.status)
	}
	s.do(http.MethodPost, "/account/password", form("old_password", "guess", "password", "paper moon over Graz")).
		wants(t, http.StatusUnprocessableEntity, "is wrong", `id="f-old_password"`)
	s.do(http.MethodPost, "/account/password", form("old_password", password, "password", "short")).wants(t, http.StatusUnprocessableEntity, "10 to 256")
	s.get(s.post("/account/password", "old_password", password, "password", "paper moon over Graz")).wants(t, 200, "Password changed")
	s.get(s.post("/account/language", "locale", "zh-CN")).wants(t, 200, "我的账户")
	if got := s.userOf("ann").Locale; got != "zh-CN" {
		t.Errorf("the language is %s", got)
	}
	s.get(s.post("/account/language", "locale", "en")).wants(t, 200, "My account")
	if a := s.do(http.MethodPost, "/account/sessions/00000000-0000-7000-8000-000000000001/end", nil); a.status != http.StatusNotFound {
		t.Errorf("somebody's session was ended: %d", a.status)
	}
}

func TestSecondFactorIsTurnedOnAndOff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.do(http.MethodPost, "/account/factor", form("password", "guess")).wants(t, http.StatusUnprocessableEntity, "is wrong")
	begun := s.do(http.MethodPost, "/account/factor", form("password", password))
	begun.wants(t, 200, "<svg", "Scan this")
	key := regexp.MustCompile(`<code>([A-Z2-7]+)</code>`).FindStringSubmatch(begun.body)[1]
	code := func() string {
		c, err := totp.GenerateCode(key, s.now)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s.do(http.MethodPost, "/account/factor/confirm", form("code", "000000")).wants(t, http.StatusUnprocessableEntity, "is wrong")
	on := s.do(http.MethodPost, "/account/factor/confirm", form("code", code()))
	on.wants(t, 200, "Recovery codes", "shown only once")
	if n := strings.Count(on.body, "<li><code>"); n != 10 {
		t.Errorf("%d recovery codes", n)
	}
	s.get("/account").wants(t, 200, "Recovery codes left: 10")
	s.now = s.now.Add(time.Minute)
	s.do(http.MethodPost, "/account/factor/codes", form("password", password, "code", code())).wants(t, 200, "Recovery codes")
	s.now = s.now.Add(time.Minute)
	s.do(http.MethodPost, "/account/factor/off", form("password", password, "code", "999999")).wants(t, http.StatusUnprocessableEntity)
	s.now = s.now.Add(time.Minute)
	s.get(s.post("/account/factor/off", "password", password, "code", code())).wants(t, 200, "The second factor is off")
}

func TestTokensAreShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/account/tokens").wants(t, 200, "No tokens yet")
	s.do(http.MethodPost, "/account/tokens", form("name", "nightly")).wants(t, http.StatusUnprocessableEntity, "Choose what the token may do", `value="nightly"`)
	made := s.do(http.MethodPost, "/account/tokens", form("name", "nightly", "expires_at", "2199-12-31", "scope.order", "read", "scope.customer", "*"))
	made.wants(t, 200, "Token for nightly")
	who, err := s.access.Authenticate(t.Context(), secretIn(t, made.body))
	if err != nil || who.May("order", access.Read) == "" || who.May("order", access.Create) != "" || who.May("customer", access.Create) == "" {
		t.Errorf("the token is %+v, %v", who.Permissions, err)
	}
	page := s.get("/account/tokens")
	page.wants(t, 200, "Customers, Orders (")
	if strings.Contains(page.body, secretIn(t, made.body)) {
		t.Error("the secret is shown again")
	}
	revoke := regexp.MustCompile(`action="(/account/tokens/[^"]+/revoke)"`).FindStringSubmatch(page.body)[1]
	s.get(s.post(revoke)).wants(t, 200, "Token revoked", "No longer valid")
	if a := s.do(http.MethodPost, "/account/tokens/"+s.ann.ID.String()+"/revoke", nil); a.status != http.StatusNotFound {
		t.Errorf("no token of his was revoked: %d", a.status)
	}
}

func TestAuditTrailIsReadAndVerified(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.seal("/admin/audit?entity=order&action=created", "/orders/"+s.order.ID.String())
	s.get("/admin/audit").wants(t, 200, "created", "Customer", "No. 1")
	s.get("/admin/audit?entity=order&action=created").wants(t, 200, "/orders/"+s.order.ID.String()+`">Order · `+s.order.Number+"</a>")
	s.get("/admin/audit?entity=team").wants(t, 200, "Nothing matches")
	s.get("/admin/audit?from=x").wants(t, http.StatusBadRequest)
	s.do(http.MethodPost, "/admin/audit/verify", nil).wants(t, 200, "The trail is intact", "were checked")
}

func TestOrganizationIsRenamed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.do(http.MethodPost, "/admin/organization", form("name", " ")).wants(t, http.StatusUnprocessableEntity, `aria-invalid="true"`)
	s.get(s.post("/admin/organization", "name", "Nordwind & Co")).wants(t, 200, html.EscapeString("Nordwind & Co"), "Not configured")
}

func TestTheSellerIsSaidOnAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signIn()
	s.get("/admin/organization").wants(t, 200, "/admin/organization/seller")
	s.do(http.MethodPost, "/admin/organization/seller", url.Values{"name": {"Nord & Co"}, "country": {"Germany"}, "endpoint": {"a@example.org"}}).
		wants(t, http.StatusUnprocessableEntity, "Nord &amp; Co", `id="f-country-fault"`, "two capital letters", `id="f-endpoint_scheme-fault"`)
	if a := s.get("/admin/organization/seller"); strings.Contains(a.body, "Nord") {
		t.Error("what was refused is kept")
	}
	s.get(s.post("/admin/organization/seller", "name", "Nord & Co", "country", "de", "bank_account", "DE02120300000000202051")).
		wants(t, 200, "Nord &amp; Co", `value="DE"`, "DE02120300000000202051", "Saved")
}
