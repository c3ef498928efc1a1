// Package upkeep keeps relationships alive: what somebody has to see to now (follow-ups), the pool of customers that nobody
// looks after and the rules by which they get there (公海), and what a user owned going over to others when he leaves.
//
// It promises that a customer falls into the pool for the reason and on the day that the dry run says, that who claims never
// has more than the limits allow, however many claim at once, and that every refusal says why and what would help. Owners change
// by package crm alone, with a version, a change and an entry of the audit trail for each entity.
//
// Who may do something is asked by its callers; which rows somebody reaches, by the database. Where a function acts beyond
// the reach of its caller, by a rule of the hub, its comment says so.
package upkeep
