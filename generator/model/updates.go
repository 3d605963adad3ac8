package model

// Updates says how images.lock is looked up anew.
type Updates struct {
	// DebounceSeconds is how old a base must be, by what its images say of when
	// they were made, before it is taken; 0 takes it at once.
	DebounceSeconds int
}
