// Package fuzz gives strangers' input to everything that reads files which
// people write, and to the plan that one job hands to the next. All targets
// are in one light package, because a fuzzed program and all that it imports
// are compiled anew. tools/fuzz.sh runs them, one after the other.
//
// Each asserts more than that nothing panics: what is unknown is refused, what
// is written is read back as it was, and a diagnostic is at a place of its
// file. Input that was found so is kept in testdata/fuzz, and every run of the
// tests tries it.
package fuzz
