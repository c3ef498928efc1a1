package crm_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// BenchmarkSaveCustomers saves 1,000 customers as a pull brings them; BenchmarkCopyCustomers is the same rows by a bare COPY, without addresses, changes and checks.
func BenchmarkSaveCustomers(b *testing.B) {
	s := newShop(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		batch := pulledCustomers(n)
		b.StartTimer()
		if err := s.trySave(b, s.connection(), batch...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateCustomers(b *testing.B) {
	s := newShop(b)
	batch := pulledCustomers(0)
	s.save(b, batch...)
	for b.Loop() {
		for _, e := range batch {
			e.(*crm.Customer).Remark += "x"
		}
		s.save(b, batch...)
	}
}

func BenchmarkCopyCustomers(b *testing.B) {
	s := newShop(b)
	columns := []string{"organization_id", "id", "version", "code", "name", "kind", "lifecycle", "phone", "email", "tax_id", "currency", "payment_term", "created_at", "created_by", "updated_at", "updated_by"}
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		var rows [][]any
		for _, e := range pulledCustomers(n) {
			c := e.(*crm.Customer)
			rows = append(rows, []any{
				s.who.Organization, uuid.Must(uuid.NewV7()), 1, c.Code, c.Name, "company", "lead", c.Phone, c.Email, c.TaxID, c.Currency, c.PaymentTerm,
				time.Now(), "system", time.Now(), "system",
			})
		}
		b.StartTimer()
		err := s.as(b, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "reset role"); err != nil {
				return err
			}
			_, err := tx.CopyFrom(ctx, pgx.Identifier{"customers"}, columns, pgx.CopyFromRows(rows))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func pulledCustomers(round int) []crm.Entity {
	batch := make([]crm.Entity, 1000)
	for i := range batch {
		batch[i] = &crm.Customer{
			Code: fmt.Sprintf("B%d-%d", round, i), Name: fmt.Sprintf("Customer %d GmbH", i), Phone: "+49 30 1234567", Email: fmt.Sprintf("c%d@example.com", i),
			TaxID: fmt.Sprintf("DE%09d", i), Currency: "EUR", PaymentTerm: "30 days",
			Addresses: []crm.CustomerAddress{{Kind: "bill", Address: crm.Address{Street: "Main street 1", City: "Berlin", Postcode: "10115", Country: "DE"}}},
		}
	}
	return batch
}
