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

// BenchmarkSaveOrders saves 1,000 confirmed orders of three lines as a pull brings them.
func BenchmarkSaveOrders(b *testing.B) {
	s := newShop(b)
	order := s.confirmedOrders(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		batch := order(n)
		b.StartTimer()
		if err := s.trySave(b, s.connection(), batch...); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdateOrders changes 1,000 of them in something that no report adds up.
func BenchmarkUpdateOrders(b *testing.B) {
	s := newShop(b)
	batch := s.confirmedOrders(b)(0)
	s.save(b, batch...)
	for b.Loop() {
		for _, e := range batch {
			e.(*crm.Order).Remark += "x"
		}
		s.save(b, batch...)
	}
}

// BenchmarkCancelOrders cancels 1,000 of them: they count no more.
func BenchmarkCancelOrders(b *testing.B) {
	s := newShop(b)
	order := s.confirmedOrders(b)
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		batch := order(n)
		s.save(b, batch...)
		for _, e := range batch {
			e.(*crm.Order).Status = "cancelled"
		}
		b.StartTimer()
		s.save(b, batch...)
	}
}

func (s *shop) confirmedOrders(b *testing.B) func(round int) []crm.Entity {
	customer := &crm.Customer{Name: "Alpha"}
	products := make([]crm.Entity, 100)
	for i := range products {
		products[i] = &crm.Product{SKU: fmt.Sprintf("P%d", i), Name: fmt.Sprintf("Product %d", i)}
	}
	s.save(b, customer)
	s.save(b, products...)
	return func(round int) []crm.Entity {
		batch := make([]crm.Entity, 1000)
		for i := range batch {
			o := &crm.Order{Number: fmt.Sprintf("B%d-%d", round, i), CustomerID: customer.ID, Date: date(b, "2026-02-04"), Currency: "EUR", Status: "confirmed"}
			for l := range 3 {
				o.Lines = append(o.Lines, crm.OrderLine{ProductID: &products[(i+31*l)%100].(*crm.Product).ID, Description: "Bolt", Qty: dec("1"), Price: dec("100")})
			}
			batch[i] = o
		}
		return batch
	}
}
