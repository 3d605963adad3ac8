// Package history answers from git: what a commit or the work tree holds, and
// how commits and tags lie to one another. It speaks to git's own plumbing, so
// that every repository that git can read can be planned, and it never writes
// to a repository: what it must store goes to .cache/objects beside it.
package history
