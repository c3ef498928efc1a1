// Package schema compiles JSON Schemas (2020-12) and checks documents against them.
//
// Promises: formats are asserted, numbers stay exact, references outside the given files are refused, and a check
// reports every fault with its JSON pointer, not the first. [Violation] is the one shape of "your input is wrong".
package schema
