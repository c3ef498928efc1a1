// Package paper makes documents of orders and invoices: for people A4 pages, as PDF, in English or Chinese, and for programs
// electronic invoices, as UBL.
//
// A document begins as a [sheet], what it says without where it stands: titles, addresses, facts, lines, totals. The
// layout puts a sheet onto pages: the table of lines goes over to the next page with its heading, each page has its
// number. Package pdf below it writes the file.
//
// It promises the same bytes for the same entity and parties, and that every character of a text is on the page, however
// long. It leaves to others who may print what: it shows all that it is given.
package paper
