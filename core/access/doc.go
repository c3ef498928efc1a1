// Package access knows who somebody is and what he may do: organizations, their departments, roles and users, how they
// sign in, sessions and API tokens.
//
// Promises: a password is kept only as argon2id, a session or API token only as SHA-256 of 256 random bits; what was
// lost cannot be read back from the database. Signing in answers the same, after the same work, for an unknown login,
// a wrong password and a disabled user, and makes guessers of each wait alike. A code of a second factor counts once.
// Whoever is authenticated gets a postgres.Principal, which is all that the other packages ask for. What he may do is in
// his [Permissions], by which the doors go; which rows he sees the database keeps, as his principal's reach says.
package access
