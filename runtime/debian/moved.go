package debian

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Difference is one package that the archive has otherwise than images.lock
// says. An empty version is a package that one side lacks.
type Difference struct {
	Package string
	Locked  string
	Archive string
}

// String is "bash 5.2-1 -> 5.2-2".
func (d Difference) String() string {
	or := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return d.Package + " " + or(d.Locked) + " -> " + or(d.Archive)
}

// ArchiveMovedError is an archive that no longer has the packages that
// images.lock names.
type ArchiveMovedError struct {
	Suite       string
	Platform    model.Platform
	Differences []Difference // sorted by package, at least one
}

// mostDifferences bounds the message.
const mostDifferences = 5

// Error names what differs, and the commands that help.
func (e *ArchiveMovedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the archive of Debian %s has moved on from images.lock for %s: ", e.Suite, e.Platform)
	for i, d := range e.Differences {
		if i == mostDifferences {
			fmt.Fprintf(&b, ", and %d more", len(e.Differences)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.String())
	}
	b.WriteString("; run: rootfsgen lock --update, and commit images.lock (or name a moment of the archive with snapshot: in image.yaml)")
	return b.String()
}

// of completes the error with what was built.
func (e *ArchiveMovedError) of(r Request) *ArchiveMovedError {
	e.Suite, e.Platform = r.Debian.Suite, r.Platform
	return e
}

// Compare tells what differs between the locked packages and those that the
// archive has, nil when nothing does.
func Compare(suite string, p model.Platform, locked, archive map[string]string) *ArchiveMovedError {
	moved := compare(locked, archive)
	if moved == nil {
		return nil
	}
	return moved.of(Request{Debian: model.Debian{Suite: suite}, Platform: p})
}

// compare returns what differs, nil when nothing does.
func compare(locked, archive map[string]string) *ArchiveMovedError {
	all := maps.Clone(locked)
	maps.Copy(all, archive)
	var differences []Difference
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if locked[name] != archive[name] {
			differences = append(differences, Difference{name, locked[name], archive[name]})
		}
	}
	if len(differences) == 0 {
		return nil
	}
	return &ArchiveMovedError{Differences: differences}
}

// ArchiveError is an archive that could not be read: trying again may help.
type ArchiveError struct{ Err error }

// Error is what the program that reads it said.
func (e *ArchiveError) Error() string { return "reading Debian's archive: " + e.Err.Error() }

// Unwrap is the cause.
func (e *ArchiveError) Unwrap() error { return e.Err }

// ExitCode is that of trouble with the machine or what it reaches.
func (e *ArchiveError) ExitCode() int { return 75 }

// fetchSigns are what apt says when it could not get a file.
var fetchSigns = []string{
	"Failed to fetch", "Unable to fetch", "Could not resolve", "Temporary failure", "Could not connect", "Connection failed",
	"Connection timed out", "Unable to connect", "Hash Sum mismatch", "File has unexpected size", "Some index files failed",
}

// fetching makes the failure of a program one of the archive, where that is
// what it was.
func fetching(err error) error {
	var exit *tool.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for _, sign := range fetchSigns {
		if strings.Contains(exit.Tail, sign) {
			return &ArchiveError{Err: err}
		}
	}
	return err
}
