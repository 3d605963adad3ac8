package model

// Updates says how images.lock is looked up anew.
type Updates struct {
	// DebounceSeconds is how old a base must be, by what its images say of when
	// they were made, before it is taken; 0 takes it at once.
	DebounceSeconds int
	// BackoffSeconds is how long an update waits with which an image failed; it
	// waits twice as long each time. 0 tries it again at once.
	BackoffSeconds int
	// Quarantine is how many failures of an update are the last: then it waits
	// until there is another one. 0 is no number.
	Quarantine int
}
