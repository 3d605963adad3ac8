package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// AgainCodes are the exit codes of a step that may succeed when it is run
// again: 75 is a registry's or a machine's trouble, 137 and 143 a process that
// was ended from outside, which is what happens to it when a machine is taken
// away.
func AgainCodes() []int { return []int{75, 137, 143} }

// The reasons by which GitLab says that a job ended through no fault of its
// own. Version 19.1 gave the first of the older ones several more exact names.
var (
	lostReasonsAlways = []string{"runner_system_failure", "scheduler_failure", "api_failure", "data_integrity_failure"}
	lostReasonsBefore = []string{"stuck_or_timeout_failure"}
	lostReasonsSince  = []string{"runner_interrupted", "runner_external_dependency_failure", "stuck_pending_with_matching_runners", "no_updates_running"}
)

// LostReasons are all of GitLab's words for a job that was lost, of any
// version.
func LostReasons() []string {
	return slices.Concat(lostReasonsAlways, lostReasonsBefore, lostReasonsSince)
}

// RetryReasons are those that a GitLab knows. One that it does not know would
// make it refuse the whole file, so one whose version is not known has only those
// that every version knows. gitlab.com always is the newest.
func RetryReasons(site GitLabSite) []string {
	switch {
	case site.newest(), gitLabAtLeast(site.Version, 19, 1):
		return slices.Concat(lostReasonsAlways, lostReasonsSince)
	case site.Version == "":
		return lostReasonsAlways
	}
	return slices.Concat(lostReasonsAlways, lostReasonsBefore)
}

// RetriesExitCodes tells whether a GitLab is known to repeat a job by its exit
// code.
func RetriesExitCodes(site GitLabSite) bool {
	return site.newest() || gitLabAtLeast(site.Version, 17, 5)
}

// KeepsByRule tells whether a GitLab is known to read, for each event, whether a
// newer commit may stop its pipeline. One that does not read the keyword would
// refuse the whole file.
func KeepsByRule(site GitLabSite) bool {
	return site.newest() || gitLabAtLeast(site.Version, 16, 10)
}

// newest tells whether the site is gitlab.com, and nobody names a version.
func (s GitLabSite) newest() bool { return s.Version == "" && s.Address() == DefaultGitLabURL }

// gitLabAtLeast compares a version such as 18.2; what is none is older.
func gitLabAtLeast(version string, major, minor int) bool {
	a, b, err := gitLabVersion(version)
	return err == nil && (a > major || a == major && b >= minor)
}

// CheckGitLabVersion says what is wrong with a version of GitLab.
func CheckGitLabVersion(version string) error {
	_, _, err := gitLabVersion(version)
	return err
}

func gitLabVersion(version string) (major, minor int, err error) {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, 0, fmt.Errorf("invalid version %q: expected one such as 18.2", version)
	}
	for i, to := range []*int{&major, &minor, new(int)}[:len(parts)] {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return 0, 0, fmt.Errorf("invalid version %q: expected one such as 18.2", version)
		}
		*to = int(n)
	}
	return major, minor, nil
}
