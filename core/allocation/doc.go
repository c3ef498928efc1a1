// Package allocation brings payments and invoices together: which money pays which document.
//
// [Propose] says what a payment may pay, with reasons; it is pure. [Store.Open] lists payments of which something is left, with
// their proposals; [Store.Allocate] lets a payment pay, [Store.Reverse] takes that back, [Store.AcceptCertain] accepts what is
// beyond doubt. Promises: nothing is ever allocated beyond what is open, on either side, to the cent; currencies and customers
// are never mixed; what does not come out even is shown and left to a person; an allocation and what it leaves open on the
// invoice are one transaction, with versions and changes of their own.
//
// Invoices mirror the finance system. What it says of an invoice's open amount later is the last word, as for any field.
// It leaves to others who may write what (edit), and how a page or a request looks.
package allocation
