// Package mapping turns an entity into a record of another system and back, by rules that people write in YAML.
//
// Promises: a file is checked whole, against both schemas it joins, before any data moves: a field that does not exist
// or cannot fit is a [Fault] with file and line. A rule without expressions inverts by itself. The same input gives the
// same output; nothing is read or written elsewhere; amounts stay decimal. What a record or entity gets wrong is
// reported as schema.Violations with pointers, all of it.
// It leaves to others: which links exist, and what happens with the result (push, pull).
//
// A file's way: parse.go → compile.go → rule.go → run.go; README.md names the others.
package mapping
