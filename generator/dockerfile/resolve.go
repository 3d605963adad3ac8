package dockerfile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Options are what a Dockerfile is resolved with.
type Options struct {
	Args     map[string]string // the target's own build arguments
	Fallback map[string]string // values for global arguments that have no default and are not in Args
	Platform model.Platform    // the target's
	Stage    string            // the stage to build; empty is the last
	CI       bool              // what can change by itself, or makes a build fail, is an error, not a warning
	// Contexts are the target's named contexts, as model.Image has them: each
	// takes the place of the stage or of the references of its name.
	Contexts map[string]string
	// BaseConfig is what the image of a FROM gives to its child; false when it
	// is not known. It is asked for the FROM of each stage that is reached, but
	// not for scratch and stages. A nil BaseConfig knows nothing.
	BaseConfig func(Ref) (model.BaseConfig, bool)
	Scratch    *Scratch // may be nil
}

// The kinds of Ref.
const (
	RefFrom  = "from"
	RefCopy  = "copy"
	RefMount = "mount"
)

// Ref is a reference to an image: neither a stage nor scratch.
type Ref struct {
	Name     string          // arguments expanded
	Named    reference.Named // the same, as it is understood
	Platform string          // "linux/amd64"
	Kind     string          // one of the Ref constants
	Pos      diag.Pos        // of the reference itself where it could be found, else of its instruction
	Context  string          // how BuildKit looks a named context for it up: Name as people write it, without :latest
	Under    string          // the name of the target's own named context that Name is the value of; empty for none
	// Rewrite is set where a stage has the name of Context, so that the image
	// must be given to the builder as Rewrite.New. Its Old is empty if the
	// reference stands where it cannot be rewritten.
	Rewrite *model.Rewrite
}

// Read is what one instruction can read from the build context, or from a named
// context that is a folder.
type Read struct {
	From    string   // the named context; empty is the build context
	Folder  string   // of From, from the root of the tree
	Source  string   // slash-separated and clean, from the context's root; "." is all of it
	Include string   // for COPY --parents: a pattern below Source
	Exclude []string // patterns below Source
	Pos     diag.Pos
	By      string // the instruction's name: "COPY"
}

// Resolved is what one target needs of a Dockerfile.
type Resolved struct {
	Instructions []string          // canonical, of the stages that are reached
	Args         map[string]string // build arguments that were given and can matter
	Spare        map[string]string // others that the FROM of a stage takes that is not reached: the builder looks at it all the same
	Refs         []Ref             // in the order of the file
	Reads        []Read            // in the order of the file
	Whole        bool              // an instruction may read anything in the context
	Config       model.BaseConfig  // what a child inherits: Env as far as it is known, and OnBuild
	ConfigKnown  bool              // Config.Env is complete
	Undeclared   []string          // names in Options.Args that no ARG declares, sorted
	Reserved     []string          // names in Options.Args that only the builder may give, sorted
	Neutral      bool              // nothing of it depends on the platform, as far as the bases give the same to their children
}

// Resolve finds what the target depends on. The result is never nil, and
// complete when the list holds no error.
func (f *File) Resolve(o Options) (*Resolved, diag.List) {
	s := cmp.Or(o.Scratch, &Scratch{})
	r := &resolver{
		file: f, o: o, out: &Resolved{}, dated: true, platform: o.Platform.String(), contexts: contexts(o.Contexts),
		scratch: s, reads: s.reads[:0],
	}
	used := s.used
	s.reads = nil // of this call
	defer func() { s.reads, s.used = r.reads, used }()
	r.globals()
	r.bases()
	target, found := r.target()
	if !found {
		return r.out, r.list
	}
	r.reach(target)
	r.show(target)
	r.walk()
	r.finish(target)
	return r.out, r.list.Sorted()
}

// resolver is the state of one Resolve.
type resolver struct {
	file   *File
	o      Options
	out    *Resolved
	list   diag.List
	reads  []Read
	taken  map[string]string // the fallbacks that are used
	dated  bool              // sourceDateEpoch is given
	global *environment
	names  map[string]int  // stage by name, as BuildKit keeps them: the last of a name wins
	needed map[string]bool // global arguments that the stages reached take a value from
	stages []*resolvedStage

	platform string // the target's

	contexts map[string]string // the named ones, by the name that BuildKit looks for

	pending []int // stages that triggers need, to be reached when all others are
	late    bool  // while these are reached

	scratch *Scratch
}

// resolvedStage is a stage with its base known.
type resolvedStage struct {
	*stage
	base     string   // expanded
	parent   int      // the stage that it begins with, -1 for an image or scratch
	platform string   // of its base
	used     []string // global arguments in its FROM
	context  string   // the named context that it begins with; empty for none
	replaced bool     // by that context, as a whole
	label    string   // how the image's history shows it, if shown
	shown    bool     // the history shows its instructions as they are written

	// Of the stages that are reached:
	reached     bool
	late        bool             // by triggers only
	config      model.BaseConfig // of an image
	configKnown bool
	onBuild     []string       // the base's
	body        []instruction  // the triggers of the base, then its own
	deps        [][]dependency // of each instruction of body
	env         *environment   // after the last instruction
}

// target is the index of the stage to build.
func (r *resolver) target() (int, bool) {
	if r.o.Stage == "" {
		return len(r.stages) - 1, true
	}
	i, found := r.names[strings.ToLower(r.o.Stage)]
	if !found {
		names := slices.Sorted(maps.Keys(r.names))
		hint := "the stages are " + strings.Join(names, ", ")
		if len(names) == 0 {
			hint = "name it with FROM ... AS " + r.o.Stage
		}
		r.list.Errorf(RuleStage, diag.Pos{File: r.file.path}, hint, "no stage is called %q", r.o.Stage)
	}
	return i, found
}

// globals gives the arguments before the first FROM their values.
func (r *resolver) globals() {
	r.global = r.scratch.environment()
	r.global.own = &predefined{platform: r.o.Platform, name: r.platform, stage: r.stageName()}
	for name, value := range r.o.Args {
		if _, found := r.global.own.value(name); found {
			r.global.set(name, value)
		}
	}
	for _, i := range r.file.meta {
		cmd, isArg := i.cmd.(*instructions.ArgCommand)
		if !isArg {
			continue
		}
		for _, arg := range cmd.Args {
			r.globalArg(i, arg)
		}
	}
}

// given is the value of a build argument that was given, or for which a
// fallback is used.
func (r *resolver) given(name string) (string, bool) {
	if r.dated && name == sourceDateEpoch {
		return strconv.Itoa(model.SourceDateEpoch), true
	}
	if value, found := r.o.Args[name]; found {
		return value, true
	}
	value, found := r.taken[name]
	return value, found
}

// need notes a global argument that a stage which is reached takes a value
// from.
func (r *resolver) need(name string) {
	if r.needed == nil {
		r.needed = map[string]bool{}
	}
	r.needed[name] = true
}

func (r *resolver) globalArg(i instruction, arg instructions.KeyValuePairOptional) {
	if value, found := r.given(arg.Key); found {
		r.global.set(arg.Key, value)
		return
	}
	if arg.Value == nil {
		if value, found := r.o.Fallback[arg.Key]; found {
			if r.taken == nil {
				r.taken = map[string]string{}
			}
			r.taken[arg.Key] = value
			r.global.set(arg.Key, value)
		}
		return
	}
	x := r.global.expand(*arg.Value, r.file.escape, false)
	if x.err != nil {
		r.list.Errorf(RuleSyntax, r.file.pos(i.node), "", "%s", message(x.err))
		return
	}
	r.global.set(arg.Key, x.text)
}

// stageName is TARGETSTAGE as BuildKit has it.
func (r *resolver) stageName() string {
	if r.o.Stage != "" {
		return r.o.Stage
	}
	if name := r.file.stages[len(r.file.stages)-1].from.Name; name != "" {
		return name
	}
	return "default"
}

// predefined are the arguments that BuildKit declares by itself. The machine
// that builds must not matter, so the build platform is the target's.
type predefined struct {
	platform    model.Platform
	name, stage string // of the platform, and of the stage to build
}

func (p *predefined) value(arg string) (string, bool) {
	switch arg {
	case "BUILDPLATFORM", "TARGETPLATFORM":
		return p.name, true
	case "BUILDOS", "TARGETOS":
		return p.platform.OS, true
	case "BUILDARCH", "TARGETARCH":
		return p.platform.Arch, true
	case "BUILDOSVERSION", "TARGETOSVERSION", "BUILDVARIANT", "TARGETVARIANT":
		return "", true
	case "TARGETSTAGE":
		return p.stage, true
	}
	return "", false
}

// bases expands each FROM and finds the stages that begin with stages.
func (r *resolver) bases() {
	all := make([]resolvedStage, len(r.file.stages))
	r.stages = make([]*resolvedStage, 0, len(all))
	for i := range r.file.stages {
		s := &r.file.stages[i]
		x := r.global.expand(s.from.BaseName, r.file.escape, false)
		rs := &all[i]
		*rs = resolvedStage{stage: s, base: x.text, parent: -1, platform: r.platform, used: x.used}
		pos := r.file.fromPos(s)
		switch {
		case x.err != nil:
			r.list.Errorf(RuleSyntax, pos, "", "%s", message(x.err))
		case x.text == "":
			r.unresolved(s, pos)
		case x.text != scratch:
			// BuildKit looks at the image of every stage, reached or not.
			if _, err := r.file.named(x.text); err != nil && !r.unresolved(s, pos) {
				r.list.Errorf(RuleRef, pos, "", "%q cannot name an image: %s", x.text, message(err))
			}
		}
		if rs.context, rs.replaced = r.named(s.from.Name); !rs.replaced {
			rs.context = ""
			if p, found := r.names[x.text]; found {
				rs.parent = p
			} else if name, found := r.named(x.text); found {
				rs.context = name
			}
		}
		if s.from.Platform != "" {
			r.fromPlatform(rs, pos)
		}
		if s.from.Name != "" {
			if r.names == nil {
				r.names = map[string]int{}
			}
			r.names[s.from.Name] = i
		}
		r.stages = append(r.stages, rs)
	}
}

func (r *resolver) fromPlatform(s *resolvedStage, pos diag.Pos) {
	x := r.global.expand(s.from.Platform, r.file.escape, true)
	s.used = append(s.used, x.used...)
	switch {
	case x.err != nil:
		r.list.Errorf(RuleSyntax, pos, "", "%s", message(x.err))
	case len(x.unknown) > 0:
		r.list.Errorf(RuleArgument, pos, argHint(x.unknown), "the platform of this FROM needs %s, which has no value", strings.Join(x.unknown, ", "))
	default:
		p, err := platforms.Parse(x.text)
		if err != nil {
			r.list.Errorf(RuleArgument, pos, "write for example linux/arm64", "%q is no platform", x.text)
			return
		}
		s.platform = platforms.FormatAll(platforms.Normalize(p))
	}
}

// unresolved reports the arguments of a FROM that have no value, if any.
func (r *resolver) unresolved(s *stage, pos diag.Pos) bool {
	x := r.global.expand(s.from.BaseName, r.file.escape, true)
	if x.err != nil {
		return true // reported with the first look at it
	}
	if len(x.unknown) == 0 {
		if x.text != "" {
			return false
		}
		r.list.Errorf(RuleArgument, pos, "", "the image of this FROM is empty")
		return true
	}
	r.list.Errorf(RuleArgument, pos, argHint(x.unknown), "the image of this FROM needs %s, which has no value", strings.Join(x.unknown, ", "))
	return true
}

func argHint(names []string) string {
	return "give it a default before the first FROM (ARG " + names[0] + "=...), or a value under args: in image.yaml or rootfsgen.yaml"
}
