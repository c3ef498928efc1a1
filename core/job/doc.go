// Package job says what runs when, and keeps what came of it: jobs, their runs, and the dead letters of records that
// could not be pushed or pulled.
//
// A [Job] is a pull or a push of one entity on one connection, with a schedule or without. A [Run] is one execution.
// [Scheduler] enqueues the runs that are due, [Runner] executes queued ones with a function per kind.
//
// Promises, with any number of processes: a due job is enqueued once; what becomes of times missed while nobody
// ran, and of those that come due meanwhile, the job says; at most one regular run of a job waits and at most one executes; a run whose process died is taken over by another
// and goes on from its cursor; the process that lost it cannot write any more ([Advance] is its fence); a dead letter
// is open until the same thing succeeds or a person dismisses it, and never lost.
// It leaves to others: what a run does (pull, push), and who may start or stop one (access).
package job
