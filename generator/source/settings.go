package source

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// DefaultConfig is where the settings lie unless it is said otherwise.
const DefaultConfig = "rootfsgen.yaml"

// LockFile is the name of the lock, which lies beside the settings.
const LockFile = "images.lock"

// FindConfig looks for the settings in dir, a folder of the tree, and in those
// above it; the nearest are meant. Where there are none, it is false, and the
// path is that of settings in the root.
func FindConfig(tree model.Tree, dir string) (file string, found bool) {
	for d := path.Clean(dir); ; d = path.Dir(d) {
		file = path.Join(d, DefaultConfig)
		if _, found := tree.Lookup(file); found || d == "." || d == "/" {
			return path.Join(".", file), found
		}
	}
}

// LockPath is where the lock of a fleet lies; dir is the fleet's folder, as
// model.Settings has it.
func LockPath(dir string) string { return path.Join(dir, LockFile) }

// defaultPattern is how folders of images are named in the default root.
const (
	defaultRoot    = "images"
	defaultPattern = "{name}"
)

// settings is rootfsgen.yaml as it is written.
type settings struct {
	model    model.Settings
	hasRepos bool
	roots    []root
	rootsBad bool   // images was written, and refused
	prefixes []pair // scope -> prefix, with positions
	channels []pair // keys of channels, with positions

	references []value // as they are written, with positions
	runners    []pair
	logins     []value // as they are written, with positions
	ownJobs    []value // as they are written, with positions
	triggers   triggerSettings
	fork       forkSettings

	runtimeAt, programsAt, caAt diag.Pos

	signAt, trustAt, rootAt diag.Pos

	keyless bool    // sign.keyless was written
	signers []value // of trust, as they are written, with positions
}

// root is one entry of images.
type root struct {
	model.Root
	pos diag.Pos
}

// settingsFile is the table of rootfsgen.yaml.
var settingsFile = record[settings]{
	name:  "rootfsgen.yaml",
	first: "version",
	fields: []field[settings]{
		{key: "version", doc: "Version of this file's format: 1. It must be the first key.", required: true, remedy: `write "version: 1"`,
			shape: number{min: 1, max: 1, whole: true}, set: func(*settings, value) {}},
		{key: "registry", doc: "Where images go. Each scope has its own address, and nothing is reused across scopes.",
			shape: registryShape, set: func(s *settings, v value) {
				r := v.record.(registrySettings)
				s.model.Registry, s.prefixes = r.Registry, v.pairs
			}},
		{key: "images", doc: "Folders that hold images, and how the images are named.",
			defWords: "every folder of `images/`, named like the folder",
			shape:    list{of: rootShape, nonzero: true}, set: func(s *settings, v value) {
				for _, i := range v.items {
					r, _ := i.record.(model.Root)
					s.roots = append(s.roots, root{Root: r, pos: i.pos})
				}
			}},
		{key: "references", doc: "Which folders the references in Dockerfiles mean, where `repositories` cannot say it. The first whose `match` fits is taken.",
			shape: list{of: referenceShape}, set: func(s *settings, v value) {
				for _, i := range v.items {
					r, _ := i.record.(model.Reference)
					s.model.References = append(s.model.References, r)
					s.references = append(s.references, i)
				}
			}},
		{key: "detect", doc: "Which files of an image count as its input: `exact`, those that an instruction can read; `folder`, every file of the image's folder but README*, *.md, LICENSE* and docs/**, which count when an instruction names them.", def: model.DetectExact,
			shape: text{enum: []string{model.DetectExact, model.DetectFolder}},
			set:   func(s *settings, v value) { s.model.Detect = v.text }},
		{key: "syntax", doc: "What `# syntax=` in a Dockerfile is: `locked`, an outside base that `images.lock` holds; `builtin`, the frontend inside BuildKit, whatever the file says.", def: model.SyntaxLocked,
			shape: text{enum: []string{model.SyntaxBuiltin, model.SyntaxLocked}},
			set:   func(s *settings, v value) { s.model.Syntax = v.text }},
		{key: "repositories", doc: "Prefixes under which a reference in a Dockerfile means an image of this fleet. An empty one stands for bare names such as `FROM python`. The tag says which image of a name is meant; none, and `latest`, mean the tag `latest` or the only one; a tag that no image has is one from outside. Below roots without a pattern a folder's path, or its last part if it is the only one, is a name, too.",
			defWords: "bare names and the scopes' addresses",
			shape:    list{of: emptyPrefix, unique: true}, set: func(s *settings, v value) { s.model.Repositories, s.hasRepos = v.texts(), true }},
		{key: "args", doc: "Values for build arguments that stand in a FROM and have no default.",
			shape: dict{keys: argumentName, of: longText}, set: func(s *settings, v value) { s.model.Args = v.textMap() }},
		{key: "release", doc: "What a release is.",
			shape: releaseShape, set: func(s *settings, v value) { s.model.ReleaseTags = v.record.(releaseSettings).tags }},
		{key: "default_branch", doc: "Branch whose pushes build and publish to testing.", def: "main",
			shape: branchName, set: func(s *settings, v value) { s.model.DefaultBranch = v.text }},
		{key: "channels", doc: "Where the channel documents are kept.",
			shape: channelsShape, set: func(s *settings, v value) {
				c := v.record.(channelSettings)
				s.model.ChannelBranch, s.model.Channels, s.channels = c.branch, c.Channels, v.pairs
			}},
		{key: "forges", doc: "Forges that pipelines are generated for.", def: []string{"github", "gitlab"},
			shape: list{of: text{enum: []string{"github", "gitlab"}}, unique: true, nonzero: true},
			set:   func(s *settings, v value) { s.model.Forges = slices.Sorted(slices.Values(v.texts())) }},
		runnersField, spotField,
		layoutField,
		triggersField, forkField, publishField, updatesField,
		runtimeField, programsField, networkField, identityField,
		signField, trustField,
		githubField, gitlabField, templatesField, jobsField,
	},
}

var emptyPrefix = func() text { t := registryPrefix; t.empty = true; return t }()

type registrySettings struct{ model.Registry }

var registryShape = record[registrySettings]{name: "registry", fields: []field[registrySettings]{
	{key: "pr", doc: "Address below which pull and merge requests push.", shape: registryPrefix,
		set: func(r *registrySettings, v value) { r.PR = v.text }},
	{key: "testing", doc: "Address below which the default branch pushes.", shape: registryPrefix,
		set: func(r *registrySettings, v value) { r.Testing = v.text }},
	{key: "prod", doc: "Address below which releases are published.", shape: registryPrefix,
		set: func(r *registrySettings, v value) { r.Prod = v.text }},
	{key: "bootstrap", doc: "Take the answers 401 and 403 as \"missing\" for a repository that was never pushed to.", def: false,
		shape: boolean{}, set: func(r *registrySettings, v value) { r.Bootstrap = v.flag }},
}}

var rootShape = record[model.Root]{name: "images", fields: []field[model.Root]{
	{key: "root", doc: "Folder, from the folder of this file; `.` is that folder itself. A `/` at the beginning stands for the root of the repository.", required: true, remedy: `write "root: images"`,
		shape: rootedPath, set: func(r *model.Root, v value) { r.Root = v.text }},
	{key: "pattern", doc: "Which folders below the root are images: `{name}`, `{tag}` and `{variant}` stand for what they are called, `*` for any folder, `**` for any number of them. `{name}-{tag}` splits the name of one folder.",
		defWords: "every folder below the root that has a build file, each build file an image of its own, named by its path with `-` for `/`",
		shape:    folderPattern, set: func(r *model.Root, v value) { r.Pattern = v.text }},
	{key: "dockerfiles", doc: "Names of the build files in an image's folder, with `*`, `{name}`, `{tag}` and `{variant}`: `Dockerfile.{variant}` makes each such file a variant of the image.",
		defWords: "`Dockerfile`, else `Containerfile`",
		shape:    list{of: buildFileGlob, scalar: true, unique: true, nonzero: true}, set: func(r *model.Root, v value) { r.Dockerfiles = v.texts() }},
	{key: "exclude", doc: "Folders, relative to the root, that are not images; `*` stands for any name, `**` for any path.",
		shape: list{of: treePath, unique: true}, set: func(r *model.Root, v value) { r.Exclude = v.texts() }},
}}

type releaseSettings struct{ tags string }

var releaseShape = record[releaseSettings]{name: "release", fields: []field[releaseSettings]{
	{key: "tags", doc: "Git tags that release, with single `*`.", def: defaultReleaseTags,
		shape: tagGlob, set: func(r *releaseSettings, v value) { r.tags = v.text }},
}}

type channelSettings struct {
	model.Channels
	branch string
}

var channelsShape = record[channelSettings]{name: "channels", fields: []field[channelSettings]{
	{key: "branch", doc: "Git branch that holds `manifest.testing.json` and `manifest.json`.", def: defaultChannelBranch,
		shape: branchName, set: func(c *channelSettings, v value) { c.branch = v.text }},
	{key: "store", doc: "Where pipelines keep them: `git`, the branch; `s3://BUCKET/PREFIX`; `gs://BUCKET/PREFIX`; or `file:FOLDER` on a machine that all jobs share. Every version is kept in each of them.", def: "git",
		shape: text{name: "a store", check: model.CheckStore, max: 700}, set: func(c *channelSettings, v value) { c.Store = v.text }},
	{key: "promotion", doc: "How prod changes: `environment`, a job promotes behind an environment that asks for approval; `request`, a pull or merge request edits `manifest.json` on the branch, and merging it promotes.", def: model.PromotionEnvironment,
		shape: text{enum: []string{model.PromotionEnvironment, model.PromotionRequest}}, set: func(c *channelSettings, v value) { c.Promotion = v.text }},
}}

const (
	defaultReleaseTags   = "v*"
	defaultBranch        = "main"
	defaultChannelBranch = "rootfsgen/channels"
)

// parseSettings reads rootfsgen.yaml; content is nil where there is none. dir
// is the fleet's folder, from which its paths begin.
func parseSettings(file, dir string, content []byte, list *diag.List) settings {
	var s settings
	if content != nil {
		f, node, ok := openFile(file, content, maxFile, list)
		if ok && node == nil {
			f.errorf(RuleMissingKey, diag.Pos{}, "begin it with \"version: 1\", or remove the file", "the file is empty")
		}
		if ok && node != nil {
			if node, ok = f.resolve(node); ok {
				v, _ := settingsFile.read(f, settingsFile.name, node)
				s, _ = v.record.(settings)
				s.rootsBad = slices.ContainsFunc(v.pairs, func(p pair) bool { return p.key == "images" && p.bad })
				f.checkScopes(s.prefixes)
				f.checkChannels(&s)
				f.checkRoots(&s)
				f.checkReferences(s.references)
				f.checkPrograms(&s)
				f.checkLogins(&s)
				f.checkJobs(&s)
				f.checkRunners(&s)
				f.checkSigning(&s)
			}
		}
	}
	s.applyDefaults()
	s.from(dir)
	return s
}

// from makes all paths begin at the root of the tree.
func (s *settings) from(dir string) {
	s.model.Dir = dir
	if s.model.Templates != "" {
		s.model.Templates = inTree(dir, s.model.Templates)
	}
	if s.model.Network.CA != "" {
		s.model.Network.CA = inTree(dir, s.model.Network.CA)
	}
	if s.model.Trust.Root != "" {
		s.model.Trust.Root = inTree(dir, s.model.Trust.Root)
	}
	for _, signers := range [][]model.Signer{s.model.Trust.Signers, s.model.Trust.Builders} {
		for i, one := range signers {
			if one.Key != "" && !strings.Contains(one.Key, "://") {
				signers[i].Key = inTree(dir, one.Key)
			}
		}
	}
	for i := range s.roots {
		s.roots[i].Root.Root = inTree(dir, s.roots[i].Root.Root)
		s.model.Roots[i].Root = s.roots[i].Root.Root
	}
	for i := range s.model.References {
		for n, folder := range s.model.References[i].Folders {
			s.model.References[i].Folders[n] = inTree(dir, folder)
		}
	}
}

// inTree is a path as people write it, from the fleet's folder or, with a
// slash at the beginning, from the root of the repository, as a path from
// there.
func inTree(dir, p string) string {
	if rest, rooted := strings.CutPrefix(p, "/"); rooted {
		return cleanPath(rest)
	}
	return path.Join(dir, cleanPath(p))
}

// checkRoots refuses a pattern that names nothing, or names it twice.
func (f *file) checkRoots(s *settings) {
	for _, r := range s.roots {
		for _, p := range placeholders {
			inFiles := 0
			for _, d := range r.Dockerfiles {
				if strings.Contains(d, "{"+p+"}") {
					inFiles++
				}
			}
			inPattern := strings.Contains(r.Pattern, "{"+p+"}")
			switch {
			case inPattern && inFiles > 0:
				f.errorf(RuleNoEffect, r.pos, "leave it in one of them", "{%s} stands in pattern and in dockerfiles", p)
				s.rootsBad = true
			case p == placeName && r.Pattern != "" && !inPattern && inFiles < max(1, len(r.Dockerfiles)):
				f.errorf(RuleNoName, r.pos, "put {name} into it, for example {name}/{tag}", "the pattern %q gives no image a name", r.Pattern)
				s.rootsBad = true
			}
		}
	}
}

// checkScopes refuses two scopes at one address: reuse must not cross them.
func (f *file) checkScopes(scopes []pair) {
	for i, p := range scopes {
		for _, o := range scopes[:i] {
			if p.value.text != "" && p.value.text == o.value.text {
				f.errorf(RuleSharedScope, p.value.pos, "give each scope its own address",
					"scopes %s and %s have the same address: nothing may be reused across scopes", o.key, p.key)
			}
		}
	}
}

// checkChannels refuses to keep the channels on the branch that people work on:
// every document would be a push to it, past its protection, and start another
// pipeline.
func (f *file) checkChannels(s *settings) {
	for _, p := range s.channels {
		if p.key == "promotion" && s.model.Channels.ByRequest() && s.model.Channels.Store != "" && s.model.Channels.Store != "git" {
			f.errorf(RuleNoEffect, p.value.pos, "leave store out, so that the documents lie on a branch",
				"nobody can request a change of what lies in %s", s.model.Channels.Store)
		}
		if p.key == "branch" && p.value.text != "" && p.value.text == orDefault(s.model.DefaultBranch, defaultBranch) {
			f.errorf(RuleChannelBranch, p.value.pos, "leave it out, or name a branch of its own, such as "+defaultChannelBranch,
				"the channels cannot be kept on the default branch %q", p.value.text)
		}
	}
}

func (s *settings) applyDefaults() {
	m := &s.model
	if len(s.roots) == 0 {
		s.roots = []root{{Root: model.Root{Root: defaultRoot, Pattern: defaultPattern}}}
	}
	m.Roots = nil
	for _, r := range s.roots {
		m.Roots = append(m.Roots, r.Root)
	}
	if !s.hasRepos {
		m.Repositories = []string{""}
		for _, p := range []string{m.Registry.PR, m.Registry.Testing, m.Registry.Prod} {
			if p != "" && !slices.Contains(m.Repositories, p) {
				m.Repositories = append(m.Repositories, p)
			}
		}
	}
	m.ReleaseTags = orDefault(m.ReleaseTags, defaultReleaseTags)
	m.DefaultBranch = orDefault(m.DefaultBranch, defaultBranch)
	m.ChannelBranch = orDefault(m.ChannelBranch, defaultChannelBranch)
	m.Triggers, m.Fork = s.triggers.triggers(), s.fork.fork()
	s.defaultPrograms()
	s.defaultSigning()
	m.Layout = orDefault(m.Layout, model.LayoutAuto)
	m.Detect = orDefault(m.Detect, model.DetectExact)
	m.Syntax = orDefault(m.Syntax, model.SyntaxLocked)
	if len(m.Forges) == 0 {
		m.Forges = []string{"github", "gitlab"}
	}
	m.Runners = s.classes()
	m.Spot.Attempts = cmp.Or(m.Spot.Attempts, model.DefaultSpotAttempts)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// cleanPath drops "." parts from a checked path; what is left of "./" is ".".
func cleanPath(s string) string {
	var parts []string
	for part := range strings.SplitSeq(s, "/") {
		if part != "." && part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "."
	}
	return strings.Join(parts, "/")
}
