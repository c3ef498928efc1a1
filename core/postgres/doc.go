// Package postgres is the hub's way to its database: a pool, transactions that act as somebody, migrations,
// and the identity of a running process.
//
// Promises: no statement runs without a principal. [DB.As] opens a transaction that sees one organization and no
// other, [DB.AsSystem] one that crosses organizations on the few tables that need it; [DB.Ask] and [DB.AskSystem] do the
// same for queries that are known beforehand, in one round trip. All switch to a role that row level security binds, so
// the rule holds even when the login role is a superuser, and all fail closed: a transaction without an organization
// sees no row. No query elsewhere names the organization.
//
// The SQL of an entity lives beside its type, not here.
package postgres
