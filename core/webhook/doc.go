// Package webhook hears what other systems say: a message that something changed there, which starts the pulls that fetch it.
//
// What enters: a message at the address of a connection's webhook. What leaves: runs of its pull jobs (package job).
//
// Promises: only a message with the right signature counts, and only once; it is stored, with the runs it asks for, before it is
// answered, so nothing is lost however soon the process dies. What a message says of a record is not believed: the record is
// pulled, by the same cursor as always, so that a message lost, late or repeated changes nothing in the end.
// It leaves to others: signatures (signature), pulling (pull).
package webhook
