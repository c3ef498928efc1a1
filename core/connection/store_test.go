package connection_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
	"crmhub/core/schema"
	"crmhub/core/secret"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestOpenGivesTheSessionItsSettingsAndSecrets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	added := f.add(t, "erp")
	if added.Status != connection.Active || added.Version != 1 || added.Organization != f.who.Organization {
		t.Errorf("added %+v", added)
	}
	var read connection.Connection
	f.tx(t, func(tx pgx.Tx) (err error) {
		read, err = f.store.GetByCode(t.Context(), tx, "erp")
		return err
	})
	if diff := cmp.Diff(map[string]any{"url": "https://erp.example", "limit": json.Number("12.50")}, read.Config); diff != "" {
		t.Error("configuration read back:", diff)
	}
	if _, err := f.store.Open(read); err != nil {
		t.Fatal(err)
	}
	if got := f.opened.Secrets["password"].Reveal(); got != "hunter2" {
		t.Errorf("the session got password %q", got)
	}
	if diff := cmp.Diff(read.Config, f.opened.Config); diff != "" {
		t.Error("the session's configuration:", diff)
	}
}

func TestSecretsDoNotLeave(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.add(t, "erp")
	var raw string
	f.tx(t, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "select connections::text || coalesce(encode(secrets, 'escape'), '') from connections").Scan(&raw)
	})
	shown, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"row": raw, "JSON": string(shown), "print": fmt.Sprintf("%+v", c)} {
		if bytes.Contains([]byte(text), []byte("hunter2")) {
			t.Errorf("the %s shows the password", where)
		}
	}
}

func TestSecretsOfOneConnectionDoNotOpenInAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "erp")
	other := f.add(t, "finance")
	f.tx(t, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "update connections set secrets = (select secrets from connections where code = 'erp')")
		return err
	})
	f.tx(t, func(tx pgx.Tx) (err error) {
		other, err = f.store.Get(t.Context(), tx, other.ID)
		return err
	})
	if _, err := f.store.Open(other); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("got %v, want ErrSealed", err)
	}
}

func TestUpdateKeepsSecretsThatAreNotGiven(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		password any
		given    bool
		want     string
	}{
		"absent": {want: "hunter2"},
		"new":    {password: "s3cret", given: true, want: "s3cret"},
		"null":   {password: nil, given: true, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c := f.add(t, "erp")
			config := map[string]any{"url": "https://new.example"}
			if tc.given {
				config["password"] = tc.password
			}
			f.tx(t, func(tx pgx.Tx) (err error) {
				c, err = f.store.Update(t.Context(), tx, c.ID, c.Version, connection.Change{Name: "New", Config: config})
				return err
			})
			if c.Name != "New" || c.Version != 2 || c.Config["url"] != "https://new.example" {
				t.Errorf("updated %+v", c)
			}
			if _, err := f.store.Open(c); err != nil {
				t.Fatal(err)
			}
			if got := f.opened.Secrets["password"].Reveal(); got != tc.want {
				t.Errorf("password %q, want %q", got, tc.want)
			}
		})
	}
}

// Ids of one system mean other records in another.
func TestConnectionWithLinksIsNotPointedElsewhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.add(t, "erp")
	change := func(url string, same bool) (err error) {
		f.tx(t, func(tx pgx.Tx) error {
			var got connection.Connection
			config := map[string]any{"url": url, "limit": json.Number("7")}
			if got, err = f.store.Update(t.Context(), tx, c.ID, c.Version, connection.Change{Name: "ERP", Config: config, SameSystem: same}); err == nil {
				c = got
			}
			return nil
		})
		return err
	}
	if err := change("https://before.example", false); err != nil {
		t.Error("nothing is linked:", err)
	}
	f.tx(t, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into links (id, connection_id, entity, entity_id, remote_id, state)
			values (gen_random_uuid(), $1, 'customer', gen_random_uuid(), '7', 'linked')`, c.ID)
		return err
	})
	if err := change("https://before.example", false); err != nil {
		t.Error("another limit is no other system:", err)
	}
	vs := schema.Violations(nil)
	if err := change("https://else.example", false); !errors.As(err, &vs) || len(vs) != 1 || vs[0].Pointer != "/config/url" || vs[0].Rule != "linked" {
		t.Errorf("%v", err)
	}
	if err := change("https://else.example", true); err != nil || c.Config["url"] != "https://else.example" {
		t.Errorf("%v, %+v", err, c.Config)
	}
}

func TestEveryFaultIsNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "erp")
	for name, tc := range map[string]struct {
		in   connection.New
		want map[string]string // pointer → rule
	}{
		"all at once": {
			connection.New{Code: "ERP!", Connector: "test", Config: map[string]any{"limit": "many", "password": json.Number("1")}},
			map[string]string{"/code": "pattern", "/name": "required", "/config/url": "required", "/config/limit": "type", "/config/password": "type"},
		},
		"no such connector": {connection.New{Code: "x", Name: "X", Connector: "sap"}, map[string]string{"/connector": "enum"}},
		"code taken": {
			connection.New{Code: "erp", Name: "X", Connector: "test", Config: map[string]any{"url": "https://erp.example"}},
			map[string]string{"/code": "unique"},
		},
	} {
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) error {
			_, err := f.store.Add(t.Context(), tx, tc.in)
			return err
		})
		var vs schema.Violations
		if !errors.As(err, &vs) {
			t.Errorf("%s: got %v, want violations", name, err)
			continue
		}
		got := map[string]string{}
		for _, v := range vs {
			got[v.Pointer] = v.Rule
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRenewedSecretIsStoredAndRenewedByOneAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.DB = f.db
	c := f.add(t, "erp")
	if _, err := f.store.Open(c); err != nil {
		t.Fatal(err)
	}
	renew := f.opened.Renew
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			err := renew(t.Context(), "password", func(current secret.Text) (secret.Text, error) {
				return secret.New(current.Reveal() + "."), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	refused := errors.New("refused")
	err := renew(t.Context(), "password", func(secret.Text) (secret.Text, error) { return secret.New("lost"), refused })
	if !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	f.tx(t, func(tx pgx.Tx) error {
		now, err := f.store.Get(t.Context(), tx, c.ID)
		if err != nil {
			return err
		}
		if now.Version != c.Version {
			t.Errorf("renewing made version %d of %d", now.Version, c.Version)
		}
		_, err = f.store.Open(now)
		return err
	})
	if got := f.opened.Secrets["password"].Reveal(); got != "hunter2........" {
		t.Errorf("after eight renewals the secret is %q", got)
	}
}

func TestWriterThatSawAnOlderVersionIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.add(t, "erp")
	f.tx(t, func(tx pgx.Tx) error {
		_, err := f.store.SetStatus(t.Context(), tx, c.ID, c.Version, connection.Paused)
		return err
	})
	for name, tc := range map[string]struct {
		write func(tx pgx.Tx) error
		want  error
	}{
		"update": {func(tx pgx.Tx) error {
			_, err := f.store.Update(t.Context(), tx, c.ID, c.Version, connection.Change{Name: "N"})
			return err
		}, connection.ErrStale},
		"status": {func(tx pgx.Tx) error {
			_, err := f.store.SetStatus(t.Context(), tx, c.ID, c.Version, connection.Active)
			return err
		}, connection.ErrStale},
		"delete":  {func(tx pgx.Tx) error { return f.store.Delete(t.Context(), tx, c.ID, c.Version) }, connection.ErrStale},
		"unknown": {func(tx pgx.Tx) error { return f.store.Delete(t.Context(), tx, uuid.New(), 1) }, connection.ErrNotFound},
	} {
		if err := f.db.As(t.Context(), f.who, tc.write); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

func TestAllActiveSeesEveryOrganizationAndNoPausedConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	erp := f.add(t, "erp")
	paused := f.add(t, "old")
	f.tx(t, func(tx pgx.Tx) error {
		_, err := f.store.SetStatus(t.Context(), tx, paused.ID, paused.Version, connection.Paused)
		return err
	})
	f.who = postgrestest.Organization(t, f.db)
	other := f.add(t, "erp")
	want := map[postgres.Principal]bool{erp.Principal(): true, other.Principal(): true}
	got := map[postgres.Principal]bool{}
	err := f.db.AsSystem(t.Context(), func(tx pgx.Tx) error {
		all, err := f.store.AllActive(t.Context(), tx)
		for _, m := range all {
			got[m.Principal()] = m.OrganizationCode != ""
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.tx(t, func(tx pgx.Tx) error {
		own, err := f.store.List(t.Context(), tx)
		if len(own) != 1 || own[0].ID != other.ID {
			t.Errorf("an organization lists %d connections, want its own", len(own))
		}
		return err
	})
}

type fixture struct {
	db     *postgres.DB
	who    postgres.Principal
	store  *connection.Store
	opened connector.Options // what the last session got
}

const configSchema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,
	"required": ["url"],
	"properties": {"url": {"type": "string", "format": "uri"}, "limit": {"type": "number"}, "password": {"type": "string"}}
}`

func newFixture(t *testing.T) *fixture {
	t.Helper()
	key, err := secret.NewKey(bytes.Repeat([]byte("k"), 32))
	if err != nil {
		t.Fatal(err)
	}
	db := postgrestest.New(t)
	f := &fixture{db: db, who: postgrestest.Organization(t, db)}
	f.store = &connection.Store{
		Key: key, Logger: slog.New(slog.DiscardHandler),
		Connectors: map[string]connector.Connector{"test": {
			Name: "test", Config: json.RawMessage(configSchema), Secrets: []string{"password"},
			Open: func(o connector.Options) (connector.Session, error) {
				f.opened = o
				return nil, nil
			},
		}},
	}
	return f
}

func (f *fixture) tx(t *testing.T, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := f.db.As(t.Context(), f.who, fn); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) add(t *testing.T, code string) (c connection.Connection) {
	t.Helper()
	f.tx(t, func(tx pgx.Tx) (err error) {
		c, err = f.store.Add(t.Context(), tx, connection.New{Code: code, Name: "ERP", Connector: "test", Config: map[string]any{
			"url": "https://erp.example", "limit": json.Number("12.50"), "password": "hunter2",
		}})
		return err
	})
	return c
}
