package console_test

import (
	"errors"
	"net/http"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/connection"
	"crmhub/core/connector"
)

// refused is how a system answers that does not take the credentials.
func refused() *connector.Error {
	return &connector.Error{Class: connector.ClassAuth, Code: "401", Message: "The key was refused.", Remedy: "Enter it again."}
}

func TestAConnectionIsMadeCheckedAndChangedByAForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.fill()
	s.signIn()
	s.get("/sync/connections/new").wants(t, http.StatusOK, "What kind of system", `/sync/connections/new?connector=stub`)
	s.get("/sync/connections/new?connector=robot").wants(t, http.StatusNotFound)
	s.get("/sync/connections/new?connector=stub").wants(t, http.StatusOK, `name="config.url"`, `name="config.password"`, `type="password"`, "Check and save")

	fields := []string{"connector", "stub", "name", "Shop", "code", "shop", "config.url", "https://shop.example.org", "config.password", "swordfish"}
	s.do(http.MethodPost, "/sync/connections", form("connector", "stub", "name", " ", "code", "Shop!")).
		wants(t, http.StatusUnprocessableEntity, "a name is required", "a code starts with a letter", `aria-describedby="f-code-fault"`)
	s.remoteErr = refused()
	answer := s.do(http.MethodPost, "/sync/connections", form(append(fields, "do", "check")...))
	answer.wants(t, http.StatusUnprocessableEntity, "The key was refused.", "Enter it again.", "Nothing was saved", `value="https://shop.example.org"`, "Secrets are never sent back")
	if regexp.MustCompile("swordfish").MatchString(answer.body) {
		t.Error("a secret is sent back")
	}
	s.remoteErr = nil
	path := s.post("/sync/connections", append(fields, "do", "check")...)
	s.get(path).wants(t, http.StatusOK, "The system answered", "Shop")
	path = regexp.MustCompile(`^[^?]+`).FindString(path)

	s.get(path+"/edit").wants(t, http.StatusOK, "Set, and never shown", `name="config.password~clear"`, `value="https://shop.example.org"`)
	s.post(path+"/edit", "version", "1", "name", "Web shop", "config.url", "", "config.password", "", "do", "save")
	secrets := func() []string {
		var names []string
		s.tx(func(tx pgx.Tx) error {
			c, err := s.connections.GetByCode(t.Context(), tx, "shop")
			if err != nil {
				return err
			}
			if c.Name != "Web shop" || len(c.Config) > 0 {
				t.Errorf("changed to %s %v", c.Name, c.Config)
			}
			names, err = s.connections.SecretNames(c)
			return err
		})
		return names
	}
	if names := secrets(); len(names) != 1 {
		t.Errorf("the secret is not kept: %v", names)
	}
	s.do(http.MethodPost, path+"/edit", form("version", "1", "name", "Web shop", "do", "save")).wants(t, http.StatusConflict)
	s.post(path+"/edit", "version", "2", "name", "Web shop", "config.url", "", "config.password", "", "config.password~clear", "true", "do", "save")
	if names := secrets(); len(names) != 0 {
		t.Errorf("the secret is not cleared: %v", names)
	}
	// With links it names no other system unless somebody says that it is the same.
	s.tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state)
			select gen_random_uuid(), id, 'customer', gen_random_uuid(), '7', 'linked' from connections where code = 'shop'`)
		return err
	})
	elsewhere := []string{"version", "3", "name", "Web shop", "config.url", "https://else.example.org", "do", "save"}
	s.do(http.MethodPost, path+"/edit", form(elsewhere...)).wants(t, http.StatusUnprocessableEntity, "names another system", `name="same_system"`, `value="https://else.example.org"`)
	s.post(path+"/edit", append(elsewhere, "same_system", "true")...)
	s.post(path+"/delete", "version", "4")
	s.tx(func(tx pgx.Tx) error {
		if _, err := s.connections.GetByCode(t.Context(), tx, "shop"); err == nil {
			t.Error("the connection is still there")
		} else if !errors.Is(err, connection.ErrNotFound) {
			return err
		}
		return nil
	})
	s.become(access.Role{Grants: []access.Grant{{Resource: access.Connections, Action: access.Read, Scope: "organization"}}})
	s.get("/sync/connections/new").wants(t, http.StatusForbidden)
	s.get("/sync/connections/"+s.erp.ID.String()+"/edit").wants(t, http.StatusForbidden)
}

// Some systems take a secret once and give the next one, even where they refuse something else after it.
func TestASecretThatIsRenewedByTheCheckIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.rotates = true
	s.signIn()
	var stored connection.Connection
	password := func(code string) string {
		t.Helper()
		s.tx(func(tx pgx.Tx) (err error) {
			stored, err = s.connections.GetByCode(t.Context(), tx, code)
			return err
		})
		session, err := s.connections.Open(stored)
		if err != nil {
			t.Fatal(err)
		}
		stub, _ := session.(stubSession)
		return stub.options.Secrets["password"].Reveal()
	}
	fields := func(code, password string, more ...string) []string {
		return append([]string{"connector", "stub", "name", "Shop", "code", code, "config.url", "https://shop.example.org", "config.password", password, "do", "check"}, more...)
	}
	s.get(s.post("/sync/connections", fields("shop", "first")...)).wants(t, 200, "The system answered")
	if got := password("shop"); got != "first+" || stored.Status != connection.Active {
		t.Errorf("made with %s, %s", got, stored.Status)
	}
	edit := "/sync/connections/" + stored.ID.String() + "/edit"
	s.post(edit, fields("", "", "version", "1")...)
	if got := password("shop"); got != "first++" {
		t.Errorf("changed without another secret: %s", got)
	}
	s.post(edit, fields("", "second", "version", "2")...)
	if got := password("shop"); got != "second+" {
		t.Errorf("changed with another: %s", got)
	}
	s.remoteErr = refused()
	s.do(http.MethodPost, "/sync/connections", form(fields("web", "third")...)).
		wants(t, http.StatusUnprocessableEntity, "The key was refused.", "It is saved all the same, and paused", "/edit", `name="version" value="2"`, `value="https://shop.example.org"`, "Set, and never shown")
	if got := password("web"); got != "third+" || stored.Status != connection.Paused {
		t.Errorf("what the system renewed before it refused: %s, %s", got, stored.Status)
	}
	s.do(http.MethodPost, edit, form(fields("", "", "version", "3")...)).wants(t, http.StatusUnprocessableEntity, "Nothing was saved")
	if got := password("shop"); got != "second++" || stored.Version != 3 {
		t.Errorf("a stored secret is renewed where it lies: %s, version %d", got, stored.Version)
	}
	// Somebody changes it while it is checked: what was entered, and is renewed by now, is nowhere else.
	s.remoteErr = nil
	other := connection.Change{Name: "Shop of somebody else", Config: map[string]any{"url": "https://else.example.org"}}
	s.meanwhile = func() {
		s.tx(func(tx pgx.Tx) error {
			_, err := s.connections.Update(t.Context(), tx, stored.ID, stored.Version, other)
			return err
		})
	}
	s.do(http.MethodPost, edit, form(fields("", "fourth", "version", "3")...)).
		wants(t, http.StatusConflict, "Somebody else changed this connection while it was checked", `name="version" value="6"`, `value="https://shop.example.org"`)
	if got := password("shop"); got != "fourth+" || stored.Status != connection.Paused {
		t.Errorf("renewed while somebody else changed the connection: %s, %s", got, stored.Status)
	}
	s.do(http.MethodPost, edit, form(fields("", "", "version", "6")...)).wants(t, http.StatusConflict, "Already dealt with")
	if got := password("shop"); got != "fourth++" || stored.Name != other.Name {
		t.Errorf("changed meanwhile by somebody else, and no secret was entered: %s, %s", got, stored.Name)
	}
}
