package pull_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"crmhub/core/hubtest"
	"crmhub/core/job"
)

// mappings are those of hubtest, with customers who belong to others.
func mappings() map[string]string {
	files := hubtest.Both()
	files["test/party.json"] = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["name"],
	"properties": {
		"code": {"type": ["string", "null"]}, "name": {"type": "string"}, "phone": {"type": ["string", "null"]},
		"note": {"type": ["string", "null"]}, "boss": {"type": ["string", "null"]}, "group": {"type": "string"}
	}
}`
	files["test/customer.yaml"] = `
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
`
	return files
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
