// Package inbox takes in invoices that come as files, and makes entities of those that somebody accepts.
//
// [Store.Receive] reads a UBL file, judges it by EN 16931 and keeps it; [Store.Accept] makes the issued invoice of it, with its
// findings and the file attached; [Store.Refuse] and [Store.Reopen] do as they say. The invoices are those that the
// organization issued to its customers, mirrored from its finance system: what another company wants to be paid is refused.
//
// Promises: no file is lost, none becomes an invoice twice, and none becomes one that keeps not every rule of the store; what
// stands against it is told by field and rule; the customer is found with reasons, and chosen by a person where there is any doubt.
// It leaves to others what EN 16931 says (einvoice), how alike two companies are (match), and who may write what (edit).
package inbox
