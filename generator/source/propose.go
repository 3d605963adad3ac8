package source

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Proposal is how a repository could begin.
type Proposal struct {
	Files    map[string][]byte // to be written, by path from the root
	Images   []model.Image     // what was understood, with those files in place, sorted by id
	LeftOut  []LeftOut         // what was not, sorted by path
	Problems diag.List         // what the first validation will say
}

// LeftOut is a build file that the proposal makes no image of.
type LeftOut struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// noise are folders that hold other people's build files, or examples.
var noise = []string{"node_modules", "third_party", "testdata", "vendor"}

// Init proposes rootfsgen.yaml for a tree that may be full of Dockerfiles
// already; for an empty one a first image too.
func Init(ctx context.Context, tree model.Tree) (*Proposal, error) {
	f := listFolders(tree, nil)
	p := &Proposal{Files: map[string][]byte{}}
	dirs := p.candidates(f)
	root, listed := proposeRoot(f, dirs)
	if len(dirs) == 0 {
		root = model.Root{Root: defaultRoot, Pattern: defaultPattern}
		listed = false
		if !f.has(defaultRoot) {
			p.addHello()
		}
	}
	for _, l := range p.LeftOut {
		if rel, below := relative(root.Root, path.Dir(l.Path)); below && root.Pattern == "" {
			root.Exclude = append(root.Exclude, rel)
			listed = true
		}
	}
	slices.Sort(root.Exclude)
	root.Exclude = slices.Compact(root.Exclude)
	p.Files[DefaultConfig] = firstSettings(root, listed)
	fleet, problems, err := Load(ctx, withFiles{tree, p.Files}, Options{})
	if err != nil {
		return nil, err
	}
	p.Images, p.Problems = fleet.Images, problems
	return p, nil
}

// candidates lists the folders that look like images, and leaves out those
// that cannot be meant.
func (p *Proposal) candidates(f folders) []string {
	var out []string
	for _, dir := range sortedKeys(f.files) {
		builds := f.buildFiles(dir)
		described := slices.Contains(f.files[dir], imageFileName)
		if len(builds) == 0 && !described || hidden(strings.Split(dir, "/")) {
			continue
		}
		why := ""
		switch {
		case dir == "." && !described:
			why = "a build file in the root of the repository has no name: give it one with id in " + imageFileName
		case slices.ContainsFunc(strings.Split(dir, "/"), func(s string) bool { return slices.Contains(noise, s) }):
			why = "folders called " + strings.Join(noise, ", ") + " are not taken for images"
		case !described && !usualName(builds[0]) && len(builds) > 1:
			why = "the folder has several build files: choose one with dockerfile in " + path.Join(dir, imageFileName)
		case !described && model.CheckImageName(model.Slug(dir)) != nil && model.CheckImageName(path.Base(dir)) != nil:
			why = "the folder's name cannot be an image's: give it one with id in " + path.Join(dir, imageFileName)
		}
		if why == "" {
			out = append(out, dir)
			continue
		}
		at := dir
		if len(builds) > 0 {
			at = path.Join(dir, builds[0])
		}
		p.LeftOut = append(p.LeftOut, LeftOut{Path: at, Why: why})
	}
	return out
}

// proposeRoot finds the rule that fits all folders; listed is false when it is
// the default, which need not be written.
func proposeRoot(f folders, dirs []string) (r model.Root, listed bool) {
	if len(dirs) == 0 {
		return model.Root{}, false
	}
	parent := path.Dir(dirs[0])
	flat := true
	for _, d := range dirs {
		for d != parent && parent != "." && !strings.HasPrefix(d, parent+"/") {
			parent = path.Dir(parent)
		}
	}
	for _, d := range dirs {
		flat = flat && path.Dir(d) == parent && d != "."
	}
	r = model.Root{Root: parent}
	if !flat || parent == "." {
		return r, true
	}
	r.Pattern = defaultPattern
	for dir := range f.files {
		if dir != "." && path.Dir(dir) == parent && !hidden(strings.Split(dir, "/")) && !slices.Contains(dirs, dir) {
			r.Exclude = append(r.Exclude, path.Base(dir))
		}
	}
	slices.Sort(r.Exclude)
	return r, parent != defaultRoot || len(r.Exclude) > 0
}

// firstSettings is the rootfsgen.yaml that is written: what was found, and the
// essentials as comments that become true when the "# " is removed.
func firstSettings(r model.Root, listed bool) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# yaml-language-server: $schema=%srootfsgen.json\n", schemaBase)
	b.WriteString("version: 1\n\n")
	mark := "# "
	if listed {
		mark = ""
		b.WriteString("# Which folders are images, and how they are named.\n")
	} else {
		b.WriteString("# Which folders are images, and how they are named. This is the default.\n")
	}
	fmt.Fprintf(&b, "%simages:\n%s  - root: %s\n", mark, mark, scalar(r.Root))
	if r.Pattern != "" {
		fmt.Fprintf(&b, "%s    pattern: %s\n", mark, quoted(r.Pattern))
	}
	if len(r.Exclude) > 0 {
		fmt.Fprintf(&b, "%s    exclude:\n", mark)
		for _, e := range r.Exclude {
			fmt.Fprintf(&b, "%s      - %s\n", mark, quoted(e))
		}
	}
	b.WriteString(`
# Where images go: requests, the default branch and releases each have their
# own address, and nothing is reused across them.
# registry:
#   pr: registry.example.com/team/pr
#   testing: registry.example.com/team/testing
#   prod: registry.example.com/team/prod

# The branch that is built, the tags that release, and the forges that
# pipelines are generated for.
# default_branch: main
# release:
#   tags: "v*"
# forges: [github, gitlab]

# Machines, by class: labels for GitHub, tags for GitLab.
# runners:
#   spot-amd64:
#     github: [self-hosted, linux, x64, spot]
#     gitlab: [linux, amd64, spot]
#   spot-arm64:
#     github: [self-hosted, linux, arm64, spot]
#     gitlab: [linux, arm64, spot]
`)
	return []byte(b.String())
}

// addHello proposes a first image that needs nothing from outside.
func (p *Proposal) addHello() {
	p.Files["images/hello/image.yaml"] = []byte("# yaml-language-server: $schema=" + schemaBase + `image.json
label: Hello
component_version: "1"
description: A first image, one file on nothing.
`)
	p.Files["images/hello/Dockerfile"] = []byte("FROM scratch\nCOPY greeting.txt /greeting.txt\n")
	p.Files["images/hello/greeting.txt"] = []byte("Hello from your first image.\n")
}

// withFiles is a tree with further files.
type withFiles struct {
	model.Tree
	files map[string][]byte
}

// Entries lists the files of both.
func (t withFiles) Entries() []model.TreeEntry {
	out := slices.DeleteFunc(slices.Clone(t.Tree.Entries()), func(e model.TreeEntry) bool { _, ours := t.files[e.Path]; return ours })
	for p := range t.files {
		out = append(out, model.TreeEntry{Path: p, Mode: model.ModeFile})
	}
	slices.SortFunc(out, func(a, b model.TreeEntry) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Lookup finds a file of either.
func (t withFiles) Lookup(p string) (model.TreeEntry, bool) {
	if _, ours := t.files[p]; ours {
		return model.TreeEntry{Path: p, Mode: model.ModeFile}, true
	}
	return t.Tree.Lookup(p)
}

// Read returns the content of a file of either.
func (t withFiles) Read(ctx context.Context, p string) ([]byte, error) {
	if b, ours := t.files[p]; ours {
		return b, nil
	}
	if _, found := t.Tree.Lookup(p); !found {
		return nil, fmt.Errorf("reading %s: %w", p, fs.ErrNotExist)
	}
	return t.Tree.Read(ctx, p)
}
