package inbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"crmhub/core/attachment"
	"crmhub/core/crm"
	"crmhub/core/edit"
	"crmhub/core/einvoice"
	"crmhub/core/schema"
)

const accepted = `
update invoice_inbox set status = 'accepted', reason = '', customer_id = $2, invoice_id = $3, data = null, decided_at = now(), decided_by = crmhub_actor()
where id = $1`

// Accept makes an issued invoice of a file that waits, for a customer, with the file attached. It bills the customer's order that
// the file names, and a credit note corrects the invoice that it names, where these are here. What stands against it is
// [schema.Violations], a [StatusError], or what [edit.Editor.Create] returns; then nothing is written.
func (s *Store) Accept(ctx context.Context, tx pgx.Tx, a edit.Author, id, customer uuid.UUID) (Item, error) {
	item, err := s.locked(ctx, tx, id, Review)
	if err != nil {
		return item, err
	}
	data, err := s.File(ctx, tx, id)
	if err != nil {
		return item, err
	}
	doc, open, err := document(data)
	if err != nil {
		return item, err
	}
	if item.KnownID != nil {
		return item, schema.Violations{{Pointer: "/number", Rule: "unique", Message: fmt.Sprintf("invoice %s is there already", item.Number)}}
	}
	doc["customer_id"] = customer.String()
	if err := s.refer(ctx, tx, doc, data, customer); err != nil {
		return item, err
	}
	made, err := s.Editor.Read(a, crm.KindInvoice, doc)
	if err != nil {
		return item, err
	}
	v, _ := made.(*crm.Invoice)
	v.Findings = item.Findings
	if err := s.Editor.Create(ctx, tx, a, v, ""); err != nil {
		return item, err
	}
	issued, err := s.Editor.Revise(a, v, 0, map[string]any{"status": "issued", "residual": open.String(), "payment_status": paymentStatus(open, v.Total)})
	if err != nil {
		return item, err
	}
	if err := s.CRM.Save(ctx, tx, a.By, []crm.Entity{issued}); err != nil {
		return item, err
	}
	received, err := attachment.Receive(bytes.NewReader(data))
	if err != nil {
		return item, err
	}
	defer received.Close()
	if _, err := attachment.Add(ctx, tx, attachment.Owner{Entity: string(crm.KindInvoice), ID: v.ID}, item.Name, received); err != nil {
		return item, err
	}
	if _, err := tx.Exec(ctx, accepted, id, customer, v.ID); err != nil {
		return item, fmt.Errorf("accept an invoice: %w", err)
	}
	return s.Get(ctx, tx, id)
}

// Faults say what of a file that waits stands against its becoming an invoice, whoever the customer is; none if nothing does.
func (s *Store) Faults(ctx context.Context, tx pgx.Tx, id uuid.UUID) (schema.Violations, error) {
	data, err := s.File(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	doc, _, err := document(data)
	if vs, ok := err.(schema.Violations); ok { //nolint:errorlint // as document returns them
		return vs, nil
	}
	if err != nil {
		return nil, err
	}
	doc["customer_id"] = id.String() // of some customer
	e, err := crm.FromDocument(crm.KindInvoice, doc)
	if vs, ok := err.(schema.Violations); ok { //nolint:errorlint // as FromDocument returns them
		return vs, nil
	}
	if err != nil {
		return nil, err
	}
	e.Normalize()
	return e.Validate(), nil
}

// paymentStatus is what a document is that came with a part of it open.
func paymentStatus(open, total decimal.Decimal) string {
	switch {
	case open.IsZero():
		return "paid"
	case open.Equal(total):
		return "unpaid"
	default:
		return "partial"
	}
}

// ubl is what the inbox takes of [einvoice.Invoice.Record].
type ubl struct {
	Kind       string               `json:"kind"`
	Number     string               `json:"number"`
	IssueDate  string               `json:"issue_date"`
	DueDate    string               `json:"due_date"`
	Currency   string               `json:"currency"`
	Untaxed    json.Number          `json:"untaxed"`
	Tax        json.Number          `json:"tax"`
	Total      json.Number          `json:"total"`
	Payable    json.Number          `json:"payable"`
	Order      string               `json:"order"`
	SalesOrder string               `json:"sales_order"`
	Notes      []string             `json:"notes"`
	Preceding  []einvoice.Preceding `json:"preceding"`
	Positions  []map[string]any     `json:"positions"`
}

func readUBL(data []byte) (u ubl, err error) {
	v, err := einvoice.Parse(bytes.NewReader(data))
	if err != nil {
		return u, fmt.Errorf("read an invoice: %w", err)
	}
	record, err := v.Record(nil)
	if err != nil {
		return u, err
	}
	b, err := json.Marshal(record)
	if err != nil {
		return u, fmt.Errorf("read an invoice: %w", err)
	}
	if err := json.Unmarshal(b, &u); err != nil {
		return u, fmt.Errorf("read an invoice: %w", err)
	}
	return u, nil
}

// document is a file as a draft of an invoice, and what is open of it. Amounts are the file's own. The tax of each line
// is spread by the store, since UBL has it by rate only.
func document(data []byte) (doc map[string]any, open decimal.Decimal, err error) {
	u, err := readUBL(data)
	if err != nil {
		return nil, open, err
	}
	var missing schema.Violations
	doc = map[string]any{"kind": u.Kind}
	for field, value := range map[string]string{
		"number": u.Number, "issue_date": u.IssueDate, "currency": u.Currency, "untaxed": string(u.Untaxed), "total": string(u.Total),
	} {
		if value == "" {
			missing = append(missing, schema.Violation{Pointer: "/" + field, Rule: "required", Message: "is not in the file"})
		}
		doc[field] = value
	}
	if len(missing) > 0 {
		return nil, open, missing.Sort()
	}
	doc["tax"] = "0"
	if u.Tax != "" {
		doc["tax"] = string(u.Tax)
	}
	if u.DueDate != "" {
		doc["due_date"] = u.DueDate
	}
	if len(u.Notes) > 0 {
		doc["remark"] = strings.Join(u.Notes, "\n")
	}
	open, err = decimal.NewFromString(string(u.Total))
	if u.Payable != "" {
		open, err = decimal.NewFromString(string(u.Payable))
	}
	if err != nil {
		return nil, open, schema.Violations{{Pointer: "/residual", Rule: "format", Message: "is no decimal number in the file"}}
	}
	lines := make([]any, len(u.Positions))
	for i, p := range u.Positions {
		line := map[string]any{"qty": "1", "price": "0", "description": ""}
		for _, field := range []string{"description", "unit", "qty", "price", "untaxed", "tax_rate"} {
			if value, ok := p[field]; ok && value != nil {
				line[field] = value
			}
		}
		lines[i] = line
	}
	doc["lines"] = lines
	return doc, open, nil
}

// refer adds which order of the customer a file bills, and which invoice of his a credit note corrects.
func (s *Store) refer(ctx context.Context, tx pgx.Tx, doc map[string]any, data []byte, customer uuid.UUID) error {
	u, err := readUBL(data)
	if err != nil {
		return err
	}
	same := crm.Condition{Field: "customer_id", Op: crm.OpEqual, Value: customer.String()}
	find := func(k crm.Kind, field, number string) (*uuid.UUID, error) {
		if number == "" {
			return nil, nil //nolint:nilnil // none
		}
		page, err := s.CRM.List(ctx, tx, k, crm.Query{Filter: []crm.Condition{same, {Field: field, Op: crm.OpEqual, Value: number}}, Limit: 2})
		if err != nil || len(page.Items) != 1 {
			return nil, err
		}
		return &crm.HeadOf(page.Items[0]).ID, nil
	}
	order, err := find(crm.KindOrder, "number", u.SalesOrder)
	if err == nil && order == nil {
		order, err = find(crm.KindOrder, "client_ref", u.Order)
	}
	if err != nil {
		return err
	}
	if order != nil {
		doc["order_id"] = order.String()
	}
	if u.Kind != "credit_note" || len(u.Preceding) != 1 {
		return nil
	}
	corrected, err := find(crm.KindInvoice, "number", u.Preceding[0].Number)
	if err == nil && corrected != nil {
		doc["reverses_id"] = corrected.String()
	}
	return err
}
