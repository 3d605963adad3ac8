package forge

import "fmt"

// Unavailable is a forge that did not answer as it should, however often it
// was asked.
type Unavailable struct {
	Doing    string
	Attempts int
	Err      error // the last answer
}

// Error names the last answer and how often it was asked for.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("%s: no good answer in %d tries: %v", u.Doing, u.Attempts, u.Err)
}

// Unwrap is the last answer.
func (u *Unavailable) Unwrap() error { return u.Err }

// ExitCode tells a CI to try again.
func (u *Unavailable) ExitCode() int { return 75 }

// Denied is a forge that refuses: 401 or 403. Trying again cannot help.
type Denied struct {
	Doing string
	Needs string // rights that the forge named, empty where it did not
	Err   error
}

// Error names what was refused and what the token lacks.
func (d *Denied) Error() string {
	s := fmt.Sprintf("%s: the forge refuses: %v", d.Doing, d.Err)
	if d.Needs != "" {
		s += " (the token needs " + d.Needs + ")"
	}
	return s
}

// Unwrap is the forge's answer.
func (d *Denied) Unwrap() error { return d.Err }

// Refused is an answer that says that the request makes no sense now, such as
// running a job again that runs already.
type Refused struct {
	Doing  string
	Status int
	Err    error
}

// Error names what was refused and the answer.
func (r *Refused) Error() string { return fmt.Sprintf("%s: %v", r.Doing, r.Err) }

// Unwrap is the forge's answer.
func (r *Refused) Unwrap() error { return r.Err }
