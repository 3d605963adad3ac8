package model

// PlanVersion is the version of plan.json that this program reads and writes.
const PlanVersion = 1

// Action is what happens to a target.
type Action string

// The actions of a plan.
const (
	ActionBuild  Action = "build"  // its bytes must be made
	ActionReuse  Action = "reuse"  // changed since From, but the registry has these bytes already
	ActionNone   Action = "none"   // unchanged
	ActionRetire Action = "retire" // its folder is gone
)

// The steps of a target, in order, and the states that a plan gives them.
const (
	StepBuild = "build"
	StepTest  = "test"
	StepMerge = "merge" // of an index, not of a target

	StepSBOM = "sbom" // this and the next two follow the test, for each platform's digest, before the merge
	StepScan = "scan"
	StepGate = "gate"

	StepSign = "sign" // of what was merged

	StepWithdraw = "withdraw" // of a platform's manifest that must not be used any more

	StepRun  = "run"  // has no passed receipt
	StepDone = "done" // has one
)

// The kinds of Reason.
const (
	ReasonNew        = "new"         // the target is not in From
	ReasonFile       = "file"        // a file that an instruction can read
	ReasonRemoved    = "removed"     // such a file, or the image, is gone
	ReasonArgument   = "argument"    // a build argument
	ReasonOption     = "option"      // stage, builder, packages, rebuild and the like
	ReasonParent     = "parent"      // an image of the fleet that it is built from
	ReasonBase       = "base"        // an outside image, or the Debian archive
	ReasonTemplate   = "template"    // the Dockerfile itself
	ReasonForced     = "forced"      // asked for by hand
	ReasonRebuildAll = "rebuild-all" // a tag that ends in "a"
	ReasonRegistry   = "registry"    // the registry lacks it, or a step has not passed yet
	ReasonContext    = "context"     // which files are read has changed
)

// Reason says why an entry is what it is. Which of the fields are set depends
// on Kind.
type Reason struct {
	Kind   string `json:"kind"`
	Path   string `json:"path,omitempty"`   // file, from the root of the tree
	Name   string `json:"name,omitempty"`   // argument, option, image or base
	Old    string `json:"old,omitempty"`    // value or digest at From
	New    string `json:"new,omitempty"`    // value or digest at To
	Detail string `json:"detail,omitempty"` // one clause for people
}

// Plan is what is to be done, complete: the runtime needs nothing but it, the
// program and the checkout. It is a pure function of two trees, the registry's
// state and the request.
type Plan struct {
	Version    int       `json:"version"`
	From       *Revision `json:"from"` // nil when there is nothing to compare with: everything is new
	To         Revision  `json:"to"`
	Scope      string    `json:"scope"`                 // one of the Scope constants
	Prefix     string    `json:"prefix,omitempty"`      // registry address of the scope
	ReadPrefix string    `json:"read_prefix,omitempty"` // a second scope that may be read, for requests
	SnapshotID string    `json:"snapshot_id,omitempty"` // "pr-123"
	Date       string    `json:"date"`                  // UTC date of To's commit, "2026.11.21"
	Registry   string    `json:"registry"`              // "known", or "unknown" when git alone answers
	Publish    string    `json:"publish,omitempty"`     // PublishChanged, or empty
	Policy     Digest    `json:"policy,omitempty"`      // Policy.Digest of what its images must pass before they are merged; empty where nothing is scanned
	Signing    *Signing  `json:"signing,omitempty"`     // how receipts are signed; nil where nobody asks for signed ones
	Trust      *Trust    `json:"trust,omitempty"`       // whose signatures count; nil where nobody is named
	Bootstrap  bool      `json:"bootstrap,omitempty"`   // 401 and 403 mean "missing" for a repository that was never pushed to
	Notes      []string  `json:"notes,omitempty"`       // what a person should know, one sentence each
	LeftOut    []string  `json:"left_out,omitempty"`    // nodes of the fleet that the request is not about, sorted
	Entries    []Entry   `json:"entries"`               // sorted by wave, then target
	Indexes    []Index   `json:"indexes"`               // one for each image, tag and variant, sorted
	Idle       int       `json:"-"`                     // nodes to which nothing happens and which are in neither; 0 but in a plan that is only shown
}

// Revision is one side of the comparison. Commit is empty for the work tree,
// Tree never is.
type Revision struct {
	Ref    string `json:"ref"`
	Commit string `json:"commit"`
	Tree   string `json:"tree"`
}

// Entry is one target of a plan.
type Entry struct {
	Image      string            `json:"image"`
	Dir        string            `json:"dir"`
	Tag        string            `json:"tag"`
	Variant    string            `json:"variant"`
	Platform   Platform          `json:"platform"`
	Action     Action            `json:"action"`
	Steps      map[string]string `json:"steps"` // StepBuild, StepTest and, where the plan has a policy, StepGate -> StepRun or StepDone; StepTest also StepUntested
	Key        Digest            `json:"key"`
	Generation int               `json:"generation"`
	Digest     Digest            `json:"digest,omitempty"` // of the manifest, where the registry has it
	Repository string            `json:"repository"`       // image_name, below Prefix
	Parents    []Parent          `json:"parents"`
	Wave       int               `json:"wave"`
	Refs       []string          `json:"refs"` // what merge publishes, with [.?] where N is open
	Runner     string            `json:"runner"`
	Device     string            `json:"device,omitempty"`      // what the tests need of their machine
	TestRunner string            `json:"test_runner,omitempty"` // machine class of the tests, where they need a device and a class has it
	Reasons    []Reason          `json:"reasons"`
	TestsKey   Digest            `json:"tests_key"` // of the rendered tests: the test step's own input
	Tests      []Test            `json:"tests"`
	Recipe     *Recipe           `json:"recipe,omitempty"` // absent for ActionRetire
}

// ID names the entry's target.
func (e *Entry) ID() TargetID {
	return TargetID{Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform}
}

// Parent is an image of the fleet that a target is built from, on the same
// platform unless Platform says otherwise.
type Parent struct {
	Image      string   `json:"image"`
	Tag        string   `json:"tag"`
	Variant    string   `json:"variant"`
	Platform   Platform `json:"platform,omitzero"` // where it is not the target's
	Key        Digest   `json:"key"`
	Generation int      `json:"generation"`
	Repository string   `json:"repository"`
}

// Recipe is how a target's bytes are made: the inputs that its key was
// computed from, in the form that the builder needs.
type Recipe struct {
	Builder        string            `json:"builder"`
	Dockerfile     *TreeEntry        `json:"dockerfile,omitempty"` // in the tree
	Context        string            `json:"context,omitempty"`    // folder that Files are relative to
	Files          []TreeEntry       `json:"files,omitempty"`      // Path is relative to Context; sorted
	Stage          string            `json:"stage,omitempty"`
	Args           map[string]string `json:"args,omitempty"`
	Secrets        map[string]string `json:"secrets,omitempty"`  // a mount's id -> the variable that holds the value; not in the key
	Contexts       []NamedContext    `json:"contexts,omitempty"` // sorted by Ref
	Debian         *Debian           `json:"debian,omitempty"`
	Syntax         string            `json:"syntax,omitempty"`   // the locked frontend of "# syntax=", "repository@digest"; empty is the builder's own
	Rewrites       []Rewrite         `json:"rewrites,omitempty"` // of the Dockerfile, sorted by place; see Rewritten
	Packages       map[string]string `json:"packages,omitempty"` // resolved for Debian: package -> version
	TimeoutSeconds int               `json:"timeout_seconds,omitempty"`
}

// NamedContext says what a reference in the Dockerfile stands for: an image
// of the fleet (Parent is its Node), a locked outside base (Source is
// "repository@digest"), or a folder of the tree. An outside base that is not
// locked has none of these: the runtime takes what Ref, or Image, stands for at
// that moment.
type NamedContext struct {
	Ref      string   `json:"ref"`               // the builder's name for it: the option is "context:" + Ref
	Parent   string   `json:"parent,omitempty"`  // "image:tag" or "image:tag:variant"
	Platform Platform `json:"platform,omitzero"` // of Parent, where it is not the target's
	Source   string   `json:"source,omitempty"`
	// Image is the reference to an outside base where that is not what Ref says.
	Image string `json:"image,omitempty"`
	// Inherits is set for an outside base that a stage begins with and whose
	// configuration was not known: the builder must not take one with triggers,
	// which could read what the key does not hold.
	Inherits bool        `json:"inherits,omitempty"`
	Folder   string      `json:"folder,omitempty"` // from the root of the tree; "." is the whole repository
	Files    []TreeEntry `json:"files,omitempty"`  // those of Folder that can be read, relative to it; sorted
}

// Index is what the platforms of one image become together.
type Index struct {
	Image      string     `json:"image"`
	Tag        string     `json:"tag"`
	Variant    string     `json:"variant"`
	Repository string     `json:"repository"`
	Platforms  []Platform `json:"platforms"`
	Identity   Digest     `json:"identity"` // SHA-256 over its platforms' keys and generations
	Generation int        `json:"generation"`
	Version    string     `json:"version"` // tag without its .N: "13-2026.11.21"
	Action     string     `json:"action"`  // StepRun, StepDone or StepUntested
	Meta       ImageMeta  `json:"meta"`
}

// ID names the index's node.
func (i *Index) ID() TargetID { return TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant} }

// ImageMeta is what a channel document says about an image; the keys are
// those that its consumers read.
type ImageMeta struct {
	Label            string   `json:"label"`
	Image            string   `json:"image,omitempty"`
	Description      string   `json:"description"`
	GPU              bool     `json:"gpu"`
	Priority         int      `json:"priority"`
	Tags             []string `json:"tags"`
	Prepull          bool     `json:"prepull"`
	Arch             []string `json:"arch"`
	ComponentVersion string   `json:"component_version"`
	SizeGB           float64  `json:"size_gb,omitempty"`
	Deprecated       bool     `json:"deprecated,omitempty"`
	DeprecatedReason string   `json:"deprecated_reason,omitempty"`
}
