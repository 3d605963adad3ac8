// Package traps shows that change detection falls into none of the traps that
// others have fallen into, or that git, registries and forges set. Each has a
// number, a test that is named after it, and a patch in testdata/mutants that
// undoes what keeps us out of it; "make mutants" shows that the test notices.
//
// The tests run the program on real repositories and with a real registry in
// this process, because a trap is a property of the whole. None needs an
// engine.
package traps
