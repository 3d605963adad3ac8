package model

import (
	"fmt"
	"regexp"
	"strings"
)

// The stages that a job of one's own may stand beside.
const (
	StageBuild    = "build"    // the jobs of all images
	StageManifest = "manifest" // the testing channel is written
	StagePromote  = "promote"  // prod is written
)

// OwnJob is a job that people add to the pipelines. It stands before a stage,
// which then waits for it and does not begin where it fails, or after one,
// which does not wait. One of Before and After is set.
type OwnJob struct {
	Name    string
	Before  string   // any stage
	After   string   // any stage
	Events  []string // of those that have the stage; empty is all
	GitHub  string   // workflow of the same repository, "./.github/workflows/notify.yml"; empty for none
	Secrets []string // GitHub: what it is given, by name
	Rights  []string // GitHub: what it may do beside reading the repository; Right constants, sorted
	GitLab  string   // hidden job that it extends, ".notify"; empty for none
	Include string   // GitLab: file of the repository that has the hidden job; empty where another file includes it
}

// What a job of one's own may be given the right to.
const (
	RightIdentity = "identity" // to prove to others which job it is
	RightRelease  = "release"  // to write to the repository, as releases need
)

// Stage is the stage that the job stands beside.
func (j *OwnJob) Stage() string {
	if j.Before != "" {
		return j.Before
	}
	return j.After
}

var (
	ownName     = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	ownWorkflow = regexp.MustCompile(`^\./\.github/workflows/[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml$`)
	ownHidden   = regexp.MustCompile(`^\.[A-Za-z0-9_][A-Za-z0-9._:-]*$`)
)

// CheckJobName says what is wrong with the name of a job of one's own.
func CheckJobName(name string) error {
	if len(name) > 64 || !ownName.MatchString(name) {
		return fmt.Errorf("invalid name %q: expected lower-case letters, digits and single -", name)
	}
	return nil
}

// CheckWorkflowPath says what is wrong with the path of a workflow that
// another calls.
func CheckWorkflowPath(path string) error {
	if len(path) > 256 || !ownWorkflow.MatchString(path) {
		return fmt.Errorf("invalid workflow %q: expected ./.github/workflows/ and the name of a file", path)
	}
	if strings.HasPrefix(path, "./.github/workflows/rootfsgen-") {
		return fmt.Errorf("invalid workflow %q: files that begin with rootfsgen- are generated", path)
	}
	return nil
}

// CheckHiddenJob says what is wrong with the name of a hidden job.
func CheckHiddenJob(name string) error {
	if len(name) > 128 || !ownHidden.MatchString(name) {
		return fmt.Errorf("invalid job %q: expected the name of a hidden job, such as .notify", name)
	}
	if strings.HasPrefix(name, ".rootfsgen-") {
		return fmt.Errorf("invalid job %q: names that begin with .rootfsgen- are generated", name)
	}
	return nil
}

// OwnEvents are the names of the events that a job of one's own may be part
// of.
func OwnEvents() []string {
	return []string{"push", "request", "queue", "tag", "manual", "schedule"}
}
