package file_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/crm"
)

// A bookkeeper who takes files gets invoices before the payments that pay them, to the cent, and each later state as a file of its own.
func TestInvoicesAndPaymentsReachABookkeeperWhoTakesFiles(t *testing.T) {
	t.Parallel()
	h := newHub(t, `{
		"decimal_mark": ",", "date_layout": "02.01.2006", "customer": {"write": "jsonl"}, "product": {"write": "csv"},
		"invoice": {"write": "csv"}, "payment": {"write": "jsonl", "folder": "out/bank", "name": "{reference}_{n}"}}`)
	by := crm.By{Actor: h.who.Actor, Origin: "crm"}
	save := func(batch ...crm.Entity) {
		t.Helper()
		h.tx(func(tx pgx.Tx) error { return (&crm.Store{}).Save(t.Context(), tx, by, batch) })
	}
	amount := decimal.RequireFromString
	day := crm.DateOf(time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC))
	anna, chai := &crm.Customer{Code: "ANNA", Name: "Anna"}, &crm.Product{SKU: "CHAI", Name: "Chai"}
	save(anna)
	save(chai)
	of := func(number, kind, untaxed, tax, total string, reverses *uuid.UUID, lines ...crm.InvoiceLine) *crm.Invoice {
		return &crm.Invoice{
			Number: number, Type: kind, CustomerID: anna.ID, IssueDate: &day, Currency: "EUR", Untaxed: amount(untaxed), Tax: amount(tax), Total: amount(total),
			Residual: amount(total), Status: "draft", PaymentStatus: "unpaid", ReversesID: reverses, Lines: lines,
		}
	}
	invoice := of("R-1", "invoice", "30.85", "6.17", "37.02", nil,
		crm.InvoiceLine{ProductID: &chai.ID, Qty: amount("1.5"), Price: amount("18.50"), TaxRate: amount("20"), Untaxed: amount("27.75"), Tax: amount("5.55")},
		crm.InvoiceLine{Description: "Freight; \"express\"", Qty: amount("1"), Price: amount("3.10"), TaxRate: amount("20"), Untaxed: amount("3.10"), Tax: amount("0.62")})
	issue := func(v *crm.Invoice) {
		save(v)
		v.Status = "issued"
		save(v)
	}
	issue(invoice)
	note := of("G-1", "credit_note", "-3.10", "-0.62", "-3.72", &invoice.ID,
		crm.InvoiceLine{Description: "Freight", Qty: amount("-1"), Price: amount("3.10"), TaxRate: amount("20"), Untaxed: amount("-3.10"), Tax: amount("-0.62")})
	issue(note)
	payment := &crm.Payment{
		Number: "P-1", CustomerID: anna.ID, Date: day, Method: "transfer", Currency: "EUR", Amount: amount("33.30"), Status: "draft",
		Allocations: []crm.PaymentAllocation{{InvoiceID: invoice.ID, Amount: amount("33.30")}},
	}
	save(payment)
	payment.Status = "posted"
	save(payment)

	synced := func(entity string, version, count int) {
		t.Helper()
		h.eventually("they are synced", func() (ok bool) {
			h.tx(func(tx pgx.Tx) error {
				return tx.QueryRow(t.Context(), "select count(*) = $3 from links where entity = $1 and state = 'linked' and synced_version >= $2", entity, version, count).Scan(&ok)
			})
			return ok
		})
	}
	kill := h.push()
	synced("invoice", 2, 2)
	synced("payment", 2, 1)
	kill()
	// cells are some columns of a file's rows.
	cells := func(name string, columns ...string) (rows []string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(h.dir, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		table, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(b), "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range table[1:] {
			var row []string
			for _, c := range columns {
				at := slices.Index(table[0], c)
				if at < 0 {
					t.Fatalf("%s has no column %s: %s", name, c, table[0])
				}
				row = append(row, line[at])
			}
			rows = append(rows, strings.Join(row, "|"))
		}
		return rows
	}
	text := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(h.dir, "out", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	h.want("the invoice", cells("invoice-R-1-1.csv", "number", "kind", "customer", "issue_date", "untaxed", "tax", "total", "status", "line_product", "line_description", "line_qty", "line_price"), []string{
		"R-1|invoice|ANNA|04.05.2026|30,85|6,17|37,02|posted|CHAI||1,5|18,5",
		`R-1|invoice|ANNA|04.05.2026|30,85|6,17|37,02|posted||Freight; "express"|1|3,1`,
	})
	h.want("the credit note", cells("invoice-G-1-1.csv", "number", "kind", "reverses", "total"), []string{"G-1|credit_note|R-1|-3,72"})
	h.want("the payment", text("bank/P-1_1.jsonl"), `{"allocations":[{"amount":"33.3","invoice":"R-1"}],"amount":"33.3","currency":"EUR","customer":"ANNA",`+
		`"date":"2026-05-04","method":"transfer","number":"P-1","status":"posted"}`+"\n")

	// The bank takes it back.
	payment.Status, payment.Allocations = "cancelled", nil
	save(payment)
	kill = h.push()
	synced("payment", 3, 1)
	kill()
	if got := text("bank/P-1_2.jsonl"); !strings.Contains(got, `"status":"cancelled"`) || strings.Contains(got, "R-1") {
		t.Errorf("the payment that was taken back: %s", got)
	}
	h.want("dead letters", h.lines("select message from dead_letters"), []string{})
}
