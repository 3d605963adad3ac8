package source

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	branchForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)
	globForm   = regexp.MustCompile(`^[A-Za-z0-9_*][A-Za-z0-9._/*-]*$`)
)

// The texts that several keys share. A pattern is what an editor checks as
// the person types; where check is set, the loader asks that.
var (
	anyText  = text{name: "text", max: 256}
	longText = text{name: "text", multiline: true, empty: true}

	imageName = text{name: "a name", check: model.CheckImageName, max: model.MaxImageName,
		pattern: regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)}
	repository = text{name: "a repository", check: model.CheckRepository, max: 128,
		pattern: regexp.MustCompile(`^[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$`)}
	tagText = text{name: "a tag", check: model.CheckTag, max: model.MaxTag,
		pattern: regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)}
	registryPrefix = text{name: "a registry address", check: checkPrefix, max: 200,
		pattern: regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$`)}
	treePath = text{name: "a path", check: model.CheckPath, max: 512, slash: true,
		pattern: regexp.MustCompile(`^[^/\\\x00-\x1f\x7f]+(/[^/\\\x00-\x1f\x7f]+)*/?$`)}

	rootedPath = text{name: "a path", check: checkRooted, max: 512, slash: true,
		pattern: regexp.MustCompile(`^(/|/?[^/\\\x00-\x1f\x7f]+(/[^/\\\x00-\x1f\x7f]+)*/?)$`)}
	buildFileGlob = text{name: "a file name", check: checkBuildFile, max: 256,
		pattern: regexp.MustCompile(`^[^/\\\x00-\x1f\x7f]+$`)}
	referenceMatch = text{name: "a regular expression", check: checkMatch, max: 1024,
		pattern: regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`)}
	referenceFolder = text{name: "a path", check: checkFolderTemplate, max: 512, slash: true,
		pattern: regexp.MustCompile(`^(/|/?[^/\\\x00-\x1f\x7f]+(/[^/\\\x00-\x1f\x7f]+)*/?)$`)}
	groupName = text{name: "a group's name", max: 64, expect: "letters, digits and _, not beginning with a digit",
		pattern: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)}
	contextName = text{name: "a name", max: 256, expect: "the name of a context, or the reference that it stands for",
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)}
	contextValue = text{name: "a source", check: checkContext, max: 512,
		pattern: regexp.MustCompile(`^[A-Za-z0-9./][^\\\x00-\x20\x7f]*$`)}

	argumentName = text{name: "an argument's name", max: 128, expect: "letters, digits and _, not beginning with a digit",
		pattern: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)}
	branchName = text{name: "a branch", max: 128, check: checkBranch,
		pattern: branchForm}
	tagGlob = text{name: "a pattern", max: 128, check: checkGlob,
		pattern: globForm}
	runnerLabel = text{name: "a label", check: model.CheckRunnerLabel, max: model.MaxRunnerLabel,
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/=@+-]*$`)}
	stageName = text{name: "a stage", max: 128, expect: "a stage's name or number",
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)}
	suiteName = text{name: "a suite", max: 64, expect: "a Debian suite such as bookworm or trixie-backports",
		pattern: regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)}
	packageName = text{name: "a package", max: 128, expect: "a Debian package's name",
		pattern: regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)}
	mirrorURL = text{name: "an address", max: 512, check: checkMirror,
		pattern: regexp.MustCompile(`^https?://[^\s@]+$`)}
	snapshotTime = text{name: "a time", max: 16, check: checkSnapshot,
		pattern: regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)}
	folderPattern = text{name: "a pattern", max: 256, check: checkFolderPattern, slash: true,
		pattern: regexp.MustCompile(`^[^/\\\x00-\x1f\x7f]+(/[^/\\\x00-\x1f\x7f]+)*/?$`)}
	digestText = text{name: "a digest", max: 71, expect: "sha256: and 64 hexadecimal digits",
		pattern: regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)}
)

func checkPrefix(s string) error {
	if strings.Contains(s, "://") {
		return fmt.Errorf("invalid registry %q: expected host[:port][/path], without a scheme", s)
	}
	if strings.HasSuffix(s, "/") {
		return fmt.Errorf("invalid registry %q: leave out the slash at the end", s)
	}
	return model.CheckPrefix(s)
}

// checkBranch refuses what git refuses, and what a pipeline or a command could
// misread.
func checkBranch(s string) error {
	if !branchForm.MatchString(s) || strings.Contains(s, "..") || slices.ContainsFunc(strings.Split(s, "/"), func(part string) bool {
		return strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".")
	}) {
		return fmt.Errorf("invalid branch %q: expected a branch such as main or team/main", s)
	}
	return nil
}

// checkGlob refuses what git and the forges understand differently.
func checkGlob(s string) error {
	if !globForm.MatchString(s) || strings.Contains(s, "**") {
		return fmt.Errorf("invalid pattern %q: expected letters, digits and . _ / -, with single *, such as v*", s)
	}
	return nil
}

func checkMirror(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsAny(s, " \t@") {
		return fmt.Errorf("invalid address %.80q: expected http:// or https://, without a user", s)
	}
	return nil
}

// snapshotLayout is how snapshot.debian.org names a moment.
const snapshotLayout = "20060102T150405Z"

func checkSnapshot(s string) error {
	if _, err := time.Parse(snapshotLayout, s); err != nil {
		return fmt.Errorf("invalid time %q: expected one such as 20261121T000000Z", s)
	}
	return nil
}

// checkRooted is for paths from the fleet's folder, or from the root of the
// repository with a slash at the beginning.
func checkRooted(s string) error {
	if s == "/" {
		return nil
	}
	return model.CheckPath(strings.TrimPrefix(s, "/"))
}

// checkContext is for the value of a named context.
func checkContext(s string) error {
	_, isFolder := contextFolder(".", s)
	switch {
	case !isFolder:
		if _, err := reference.ParseNormalizedNamed(s); err != nil {
			return fmt.Errorf("invalid context %q: it is neither a reference nor a folder, which begins with ./, ../ or /", s)
		}
		return nil
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }):
		return fmt.Errorf("invalid path %q: expected a path with forward slashes and without blanks", s)
	}
	return nil
}

// contextFolder is the folder that the value of a named context means, from
// the root of the repository; false for a reference. It begins with ".." where
// it leaves the repository.
func contextFolder(dir, s string) (string, bool) {
	switch {
	case strings.HasPrefix(s, "/"):
		return path.Join(".", strings.TrimLeft(path.Clean(s), "/")), true
	case s == "." || s == ".." || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../"):
		return path.Join(dir, s), true
	}
	return "", false
}
