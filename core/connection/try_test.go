package connection_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/connection"
	"crmhub/core/connector"
	"crmhub/core/secret"
)

// rotating is a session of a system that takes each password once and gives the next one.
type rotating struct {
	connector.Options
	refused error // what it says after it has given a new password
}

func (r rotating) Close() error { return nil }

func (r rotating) Check(ctx context.Context) error {
	err := r.Renew(ctx, "password", func(current secret.Text) (secret.Text, error) {
		if current.Reveal() == "" {
			return current, errors.New("no password")
		}
		return secret.New(current.Reveal() + "+"), nil
	})
	return errors.Join(err, r.refused)
}

var errRolledBack = errors.New("rolled back")

func TestTriedConnectionKeepsTheSecretThatItsSystemRenews(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.DB = f.db
	var refused error
	f.store.Connectors["rotating"] = connector.Connector{
		Name: "rotating", Config: json.RawMessage(configSchema), Secrets: []string{"password"},
		Open: func(o connector.Options) (connector.Session, error) {
			f.opened = o
			return rotating{o, refused}, nil
		},
	}
	// tried writes in a transaction that does not commit.
	tried := func(write func(tx pgx.Tx) (connection.Connection, error)) (c connection.Connection) {
		t.Helper()
		err := f.db.As(t.Context(), f.who, func(tx pgx.Tx) (err error) {
			if c, err = write(tx); err != nil {
				return err
			}
			return errRolledBack
		})
		if !errors.Is(err, errRolledBack) {
			t.Fatal(err)
		}
		return c
	}
	entered := map[string]any{"url": "https://erp.example", "password": "first"}
	add := func(config map[string]any) func(tx pgx.Tx) (connection.Connection, error) {
		return func(tx pgx.Tx) (connection.Connection, error) {
			return f.store.Add(t.Context(), tx, connection.New{Code: "erp", Name: "ERP", Connector: "rotating", Config: config})
		}
	}
	kept, renewed, err := f.store.Try(t.Context(), tried(add(entered)), entered)
	want := map[string]any{"url": "https://erp.example", "password": "first+"}
	if diff := cmp.Diff(want, kept); diff != "" || !renewed || err != nil {
		t.Errorf("tried before it is stored: %v, %v, %s", renewed, err, diff)
	}
	if entered["password"] != "first" {
		t.Error("what was entered is changed")
	}
	refused = errors.New("no such company")
	if kept, renewed, err = f.store.Try(t.Context(), tried(add(entered)), entered); kept["password"] != "first+" || !renewed || !errors.Is(err, refused) {
		t.Errorf("refused after its secret was renewed: %v, %v", renewed, err)
	}
	refused = nil
	var stored connection.Connection
	f.tx(t, func(tx pgx.Tx) (err error) {
		stored, err = add(kept)(tx)
		return err
	})

	// Changed, with its secret left as it is: that one is renewed where it lies, by whoever tries.
	change := map[string]any{"url": "https://other.example"}
	update := func(tx pgx.Tx) (connection.Connection, error) {
		return f.store.Update(t.Context(), tx, stored.ID, stored.Version, connection.Change{Name: "ERP", Config: change})
	}
	if kept, renewed, err = f.store.Try(t.Context(), tried(update), change); renewed || err != nil || cmp.Diff(change, kept) != "" {
		t.Errorf("tried with the stored secret: %v, %v, %v", kept, renewed, err)
	}
	now := func() string {
		t.Helper()
		f.tx(t, func(tx pgx.Tx) error {
			c, err := f.store.Get(t.Context(), tx, stored.ID)
			if err != nil {
				return err
			}
			_, err = f.store.Open(c)
			return err
		})
		return f.opened.Secrets["password"].Reveal()
	}
	if got := now(); got != "first++" {
		t.Errorf("the stored secret is %s", got)
	}
	// And with another secret: that one counts, not the stored one.
	change["password"] = "second"
	if kept, renewed, err = f.store.Try(t.Context(), tried(update), change); !renewed || err != nil || kept["password"] != "second+" {
		t.Errorf("tried with another secret: %v, %v", renewed, err)
	}
	if got := now(); got != "first++" {
		t.Errorf("the stored secret is %s", got)
	}
}
