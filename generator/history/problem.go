package history

import "errors"

// What can be wrong with a repository. Each is wrapped by a Problem, which
// says what to do about it.
var (
	ErrNoGit         = errors.New("git is not installed")
	ErrNotRepository = errors.New("not a git repository")
	ErrBare          = errors.New("a bare repository has no files to plan")
	ErrUnsafe        = errors.New("git does not trust this repository's owner")
	ErrNoCommits     = errors.New("no commits yet")
	ErrUnknown       = errors.New("unknown revision")
	ErrShallow       = errors.New("shallow clone")
	ErrMissing       = errors.New("commit is not in this repository")
	ErrPartial       = errors.New("object of a partial clone could not be fetched")
	ErrCorrupt       = errors.New("object is missing or damaged")
	ErrUnrelated     = errors.New("no common ancestor")
)

// Problem is a repository that cannot answer. It never means "no change".
type Problem struct {
	Kind    error  // one of the Err variables
	Subject string // the folder, revision or object that it is about
	Remedy  string // what to do, one sentence
	Cause   error  // what git said; may be nil
}

// Error is one line about what is wrong, and the remedy on a second.
func (p *Problem) Error() string {
	s := p.Kind.Error()
	if p.Subject != "" {
		s = p.Subject + ": " + s
	}
	if p.Cause != nil {
		s += ": " + p.Cause.Error()
	}
	if p.Remedy != "" {
		s += "\n  hint: " + p.Remedy
	}
	return s
}

// Unwrap makes errors.Is find both the kind and the cause.
func (p *Problem) Unwrap() []error {
	if p.Cause == nil {
		return []error{p.Kind}
	}
	return []error{p.Kind, p.Cause}
}

const (
	remedyShallow = "fetch the whole history: `git fetch --unshallow --tags`; in GitHub Actions `fetch-depth: 0` (with `filter: blob:none` it stays fast), in GitLab CI `GIT_DEPTH: \"0\"`"
	remedyMissing = "it was force-pushed away or never fetched: `git fetch origin <commit>`, or choose another commit with --from"
	remedyPartial = "a clone made with --filter fetches objects when they are read: let git reach its remote (in CI keep the checkout's credentials for this job), or clone without --filter"
	remedyCorrupt = "`git fsck` names what is damaged; a fresh clone repairs it"
	remedyUnknown = "`git tag` and `git branch -a` list what there is; `git fetch --tags` brings what is on the remote"
)
