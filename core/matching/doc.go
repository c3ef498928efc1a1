// Package matching is the initial matching of two systems that both hold data: it proposes which record is which entity, and
// does what people decide about the proposals.
//
// A run ([Matcher.Run]) reads all records of an entity on a connection, page by page, maps those that are linked with nothing, and
// compares them with the entities that are linked with nothing there: by the mapping's own keys, as a pull would, and by the
// keys that duplicates are found by. What it finds are proposals (package link); it links nothing by itself, unless it was
// started with the word to accept what is certain. [Matcher.Settle] accepts, rejects, or makes a new entity of a record.
//
// Promises: memory does not grow with the number of records; a run that was cut off goes on at its page; a pair that somebody
// rejected is not proposed again, nor taken for one by a pull; while a proposal is open its record is not pulled and its
// candidates are not pushed as new ones; a pair that was accepted is a link as any other.
// It leaves to others: how a record is read and brought in (package pull), how alike two are (match, duplicate), and what
// differs afterwards (the merge, and reconcile).
package matching
