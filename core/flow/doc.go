// Package flow says how what moves over the connections stands: what is pushed and pulled, how much of it, how far it is
// behind, and what holds it up.
//
// What enters: the transaction of a reader. What leaves: every connection with its flows. Promises: nothing is kept for it, all
// is read from links, runs, dead letters and exchanges as they are; it takes milliseconds beside a million links (BenchmarkRead).
// It leaves to others: mending what stands still (job, connection), and drawing it (console).
package flow
