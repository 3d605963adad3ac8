package model

// RegistryState is what the registry answered, reduced to what a plan needs.
type RegistryState struct {
	Known        bool                       // false: nobody asked, or there are no credentials; git alone answers
	Repositories map[string]RepositoryState // of the plan's scope, by repository below its prefix
	Read         map[string]RepositoryState // of the scope that a request may read
}

// RepositoryState is one repository. A repository that does not exist has no
// tags.
type RepositoryState struct {
	Tags     []string           // sorted
	Contents map[Digest]Content // by key: the highest generation that is there, for the keys that were asked about
}

// Content is what a content tag points at.
type Content struct {
	Generation int
	Digest     Digest // of the platform's manifest
}

// RegistryQuery is what to ask: the keys of interest for each repository.
type RegistryQuery struct {
	Prefix     string
	ReadPrefix string              // empty: only Prefix is read
	Bootstrap  bool                // 401 and 403 mean an absent repository
	Keys       map[string][]Digest // by repository
}
