package step

import "errors"

// Untested is the tests of a target that this machine cannot run. It is no
// failure, and never counts as passed.
type Untested struct {
	Device string // what the machine lacks
}

// Error says what is missing.
func (u *Untested) Error() string {
	return "its tests need a machine with " + u.Device
}

// IsUntested tells whether an error is that of tests that could not be run.
func IsUntested(err error) (*Untested, bool) { return errors.AsType[*Untested](err) }
