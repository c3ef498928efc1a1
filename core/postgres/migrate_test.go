package postgres_test

import (
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"crmhub/core/postgres"
	"crmhub/core/postgres/postgrestest"
)

// before returns the connection string of a database as it was before a migration.
func before(t *testing.T, version int64) string {
	t.Helper()
	u, err := url.Parse(postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	name := "before_" + uuid.NewString()[:8]
	if err := postgrestest.Open(t, u.String()).CreateDatabase(t.Context(), name, "template0"); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	std := stdlib.OpenDBFromPool(pool)
	defer func() { _ = std.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, std, postgres.Migrations(), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version-1); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

func TestTaxProfileBecomesAnInvoiceProfile(t *testing.T) {
	t.Parallel()
	db := postgrestest.Open(t, before(t, 6))
	p := postgrestest.Organization(t, db)
	addCustomer(t, db, p, "A")
	addCustomer(t, db, p, "B")
	err := db.As(t.Context(), p, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `update customers set tax_profile = '{"title":"福建示例","bank_account":"2"}' where code = 'B'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var code, title, account string
	var isDefault bool
	err = db.As(t.Context(), p, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), `select c.code, i.title, i.bank_account, i.is_default
			from customer_invoice_profiles i join customers c on c.id = i.customer_id`).Scan(&code, &title, &account, &isDefault)
	})
	if err != nil || code != "B" || title != "福建示例" || account != "2" || !isDefault {
		t.Errorf("got %s %s %s %v, %v", code, title, account, isDefault, err)
	}
}
