package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"crmhub/core/crm"
)

// keptParty is what an issued invoice has to say of whom it was issued to.
type keptParty struct {
	Name            string                `json:"name"`
	USCC            string                `json:"uscc,omitempty"`
	TaxID           string                `json:"tax_id,omitempty"`
	Addresses       []crm.CustomerAddress `json:"addresses,omitempty"`
	InvoiceProfiles []crm.InvoiceProfile  `json:"invoice_profiles,omitempty"`
}

const (
	// Who is erased once more is kept as he was the first time.
	keepParties = `
insert into kept_parties (customer_id, party)
select c.id, jsonb_strip_nulls(jsonb_build_object('name', c.name, 'uscc', c.uscc, 'tax_id', c.tax_id,
	'addresses', (select jsonb_agg(jsonb_strip_nulls(to_jsonb(a) - '{organization_id,customer_id,seq}'::text[]) order by a.seq) from customer_addresses a where a.customer_id = c.id),
	'invoice_profiles', (select jsonb_agg(jsonb_strip_nulls(to_jsonb(i) - '{organization_id,customer_id,seq}'::text[]) order by i.seq)
		from customer_invoice_profiles i where i.customer_id = c.id)))
from customers c
where c.id = any($1) and exists (select from invoices v where v.customer_id = c.id and v.status <> 'draft')
on conflict do nothing`
	countKept = `
select (select count(*) from invoices where customer_id = any($1) and status <> 'draft'),
	(select count(*) from contracts where customer_id = any($1) and ` + contractInForce + `)`
)

// keep sets aside what issued invoices say of their party, and counts the documents that stay as they are.
func (p *person) keep(ctx context.Context, tx pgx.Tx) (map[string]int64, error) {
	if _, err := tx.Exec(ctx, keepParties, p.customers()); err != nil {
		return nil, fmt.Errorf("keep what invoices say: %w", err)
	}
	var invoices, contracts int64
	if err := tx.QueryRow(ctx, countKept, p.customers()).Scan(&invoices, &contracts); err != nil {
		return nil, fmt.Errorf("count what is kept: %w", err)
	}
	kept := map[string]int64{}
	if invoices > 0 {
		kept[string(crm.KindInvoice)] = invoices
	}
	if contracts > 0 {
		kept[string(crm.KindContract)] = contracts
	}
	return kept, nil
}

// Party gives a customer who was erased the name and address that his issued invoices have to show. It is for these documents
// alone. Another customer stays as he is.
func Party(ctx context.Context, tx pgx.Tx, c *crm.Customer) error {
	var party json.RawMessage
	err := tx.QueryRow(ctx, `select party from kept_parties where customer_id = $1`, c.ID).Scan(&party)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	var kept keptParty
	if err == nil {
		err = json.Unmarshal(party, &kept)
	}
	if err != nil {
		return fmt.Errorf("read what invoices to customer %s say: %w", c.ID, err)
	}
	c.Name, c.USCC, c.TaxID, c.Addresses, c.InvoiceProfiles = kept.Name, kept.USCC, kept.TaxID, kept.Addresses, kept.InvoiceProfiles
	return nil
}
