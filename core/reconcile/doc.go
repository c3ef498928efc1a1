// Package reconcile proves that two sides are equal: it reads a whole stream of a connection, compares every record with the
// entity that it is linked with, and keeps what differs for people to mend.
//
// A run: read a page (read.go) → map its records as a pull does and compare them with their entities (compare.go) → what was
// not read is missing there (absent.go) → look once more at what changed meanwhile (recheck.go) → verdict. A difference is
// mended by what syncs anyway (mend.go): a link made due, or a record brought in; nothing here writes an entity or a record.
// The result leaves as a signed file (report.go). By the same ways go what people decide about single fields that both sides
// changed (settle.go), and links by hand (pair.go).
//
// Promises: memory does not grow with the number of records; what was read only in part is no proof and ends failed; a remote
// that gives far less than is linked is not believed ([job.Suspect]); what changed on its way is looked at again before it is
// called different.
// It leaves to others: how a record becomes an entity and is brought in (package pull), and how one is sent (push).
package reconcile
