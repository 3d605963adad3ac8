// Package pipeline lays a fleet out as jobs, before any forge's syntax: which
// jobs there are, what each runs, and what it waits for. Every decision is
// made here; package render only writes it down.
//
// One job builds and tests one image on one platform. It waits for the build
// jobs of its parents and for nothing else, so that no image waits longer than
// it must, and a failed one stops only what is built from it. One job for each
// image then merges its platforms.
package pipeline

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Kind tells what a job is for.
type Kind string

// The kinds of job.
const (
	Plan     Kind = "plan"     // decides what runs
	Build    Kind = "build"    // builds and tests one image
	Test     Kind = "test"     // tests one image on a machine that has what its tests need
	Merge    Kind = "merge"    // joins an image's platforms in an index
	Manifest Kind = "manifest" // writes the testing channel
	Promote  Kind = "promote"  // writes the prod channel
	Fork     Kind = "fork"     // everything in one job, without secrets, for a request from a fork
	Lock     Kind = "lock"     // looks the lock up anew, and offers what moved as a request
	Result   Kind = "result"   // the one check to require
)

// Event is what starts a pipeline.
type Event string

// The events. A request is a pull request or a merge request.
const (
	Push          Event = "push"           // to the default branch
	Request       Event = "request"        // from a branch of the same repository
	ForkRequest   Event = "fork"           // from a fork
	Queue         Event = "queue"          // a merge queue or merge train tries what it will merge
	Release       Event = "release"        // a tag that releases
	Manual        Event = "manual"         // a person, on the default branch
	ScheduleLock  Event = "schedule-lock"  // it is time to look the lock up anew
	ScheduleBases Event = "schedule-bases" // it is time to build the bases anew

	ScheduleRescan Event = "schedule-rescan" // it is time to judge what prod runs
	Closed         Event = "closed"          // a request was closed, merged or not
)

// Events are all of them. What starts a pipeline is exactly one of them.
func Events() []Event {
	return []Event{Push, Request, ForkRequest, Queue, Release, Manual, ScheduleLock, ScheduleBases, ScheduleRescan, Closed, Merged}
}

// Pipeline is everything that a fleet's CI does. Its slices are sorted, so the
// same fleet gives the same pipeline.
type Pipeline struct {
	DefaultBranch string
	ReleaseTags   string         // glob whose only wildcard is *
	Config        string         // path of the settings, where the fleet is not the whole repository; else empty
	Runtime       string         // one of model's Runtime constants
	Programs      model.Programs // the release that the programs are taken from
	Network       model.Network  // how jobs reach the world
	Identity      model.Identity // who jobs are to a cloud
	Layout        string         // one of model's Layout constants
	Runners       map[string]model.Runner
	Forges        []string
	Triggers      model.Triggers
	Fork          model.Fork
	Spot          model.Spot     // what happens to jobs that are lost
	Counted       bool           // how often updates of bases fail counts
	Judging       model.Judging  // of images, before they are merged
	Signing       model.Signing  // of what was merged
	Sealed        bool           // of receipts, too: those who build sign
	Channels      model.Channels // how prod changes
	ChannelBranch string         // that holds the channels' documents
	Fixed         map[Kind]Job   // the jobs that do not depend on an image, and Build and Merge as every image has them
	Images        []Image        // parents before children, then by id
	Said          Said           // what people said that all this is made from
	GitHub        model.GitHubSite
	GitLab        model.GitLabSite
	Own           []model.OwnJob // jobs that people add
	Templates     Templates      // that people have instead of the built-in ones
}

// Image is the jobs of one node of the fleet: of an image, or of one of its
// tags or variants where it has several.
type Image struct {
	ID      string   // names its jobs and their files; see model.NodeNames
	Target  string   // what commands call it, "name:tag", where that is not ID; else empty
	Legs    []Leg    // one for each platform, sorted
	Minutes int      // time limit of a build job
	Merge   bool     // its platforms are joined
	After   []string `json:",omitempty"` // IDs of the images that it is built from and that must be joined first, as they may be refused, sorted
	Level   int      // how many images must be built one after the other before it
	Secrets []string `json:",omitempty"` // names of the secrets that its builds mount, sorted; then no other image's jobs are mixed with its own
}

// Leg is one platform of an image's build job.
type Leg struct {
	Platform model.Platform
	Runner   string   // machine class
	Parents  []string // IDs of those whose build on this platform must be done, sorted
	Across   []Wait   `json:",omitempty"` // what must be done on another platform, as for FROM --platform, sorted
	Device   string   `json:",omitempty"` // what its tests need of their machine, where a class has it
	Test     string   `json:",omitempty"` // that machine class: tests run in a job of their own, after the build
}

// Wait is for the build of another image on one platform.
type Wait struct {
	ID       string
	Platform model.Platform
}

// Waits are all builds that a leg waits for: those on its own platform first.
func (l *Leg) Waits() []Wait {
	all := make([]Wait, 0, len(l.Parents)+len(l.Across))
	for _, id := range l.Parents {
		all = append(all, Wait{id, l.Platform})
	}
	return append(all, l.Across...)
}

// Parents are the images that any leg waits for, sorted.
func (i *Image) Parents() []string {
	var all []string
	for n := range i.Legs {
		for _, b := range i.Legs[n].Waits() {
			all = append(all, b.ID)
		}
	}
	return sortedSet(all)
}

// Job is what a job of one kind is made of.
type Job struct {
	Kind        Kind
	Runner      string // machine class; empty for Build, whose legs have their own
	Minutes     int    // time limit
	Events      []Event
	Push        bool   // may push to the repository, for the channel branch
	Token       bool   // may ask the forge for a token that says which job it is
	Audience    string // of the token that signs, for a forge that must be told; empty for none
	Requests    bool   // may open requests
	Findings    bool   // may hand findings to the forge's code scanning
	Environment string // the forge's protected environment, empty for none
	Interrupt   bool   // a newer pipeline may stop it
	Retry       bool   // is tried again when its machine is lost
	Steps       []Step
}

// Verb is what a step does.
type Verb string

// The verbs of a step.
const (
	Checkout Verb = "checkout" // fetches the repository
	SetupGo  Verb = "setup-go" // provides the Go that go.mod names
	Run      Verb = "run"      // runs Script in bash
	Outputs  Verb = "outputs"  // tells the forge what the plan decided
	Save     Verb = "save"     // keeps Artifact
	Fetch    Verb = "fetch"    // gets Artifact from the job that saved it
)

// Step is one step of a job.
type Step struct {
	Verb     Verb
	Name     string
	History  bool     // Checkout: all commits and tags, not only the newest commit
	Branch   string   // Checkout: instead of what the pipeline is of; empty is that
	Script   string   // Run and Outputs: whole lines
	Vars     []Var    // Run and Outputs: what Script reads from its environment
	Values   []Value  // Run and Outputs: what it reads beside Vars, fixed
	Keys     []string // Run: names of secrets that sign, each under its own name
	Secrets  []string // Run and Outputs: names of secrets that it reads, each under its own name
	Artifact Artifact // Save and Fetch
	// Anyway lets a Run go on where a step before it failed. It is left out where
	// a forge's jobs are one script: what it says is for people.
	Anyway bool
}

// Artifact is a file or folder that outlives its job.
type Artifact struct {
	Name   string // unique in the pipeline, with what Per adds
	Path   string // one plain path in the checkout
	Folder string // where Fetch puts it
	Per    Per    // how many jobs have one of this name
	Report bool   // may be absent, and is kept when the job failed
	JUnit  bool   // has results of tests
	Scans  bool   // has findings and lists of packages
	Days   int    // how long it is kept
}

// Per tells which jobs save an artifact of one name.
type Per string

// The kinds of Per.
const (
	PerPipeline Per = ""      // one job
	PerImage    Per = "image" // one job of each image
	PerLeg      Per = "leg"   // each leg of each image's build job
)

// Var is a variable that a script reads. Values reach a script in no other
// way, so they can never become a command.
type Var string

// The variables of scripts.
const (
	VarImage    Var = "ROOTFSGEN_IMAGE"    // ID of the job's image
	VarTarget   Var = "ROOTFSGEN_TARGET"   // its Target, empty where that is the ID
	VarPlatform Var = "ROOTFSGEN_PLATFORM" // for example linux/arm64
	VarArch     Var = "ROOTFSGEN_ARCH"     // for example arm64
	VarScope    Var = "ROOTFSGEN_SCOPE"    // registry scope
	VarSnapshot Var = "ROOTFSGEN_SNAPSHOT" // snapshot id, empty outside requests
	VarFrom     Var = "ROOTFSGEN_FROM"     // commit to compare with, empty where the plan finds it
	// VarImages, VarPlatforms and VarForce are what a person chose. Words are
	// separated by blanks; the planner refuses what is no name and no platform.
	VarImages    Var = "ROOTFSGEN_IMAGES"    // empty is all
	VarPlatforms Var = "ROOTFSGEN_PLATFORMS" // empty is all
	VarForce     Var = "ROOTFSGEN_FORCE"     // true: build the images anew; bases: those that are built from none

	VarDevice Var = "ROOTFSGEN_DEVICE" // what the job's machine has, and the tests need

	VarResults Var = "ROOTFSGEN_RESULTS"    // results of the jobs before, separated by spaces
	VarToken   Var = "ROOTFSGEN_PUSH_TOKEN" // lets git push to this repository
	// VarForgeToken lets a job open requests, in the name of somebody whose
	// requests start pipelines.
	VarForgeToken Var = "ROOTFSGEN_FORGE_TOKEN"

	VarLogin Var = "DOCKER_AUTH_CONFIG" // logins of registries, a config.json; empty is none
)

// AppliesTo tells whether the job is part of the pipeline that e starts.
func (j *Job) AppliesTo(e Event) bool {
	return slices.Contains(j.Events, e)
}
