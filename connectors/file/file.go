// Package file is the connector to files that people and programs drop: customers, products, orders, invoices and payments as
// CSV, XLSX or JSON lines, and invoices as UBL, in the connection's own folder or in one of an SFTP server. All but UBL it writes
// there, too, for systems that take files, where the configuration says so.
//
// A pull takes the files that are complete, the oldest first, and remembers in its cursor which are done and how far it is
// in the one under way; so each row goes in once, whatever happens between. Only a file that a committed cursor knows as
// done is moved away. A row that cannot be read is a record with a fault, hence a dead letter, and its neighbours go in.
// Each state of a record that is pushed becomes one file, handed over once: state.go says how that holds through any death.
// It leaves to others what a record means (mappings/file), and rules that only the store knows.
package file

import (
	_ "embed"
	"time"

	"crmhub/core/connector"
)

//go:embed config.json
var config []byte

// Connector returns the connector. The clock tells whether a file has settled.
func Connector(now func() time.Time) connector.Connector {
	c := connector.Connector{
		Name: "file", Title: "Files: CSV, XLSX, JSON lines, UBL", Config: config, Secrets: []string{"password", "private_key"},
		Carries: carries,
		Open:    func(o connector.Options) (connector.Session, error) { return open(o, now) },
	}
	written := writes()
	for _, l := range layouts() {
		can := written
		can.Pull, can.Incremental = true, true
		c.Streams = append(c.Streams, connector.Stream{Entity: l.record, Record: l.record, Capabilities: can})
	}
	return c
}
