package crm_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
	"crmhub/core/postgres"
)

// draft is an invoice over 100 with one line, saved.
func (s *shop) draft(t testing.TB) *crm.Invoice {
	t.Helper()
	customer := &crm.Customer{Name: "Alpha"}
	s.save(t, customer)
	v := &crm.Invoice{
		CustomerID: customer.ID, Currency: "EUR", Untaxed: dec("100"), Total: dec("100"),
		Lines: []crm.InvoiceLine{{Description: "Bolt", Qty: dec("1"), Price: dec("100"), Untaxed: dec("100")}},
	}
	s.save(t, v)
	return v
}

// issued is draft, issued.
func (s *shop) issued(t testing.TB) *crm.Invoice {
	t.Helper()
	v := s.draft(t)
	v.Status, v.IssueDate = "issued", new(date(t, "2026-02-04"))
	s.save(t, v)
	return v
}

func TestDraftMayChangeAsItIsIssued(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.draft(t)
	v.Lines = []crm.InvoiceLine{
		{Description: "Nut", Qty: dec("2"), Price: dec("10"), Untaxed: dec("20")},
		{Description: "Bolt", Qty: dec("1"), Price: dec("100"), Untaxed: dec("100")},
	}
	v.Untaxed, v.Total, v.Residual = dec("120"), dec("120"), dec("120")
	v.Status, v.IssueDate = "issued", new(date(t, "2026-02-04"))
	s.save(t, v)
	if diff := cmp.Diff(asJSON(t, v), asJSON(t, s.get(t, v))); diff != "" {
		t.Errorf("(-saved +read):\n%s", diff)
	}
}

func TestDraftWithoutADateCanBeCancelled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.draft(t)
	v.Status = "cancelled"
	s.save(t, v)
	v.Status = "issued"
	wantRules(t, s.trySave(t, s.by(), v), "/issue_date required", "/status transition")
}

// What is wrong with a file is found again with each release of the rules, whatever became of the invoice.
func TestFindingsOfAnIssuedInvoiceMayChange(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	v := s.issued(t)
	for _, findings := range [][]crm.Finding{
		{{Rule: "BR-CO-10", Severity: "fatal", Place: "/Invoice/cac:LegalMonetaryTotal", Message: "The sum is wrong."}, {Rule: "UBL-CR-005", Severity: "warning"}},
		{{Rule: "BR-CO-10", Severity: "warning"}},
		{},
	} {
		v.Findings = findings
		s.save(t, v)
		if diff := cmp.Diff(asJSON(t, v), asJSON(t, s.get(t, v))); diff != "" {
			t.Errorf("(-saved +read):\n%s", diff)
		}
	}
	v.Findings = []crm.Finding{{Rule: "BR-01", Severity: "bad"}}
	wantRules(t, s.trySave(t, s.by(), v), "/findings/0/severity enum")
}

// The database keeps an issued invoice, whoever writes past this package.
func TestStatementsCannotTouchAnIssuedInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	issued, draft := s.issued(t), s.draft(t)
	for name, statement := range map[string]string{
		"delete":         "delete from invoices where id = $1 and id <> $2",
		"hide":           "update invoices set deleted_at = now() where id = $1 and id <> $2",
		"delete a line":  "delete from invoice_lines where invoice_id = $1 and invoice_id <> $2",
		"change a line":  "update invoice_lines set description = 'Nut' where invoice_id = $1 and invoice_id <> $2",
		"add a line":     "insert into invoice_lines (invoice_id, seq, description, qty, price, untaxed, tax) select $1, 7, '', 1, 1, 1, 0 where $1 <> $2::uuid",
		"move a line in": "update invoice_lines set invoice_id = $1, seq = 7 where invoice_id = $2",
	} {
		err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, statement, issued.ID, draft.ID)
			return err
		})
		if _, constraint := postgres.ErrorCode(err); constraint != "invoice_immutable" {
			t.Errorf("%s: got %v, want the trigger's refusal", name, err)
		}
	}
	err := s.as(t, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "delete from invoices where id = $1", draft.ID)
		return err
	})
	if err != nil {
		t.Errorf("a draft: %v", err)
	}
}
