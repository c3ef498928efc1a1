// Package ledger is the connector to plain-text accounting: invoices and payments become double-entry journals that
// beancount or hledger read. Its remote is the connection's own folder.
//
// Each document is a file of its own, named after its number; it is written beside its place, synced and renamed, so a
// file is there whole or not at all, and writing it again changes nothing. What was posted is never deleted: a
// cancellation adds the reverse entry. No text of a document can become syntax of a journal (text.go).
// It leaves to others which accounts there are (the configuration) and what a record holds (mappings/ledger).
package ledger

import (
	_ "embed"
	"time"

	"crmhub/core/connector"
)

//go:embed config.json
var config []byte

// The records.
const (
	customer = "customer"
	product  = "product"
	invoice  = "invoice"
	payment  = "payment"
)

// Connector returns the connector. The clock dates what reverses an entry.
func Connector(now func() time.Time) connector.Connector {
	c := connector.Connector{
		Name: "ledger", Title: "Plain-text accounting (beancount, hledger)", Config: config,
		Open: func(o connector.Options) (connector.Session, error) { return open(o, now) },
	}
	for _, record := range []string{customer, product, invoice, payment} {
		c.Streams = append(c.Streams, connector.Stream{Entity: record, Record: record, Capabilities: connector.Capabilities{
			Push: true, Find: true, Get: true, Delete: true, Idempotent: true, Batch: 50,
		}})
	}
	return c
}
