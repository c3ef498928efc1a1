// Package alert says what an administrator should look at: a job that fails, changes that wait, records that were refused.
//
// What enters: nothing; every quarter of a minute [Watcher] looks at what the other packages have stored. What leaves: an alert that
// is open as long as its condition holds, and the events alert.opened and alert.resolved for those who subscribed (package notify).
//
// Promises: a condition has one open alert however often it is seen; opening and resolving are announced once each, in the
// transaction that does it.
// It leaves to others: mending (job, link, connection), and what whole installations watch (deploy/prometheus).
package alert
