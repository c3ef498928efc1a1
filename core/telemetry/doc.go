// Package telemetry shows how the hub is doing: a logger, metrics, the trace a request belongs to, and two answers for
// whoever watches the process (alive? ready?).
//
// It sends nothing anywhere: logs go to the writer handed in, metrics wait to be read. A logger made here adds what the
// context carries ([With]) to each record, so that a request's id is on every line it caused without being passed along.
package telemetry
