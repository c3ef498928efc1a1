// Package report answers the questions a company asks of its customers, orders, invoices and payments: what was sold,
// to whom, what is owed, who is worth a call.
//
// A [Report] is a value: a name, a definition in words, parameters, columns, and one SQL text, its facts: the records
// it looks at, each with what it contributes to each measure. The numbers are sums over the facts ([Store.Run]) and
// what lies behind a number is the same facts, not summed up ([Store.Rows]). So a number and its rows cannot part.
// Everything runs in the caller's transaction, hence within what row level security lets the caller see.
// It leaves to others: who may ask (access), and how it is shown (api, console).
package report
