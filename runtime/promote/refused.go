package promote

import (
	"errors"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/channel"
)

// Attempt is what a Refused was about, and how far it had come.
type Attempt int

// What may be refused.
const (
	Promoting   Attempt = iota // nothing was written
	RollingBack                // nothing was written
	Standing                   // it was written, and what was withdrawn meanwhile was taken back
	Finishing                  // somebody has merged the document, which is in force
)

// Refused is a promotion, or a rollback, to something that is not proven.
type Refused struct {
	Of         Attempt
	Missing    []string // "python: linux/arm64: there is no receipt of a passed test"
	Unfinished []string // what nobody can say yet
}

// of says what an attempt was, for one that was refused before it had come far.
func (a Attempt) of(err error) error {
	if refused, is := errors.AsType[*Refused](err); is && refused.Of == Promoting {
		refused.Of = a
	}
	return err
}

// Error lists what is missing, a line each.
func (r *Refused) Error() string {
	what, hint := "nothing is promoted", ""
	switch r.Of {
	case Promoting:
	case RollingBack:
		what = "nothing is rolled back"
	case Standing:
		what = "what was withdrawn meanwhile was taken back"
	case Finishing:
		what = "no floating tag was moved, and " + channel.Prod + " names what may not be in prod"
		hint = "\nhint: rootfsrun rollback, or a request that mends it"
	}
	return what + ":\n  " + strings.Join(slices.Concat(r.Missing, r.Unfinished), "\n  ") + hint
}

// ExitCode is that of a refusing gate; of an incomplete one where nothing is
// missing but finished scans and lists of packages that could not be made.
func (r *Refused) ExitCode() int {
	if len(r.Missing) == 0 {
		return 6
	}
	return 5
}
