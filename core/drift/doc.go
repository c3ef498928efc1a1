// Package drift notices that the records of another system change their shape, before that hurts: a field that never came
// before, one that always came and does not any more, another type, a code nobody knows, longer texts, more decimals.
//
// Whoever reads records shows them to an [Observer]. It folds them into a [Profile] (what came where, how often) and compares it
// with the one kept for the stream so far and with the schema that the mapping is compiled against. What is other is a
// [Finding]: opened and resolved by itself, with the rule of the mapping that reads the place, if one does.
//
// Promises: neither profile nor finding holds a value of a record; a profile is bounded, whatever the records; to observe fails
// no pull.
// It leaves to others: what is wrong with a single record (mapping, dead letters), and to tell people (alert).
package drift
