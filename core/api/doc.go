// Package api is the REST API: entities, connections, jobs, runs, links, dead letters, tokens.
//
// Promises: what the OpenAPI document says is what is enforced, since both come from the same table of routes; a body
// of an entity is judged by its published JSON Schema and by the store, by nothing else; a write happens at most once
// per Idempotency-Key and never over a version the caller has not seen; every error is a [Problem] naming all faults;
// every statement runs as the caller's principal, so another organization's rows do not exist here.
//
// A request's way: serve.go (what all have in common) → authenticate.go → permit.go (may the caller) → call.go (what the request says) → the
// operation in the file of its resource → answer.go or problem.go. routes.go lists every route on one screen.
package api
