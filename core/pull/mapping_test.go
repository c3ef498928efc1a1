package pull_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/job"
)

// mappings are those of the fixture.
func mappings() map[string]string {
	return map[string]string{
		"test/party.json": `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["name"],
	"properties": {
		"code": {"type": ["string", "null"]}, "name": {"type": "string"}, "phone": {"type": ["string", "null"]},
		"note": {"type": ["string", "null"]}, "boss": {"type": ["string", "null"]}, "group": {"type": "string"}
	}
}`,
		"test/customer.yaml": `
entity: customer
record: party
match: [code]
fields:
  - {crm: code, remote: code}
  - {crm: name, remote: name, authority: ask}
  - {crm: phone, remote: phone, authority: remote}
  - {crm: remark, remote: note, direction: pull}
  - {crm: parent_id, remote: boss, link: customer, authority: remote}
  - {remote: group, push: "'crm'"}
`,
		"test/receipt.json": `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["number", "payer", "date", "currency", "amount"],
	"properties": {
		"number": {"type": "string"}, "payer": {"type": "string"}, "date": {"type": "string", "format": "date"},
		"currency": {"type": "string"}, "amount": {"type": "string", "format": "decimal"}, "state": {"enum": ["draft", "posted"]}
	}
}`,
		"test/payment.yaml": `
entity: payment
record: receipt
match: [number]
fields:
  - {crm: number, remote: number, direction: pull}
  - {crm: customer_id, remote: payer, link: customer, direction: pull}
  - {crm: date, remote: date, direction: pull}
  - {crm: currency, remote: currency, direction: pull}
  - {crm: amount, remote: amount, direction: pull}
  - {crm: status, remote: state, direction: pull}
`,
	}
}

func TestAMappingThatFitsNoMoreFailsTheRunsOfItsEntityAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.process()
	f.Tx(func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `insert into mapping_versions (id, connection_id, entity, number, status, mapping, hash)
			values ($1, $2, 'payment', 1, 'live', 'entity: payment', '')`, uuid.New(), f.Connection.ID)
		return err
	})
	f.remote.set("party", party(1, "One"))
	if r := f.run("customer"); r.Status != job.Succeeded {
		t.Errorf("customers: %+v", r)
	}
	if r := f.run("payment"); r.Status != job.Failed {
		t.Errorf("payments: %s", r.Status)
	}
}
