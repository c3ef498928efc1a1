package hubtest

import "crmhub/core/connector"

// Both are files for [New] and [Streams]: customers, which go both ways, and payments, which are pulled.
func Both() map[string]string {
	return map[string]string{
		"test/party.json": `{
	"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
	"required": ["code", "name"],
	"properties": {
		"code": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}, "phone": {"type": ["string", "null"]},
		"note": {"type": ["string", "null"]}, "web": {"type": ["string", "null"]}
	}
}`,
		"test/customer.yaml": `
entity: customer
record: party
match: [code]
fields:
  - {crm: code, remote: code}
  - {crm: name, remote: name, authority: crm}
  - {crm: phone, remote: phone, authority: remote}
  - {crm: website, remote: web, authority: ask}
  - {crm: remark, remote: note, direction: pull}
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

// Streams are those of [Both], as [Remote] has them.
func Streams() []connector.Stream {
	return []connector.Stream{
		{Entity: "customer", Record: "party", Capabilities: connector.Capabilities{Pull: true, Push: true, Get: true, Find: true, Delete: true, Idempotent: true, Concurrency: 2}},
		{Entity: "payment", Record: "receipt", Capabilities: connector.Capabilities{Pull: true}},
	}
}
