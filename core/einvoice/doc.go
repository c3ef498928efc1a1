// Package einvoice reads, judges and writes electronic invoices: UBL 2.1 invoices and credit notes, as EN 16931 and
// CEN/TS 16931-3-2 bind them.
//
// [Parse] makes an [Invoice] of a file, in the business terms of EN 16931 (BT-1, BG-4, …); [Check] says which rules it
// breaks, each with its place in the file; [Write] makes a file again. [Invoice.Record] is what a mapping reads.
//
// It promises that a file can neither make it fetch anything nor cost it more than its size: document types and entities
// are refused, size, depth and number of elements are bounded. It judges what EN 16931 states; it leaves to others
// national rules (Peppol, XRechnung) and what a company may book.
package einvoice
