// Package pull brings records of other systems into the store: page by page, each page with its cursor in one
// transaction.
//
// One run: fetch a page (fetch.go) → check and map each record (prepare.go) → find each record's entity by its link or
// its keys (match.go) → merge with what both sides agreed on (merge.go) → save, link, count and move the cursor
// (page.go) → what failed becomes a dead letter, its neighbours go on (letter.go).
//
// Promises: a crash repeats nothing and loses nothing; a record pulled again changes nothing; what came from a
// connection does not go back to it; a pull that finds far less than usual is not believed ([job.Suspect]).
// It leaves to others: when to run (job), how a remote is read (connector), and what goes back to it (push).
package pull
