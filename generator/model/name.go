package model

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	imageName   = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	repository  = regexp.MustCompile(`^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$`)
	tagName     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?$`)
	snapshotID  = regexp.MustCompile(`^[a-z0-9]+(?:-[a-z0-9]+)*$`)
	runnerLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/=@+-]*$`)
)

// The longest names that are accepted, in bytes. A content tag adds up to 71
// and a version tag's date and platform up to 40 to what people write.
const (
	MaxImageName = 64
	MaxTag       = 64
)

// CheckImageName tells why s cannot name an image: it becomes a job id, a file
// name and an argument, so only lower-case letters, digits and single
// separators are taken.
func CheckImageName(s string) error {
	switch {
	case len(s) > MaxImageName:
		return fmt.Errorf("name %.20q... is longer than %d characters", s, MaxImageName)
	case !imageName.MatchString(s):
		return fmt.Errorf("invalid name %q: expected lower-case letters and digits, separated by single . _ or -", s)
	}
	return nil
}

// CheckRepository tells why s cannot be a repository below a registry, such as
// "team/python".
func CheckRepository(s string) error {
	if len(s) > 128 || !repository.MatchString(s) {
		return fmt.Errorf("invalid repository %q: expected lower-case path components", s)
	}
	return nil
}

// CheckTag tells why s cannot begin a tag.
func CheckTag(s string) error {
	if len(s) > MaxTag || !tagName.MatchString(s) {
		return fmt.Errorf("invalid tag %q: expected at most %d letters, digits, and . _ -, not beginning with . or -", s, MaxTag)
	}
	return nil
}

// MaxRunnerLabel is the longest label of a machine.
const MaxRunnerLabel = 100

// CheckRunnerLabel tells why s cannot be a label by which a forge selects a
// machine. What a forge could take for an expression or a variable is none.
func CheckRunnerLabel(s string) error {
	if len(s) > MaxRunnerLabel || !runnerLabel.MatchString(s) {
		return fmt.Errorf("invalid label %q: expected at most %d letters, digits, and . _ - : / = @ +, beginning with a letter or digit", s, MaxRunnerLabel)
	}
	return nil
}

// CheckSnapshotID tells why s cannot name a snapshot, for example "pr-123".
func CheckSnapshotID(s string) error {
	if len(s) > 32 || !snapshotID.MatchString(s) {
		return fmt.Errorf("invalid snapshot id %q: expected something like pr-123, at most 32 characters", s)
	}
	return nil
}

// CheckPrefix tells why s cannot be the address that repositories lie below,
// such as "registry.example.com:5000/team".
func CheckPrefix(s string) error {
	host, path, found := strings.Cut(s, "/")
	if !hostName.MatchString(host) {
		return fmt.Errorf("invalid registry %q: expected host[:port][/path], without a scheme", s)
	}
	if found {
		return CheckRepository(path)
	}
	return nil
}

// CheckPath tells why s cannot be a path inside the repository: it must be
// relative, slash-separated, clean and must not leave its root.
func CheckPath(s string) error {
	if s == "" || strings.HasPrefix(s, "/") || strings.ContainsAny(s, "\x00\\\n\r") {
		return fmt.Errorf("invalid path %q: expected a relative path with forward slashes", s)
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." || part == "" {
			return fmt.Errorf("invalid path %q: it must not leave its folder or have empty parts", s)
		}
	}
	return nil
}
