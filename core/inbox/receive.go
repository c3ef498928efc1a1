package inbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/access"
	"crmhub/core/crm"
	"crmhub/core/einvoice"
	"crmhub/core/match"
)

const insert = `
insert into invoice_inbox (id, name, size, sha256, data, status, reason, findings, kind, number, issue_date, due_date, currency, total, seller, seller_is, buyer,
	payment_reference, customer_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, nullif($18, ''), $19)
on conflict (organization_id, sha256) where status <> 'refused' do nothing`

// Receive takes a file in, judges it, and looks for the customer. A file that is there already and was not refused is the
// one that is there. What is no invoice under UBL, or not one of the organization's own, is kept as refused, with the reason.
func (s *Store) Receive(ctx context.Context, tx pgx.Tx, name string, data []byte) (Item, error) {
	item, err := s.judge(ctx, tx, data)
	if err != nil {
		return item, err
	}
	if item.ID, err = uuid.NewV7(); err != nil {
		return item, fmt.Errorf("receive an invoice: %w", err)
	}
	sum := sha256.Sum256(data)
	hash := hex.EncodeToString(sum[:])
	_, err = tx.Exec(ctx, insert, item.ID, name, len(data), hash, data, item.Status, item.Reason, item.Findings, item.Kind, item.Number, item.IssueDate, item.DueDate,
		item.Currency, item.Total, item.Seller, item.SellerIs, item.Buyer, item.PaymentReference, item.CustomerID)
	if err != nil {
		return item, fmt.Errorf("receive an invoice: %w", err)
	}
	if item.Status == Refused {
		return s.Get(ctx, tx, item.ID)
	}
	return one(ctx, tx, columns+" where b.sha256 = $1 and b.status <> 'refused'", hash)
}

const lock = `select status from invoice_inbox where id = $1 for no key update`

// locked returns a file that stands at a status, locked.
func (s *Store) locked(ctx context.Context, tx pgx.Tx, id uuid.UUID, at Status) (Item, error) {
	var status Status
	err := tx.QueryRow(ctx, lock, id).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return Item{}, ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("lock a file of the inbox: %w", err)
	}
	if status != at {
		return Item{}, &StatusError{status}
	}
	return s.Get(ctx, tx, id)
}

// Refuse puts a file that waits aside, with a reason.
func (s *Store) Refuse(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string) (Item, error) {
	if _, err := s.locked(ctx, tx, id, Review); err != nil {
		return Item{}, err
	}
	_, err := tx.Exec(ctx, "update invoice_inbox set status = 'refused', reason = $2, decided_at = now(), decided_by = crmhub_actor() where id = $1", id, reason)
	if err != nil {
		return Item{}, fmt.Errorf("refuse an invoice: %w", err)
	}
	return s.Get(ctx, tx, id)
}

const reopen = `
update invoice_inbox b set status = $2, reason = $3, findings = $4, kind = $5, number = $6, issue_date = $7, due_date = $8, currency = $9, total = $10, seller = $11,
	seller_is = $12, buyer = $13, payment_reference = nullif($14, ''), customer_id = $15, decided_at = null, decided_by = null
where b.id = $1 and not exists (select from invoice_inbox x where x.sha256 = b.sha256 and x.status <> 'refused')`

// Reopen judges a refused file anew: it waits again, unless it is refused for what it is. Where the same file came again
// meanwhile it is a [StatusError].
func (s *Store) Reopen(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Item, error) {
	if _, err := s.locked(ctx, tx, id, Refused); err != nil {
		return Item{}, err
	}
	data, err := s.File(ctx, tx, id)
	if err != nil {
		return Item{}, err
	}
	item, err := s.judge(ctx, tx, data)
	if err != nil {
		return item, err
	}
	tag, err := tx.Exec(ctx, reopen, id, item.Status, item.Reason, item.Findings, item.Kind, item.Number, item.IssueDate, item.DueDate, item.Currency, item.Total, item.Seller,
		item.SellerIs, item.Buyer, item.PaymentReference, item.CustomerID)
	if err != nil {
		return item, fmt.Errorf("open a file of the inbox again: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return item, &StatusError{Refused}
	}
	return s.Get(ctx, tx, id)
}

// Rules of the hub beside those of EN 16931.
const (
	ruleSyntax = "UBL-SYNTAX"
	ruleSeller = "SELLER"
)

// judge reads a file and says what becomes of it.
func (s *Store) judge(ctx context.Context, tx pgx.Tx, data []byte) (Item, error) {
	v, err := einvoice.Parse(bytes.NewReader(data))
	if bad, ok := errors.AsType[*einvoice.SyntaxError](err); ok {
		place := ""
		if bad.Line > 0 {
			place = fmt.Sprintf("line %d", bad.Line)
		}
		return Item{Status: Refused, SellerIs: Unknown, Reason: cut(bad.Error(), 1000), Findings: []crm.Finding{{Rule: ruleSyntax, Severity: "fatal", Place: place, Message: cut(bad.Reason, 1000)}}}, nil
	}
	if err != nil {
		return Item{}, fmt.Errorf("read an invoice: %w", err)
	}
	item := read(v)
	seller, err := s.Access.Seller(ctx, tx)
	if err != nil {
		return item, err
	}
	item.SellerIs = standing(seller, v.Seller)
	if item.SellerIs == Other {
		item.Status, item.Reason = Refused, "somebody else sells: "+item.Seller
		item.Findings = append(item.Findings, crm.Finding{
			Rule: ruleSeller, Severity: "fatal", Place: "cac:AccountingSupplierParty", Message: "The seller is not this organization, as its settings name it: this is an invoice to be paid, not one to be collected.",
		})
		return item, nil
	}
	found, err := s.Candidates(ctx, tx, item)
	if err != nil {
		return item, err
	}
	if OneIsSure(found) {
		item.CustomerID = &found[0].ID
	}
	return item, nil
}

// read is what the inbox shows of an invoice.
func read(v *einvoice.Invoice) Item {
	item := Item{
		Status: Review, Findings: findings(einvoice.Check(v)), Kind: "invoice", Number: cut(v.Number, shown), Currency: cut(v.Currency, shown), Seller: cut(v.Seller.Name, shown),
		IssueDate: dayOf(v.IssueDate), DueDate: dayOf(v.DueDate),
		Buyer: Buyer{
			Name: cut(v.Buyer.Name, shown), VATNumber: cut(v.Buyer.TaxNumber, shown), Registration: cut(v.Buyer.Registration.ID, shown), Endpoint: cut(v.Buyer.Endpoint.ID, shown),
			Email: cut(v.Buyer.Contact.Email, shown), Phone: cut(v.Buyer.Contact.Phone, shown),
			Street: cut(v.Buyer.Address.Street, shown), Postcode: cut(v.Buyer.Address.Postcode, shown), City: cut(v.Buyer.Address.City, shown), Country: cut(v.Buyer.Address.Country, shown),
		},
	}
	if len(v.Buyer.IDs) > 0 {
		item.Buyer.ID = cut(v.Buyer.IDs[0].ID, shown)
	}
	if v.Buyer.Endpoint.Scheme == "EM" && item.Buyer.Email == "" {
		item.Buyer.Email = item.Buyer.Endpoint
	}
	for _, p := range v.Payment {
		if item.PaymentReference == "" {
			item.PaymentReference = cut(p.Reference, shown)
		}
	}
	total := v.Totals.Total
	if v.CreditNote {
		item.Kind, total.Decimal = "credit_note", total.Decimal.Neg()
	}
	if total.Valid {
		item.Total = &total.Decimal
	}
	return item
}

// shown is how many characters of a text the inbox keeps.
const shown = 300

func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most])
	}
	return s
}

func dayOf(s string) *crm.Date {
	d, err := crm.ParseDate(s)
	if err != nil {
		return nil
	}
	return &d
}

func findings(all []einvoice.Finding) []crm.Finding {
	kept := make([]crm.Finding, len(all))
	for i, f := range all {
		kept[i] = crm.Finding{Rule: f.Rule, Severity: string(f.Severity), Place: cut(f.Place, 1000), Message: cut(f.Message.English, 1000)}
	}
	return kept
}

// standing says whether a seller is the organization: by any number that both have, or by the name.
func standing(us access.Seller, them einvoice.Party) SellerIs {
	plain := func(numbers ...string) (all []string) {
		for _, n := range numbers {
			if n = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", ".", "").Replace(n)); n != "" {
				all = append(all, n)
			}
		}
		return all
	}
	ours := plain(us.VATNumber, us.TaxNumber, us.Registration, us.Endpoint)
	if len(ours) == 0 && us.Name == "" {
		return Unknown
	}
	theirs := plain(them.TaxNumber, them.LocalNumber, them.Registration.ID, them.Endpoint.ID)
	if slices.ContainsFunc(ours, func(n string) bool { return slices.Contains(theirs, n) }) {
		return Ours
	}
	if name := match.CompanyName(us.Name); name != "" && (name == match.CompanyName(them.Name) || name == match.CompanyName(them.TradingName)) {
		return Ours
	}
	return Other
}
