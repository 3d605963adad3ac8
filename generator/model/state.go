package model

import "slices"

// RegistryState is what the registry answered, reduced to what a plan needs.
type RegistryState struct {
	Known        bool                       // false: nobody asked, or there are no credentials; git alone answers
	Repositories map[string]RepositoryState // of the plan's scope, by repository below its prefix
	Read         map[string]RepositoryState // of the scope that a request may read
}

// RepositoryState is one repository. One that does not exist has nothing.
type RepositoryState struct {
	Contents map[Digest]Content // by key: the highest generation that is there, for the keys that were asked about
}

// Content is what the registry has under a key.
type Content struct {
	Generation int
	Digest     Digest   // of the platform's manifest; empty: the bytes are there, but nothing says that their build has finished
	Done       []string // sorted StateTag.Mark of the finished steps, builds left out
}

// Has tells whether a step other than the build is finished.
func (c Content) Has(step string, stepKey Digest) bool {
	mark := StateTag{Step: step, StepKey: stepKey}.Mark()
	return mark != "" && slices.Contains(c.Done, mark)
}

// Withdrawn tells whether the bytes must not be used any more, so that they are
// to be made anew.
func (c Content) Withdrawn() bool {
	return slices.ContainsFunc(c.Done, func(mark string) bool { return mark != "" && mark[0] == stateLetters[StepWithdraw] })
}

// RegistryQuery is what to ask: the keys of interest for each repository.
type RegistryQuery struct {
	Prefix     string
	ReadPrefix string              // empty: only Prefix is read
	Bootstrap  bool                // 401 and 403 mean an absent repository
	Keys       map[string][]Digest // by repository
}
