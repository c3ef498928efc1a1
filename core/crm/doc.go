// Package crm is the store of what the company knows: customers and contacts, opportunities, orders, invoices, tickets and
// the other kinds in Kinds.
//
// An entity is a type with its rules (customer.go); tags say how it is decoded, checked and stored (shape.go).
// Promises: what [Save] accepts keeps every rule of its type; the row, its lines and its change in the outbox are
// written by the caller's transaction or not at all, and so is what follows from it (follow.go); a version grows by one
// with each commit; nothing is overwritten that the writer has not seen (optimistic locking). The same functions serve
// the API, the console and the engine.
// It leaves to others: who may do what (access; the database keeps rows from those who may not see them), where changes
// go (outbox, bus), and other systems (push, pull).
package crm
