package model

import (
	"path"
	"slices"
	"strings"
)

// The trust scopes: each has its own repositories, and nothing is reused
// across them but by a request that reads testing.
const (
	ScopePR      = "pr"
	ScopeTesting = "testing"
	ScopeProd    = "prod"
)

// Fleet is everything that one tree says: its settings and its images, sorted
// by id, tag and variant.
type Fleet struct {
	Settings Settings
	Images   []Image
	Aliases  []Alias // sorted by folder and name
	Lock     Lock
}

// Alias is another name of a node: that of a symlink which leads to its
// folder. References find the node under it; nothing else is made of it.
type Alias struct {
	Dir   string   // where the link leads in from, from the root of the tree
	Image string   // the name that the link gives
	Tag   string   // empty is the node's
	Node  TargetID // what is meant, without a platform
}

// Owner returns a function that finds the image's folder that a file belongs
// to: the deepest one above it, empty for a file in no image's folder.
func (f *Fleet) Owner() func(file string) string {
	dirs := make(map[string]bool, len(f.Images))
	for i := range f.Images {
		dirs[f.Images[i].Dir] = true
	}
	return func(file string) string {
		for dir := path.Dir(file); ; dir = path.Dir(dir) {
			switch {
			case dirs[dir]:
				return dir
			case dir == "." || dir == "/":
				return ""
			}
		}
	}
}

// Node finds the image that a target is of; its platform does not matter.
func (f *Fleet) Node(t TargetID) (*Image, bool) {
	t = t.AllPlatforms()
	i, found := slices.BinarySearchFunc(f.Images, t, func(i Image, t TargetID) int { return i.Node().Compare(t) })
	if !found {
		return nil, false
	}
	return &f.Images[i], true
}

// Tags are the images of one id: one for each of its tags and variants.
func (f *Fleet) Tags(id string) []Image {
	first, _ := slices.BinarySearchFunc(f.Images, id, func(i Image, id string) int { return strings.Compare(i.ID, id) })
	end := first
	for end < len(f.Images) && f.Images[end].ID == id {
		end++
	}
	return f.Images[first:end]
}

// Settings is rootfsgen.yaml after every default has been applied.
type Settings struct {
	Dir           string // the fleet's folder, from the root of the tree; "." is the whole repository
	Registry      Registry
	Roots         []Root            // where images are looked for
	Repositories  []string          // prefixes under which a reference means one of ours; "" is bare names
	References    []Reference       // what the references mean that Repositories cannot say, in this order
	Args          map[string]string // values for FROM arguments that have no default
	Detect        string            // which files count, one of the Detect constants
	Syntax        string            // what "# syntax=" is, one of the Syntax constants
	ReleaseTags   string            // glob for the tags that release, "v*"
	DefaultBranch string            // "main"
	ChannelBranch string            // git branch that holds the channel documents
	Channels      Channels          // where else, and how prod changes
	Forges        []string          // "github", "gitlab"
	Triggers      Triggers          // what each event leads to
	Updates       Updates           // how images.lock is looked up anew
	Publish       string            // one of the Publish constants; empty is PublishAlways
	Fork          Fork              // requests from forks
	Runners       map[string]Runner // by machine class
	Spot          Spot              // jobs that are lost with their machine
	Layout        string            // how jobs are arranged, one of the Layout constants
	Runtime       string            // how the programs reach a job, one of the Runtime constants
	Programs      Programs          // the release of RuntimeRelease
	Network       Network           // how jobs reach the world
	Identity      Identity          // who jobs are to a cloud
	Signing       Signing           // how what jobs make is signed
	Trust         Trust             // whose signatures count
	GitHub        GitHubSite        // where the repository lies
	GitLab        GitLabSite
	Judging       Judging  // what scan-policy.yaml means for pipelines
	Templates     string   // folder of templates that are taken instead of the built-in ones, from the root of the tree; empty for none
	Jobs          []OwnJob // around the stages, in this order
}

// How the programs reach a job of a pipeline.
const (
	RuntimeRelease   = "release"   // each job fetches the pinned release
	RuntimeInstalled = "installed" // they are on the machine's PATH
	RuntimeSource    = "source"    // the planning job compiles them from this repository and hands them on, where no release is of the same source
)

// Which files of an image count as its input.
const (
	DetectExact  = "exact"  // those that an instruction can read
	DetectFolder = "folder" // these, and every file of its folder but documentation
)

// What "# syntax=" is.
const (
	SyntaxLocked  = "locked"  // an outside base like any other
	SyntaxBuiltin = "builtin" // nothing: the frontend inside BuildKit is taken
)

// Root is one folder of images and the rule for their names.
type Root struct {
	Root        string   // folder, from the root of the tree
	Pattern     string   // for example "{name}"; empty is every folder with a build file
	Dockerfiles []string // globs of build files in an image's folder; empty is the usual names
	Exclude     []string // globs, relative to Root
}

// Reference says which folder a reference in a Dockerfile means.
type Reference struct {
	Match   string                       // anchored regular expression (RE2) over the whole reference, with its tag
	Folders []string                     // candidates, from the root of the tree, with {group} and *; none is an outside base
	Map     map[string]map[string]string // by group: what its values stand for in Folders
}

// Registry is where images go. An empty prefix means that the scope is not
// set up.
type Registry struct {
	PR        string // prefix, for example "registry.example.com/team/pr"
	Testing   string
	Prod      string
	Bootstrap bool // take 401 and 403 as "missing" for a repository that was never pushed to
}

// Prefix is the address of one scope, empty where it is not set up.
func (r Registry) Prefix(scope string) string {
	switch scope {
	case ScopePR:
		return r.PR
	case ScopeTesting:
		return r.Testing
	case ScopeProd:
		return r.Prod
	}
	return ""
}
