// Package proposal works out how a repository that is full of Dockerfiles can
// begin: which folders are images, how they are called, and what the references
// between them mean. It looks at the tree alone, proposes the settings under
// which the most references find an image, and says what it left out.
package proposal

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// Proposal is how a repository could begin.
type Proposal struct {
	Files      map[string][]byte // to be written, by path from the root
	Images     []model.Image     // what was understood, with those files in place, sorted
	Edges      int               // how often one image is built from another
	Prefixes   []string          // what begins a reference to one of ours; "" is bare names
	References []model.Reference // rules that say what the prefixes cannot
	Arguments  []Argument        // of FROMs, without a value, sorted by name
	Strangers  []Stranger        // references that look like ours and mean none of them, sorted
	LeftOut    []LeftOut         // build files that are no images, sorted by path
	Problems   diag.List         // what the first validation will say
}

// Argument is one that a FROM needs and has no default.
type Argument struct {
	Name  string   `json:"name"`
	Value string   `json:"value"` // what is proposed
	Given bool     `json:"given"` // a value is proposed
	In    []string `json:"in"`    // build files, sorted
}

// Stranger is a reference that looks like one of ours.
type Stranger struct {
	Reference string `json:"reference"`
	In        string `json:"in"` // the first build file that has it
	Why       string `json:"why"`
}

// LeftOut is a build file that the proposal makes no image of.
type LeftOut struct {
	Path string `json:"path"`
	Why  string `json:"why"`
}

// draft is what is being worked out.
type draft struct {
	survey *survey
	model.Settings
	listed   bool              // the roots are not the default
	official []string          // bare names that are left to the outside although a folder has them
	left     map[string]string // path -> why
}

// rounds is how often what is wrong is left out before what remains is
// reported.
const rounds = 8

// Make proposes settings for a tree; for one without images a first image too.
func Make(ctx context.Context, tree model.Tree) (*Proposal, error) {
	s, err := look(ctx, tree)
	if err != nil {
		return nil, err
	}
	d := &draft{survey: s, left: s.left}
	p := &Proposal{Files: map[string][]byte{}}
	if len(s.sites) == 0 {
		d.Roots = []model.Root{{Root: defaultRoot, Pattern: defaultPattern}}
		if !s.hasFolder(defaultRoot) {
			p.Files = hello()
		}
	} else {
		d.propose()
		d.arguments()
	}
	for round := 0; ; round++ {
		if err := d.rules(ctx); err != nil {
			return nil, err
		}
		p.Files[source.DefaultConfig] = d.settings()
		done, err := d.try(ctx, p)
		if err != nil {
			return nil, err
		}
		if done || round == rounds {
			break
		}
	}
	d.report(p)
	return p, nil
}

// load reads the fleet as the draft has it.
func (d *draft) load(ctx context.Context, files map[string][]byte) (*model.Fleet, diag.List, model.Tree, error) {
	tree := withFiles{d.survey.tree, files}
	fleet, list, err := source.Load(ctx, tree, source.Options{})
	return fleet, list, tree, err
}

// try makes the graph of the proposal, and leaves out what cannot be in one. It
// is true when nothing is left to be done.
func (d *draft) try(ctx context.Context, p *Proposal) (bool, error) {
	fleet, list, tree, err := d.load(ctx, p.Files)
	if err != nil {
		return false, fmt.Errorf("loading what is proposed: %w", err)
	}
	g, more, err := graph.Build(ctx, fleet, tree, graph.Options{})
	if err != nil {
		return false, fmt.Errorf("connecting what is proposed: %w", err)
	}
	p.Images, p.Edges = fleet.Images, edges(g)
	p.Problems = append(list, more...).Sorted()
	changed := false
	for _, diagnostic := range p.Problems {
		if diagnostic.Severity == diag.Error && d.leaveOut(diagnostic) {
			changed = true
		}
	}
	return !changed, nil
}

// Problems are what the first validation says of a tree.
func Problems(ctx context.Context, tree model.Tree) (diag.List, error) {
	fleet, list, err := source.Load(ctx, tree, source.Options{})
	if err != nil {
		return nil, fmt.Errorf("loading what was proposed: %w", err)
	}
	_, more, err := graph.Build(ctx, fleet, tree, graph.Options{})
	if err != nil {
		return nil, fmt.Errorf("connecting what was proposed: %w", err)
	}
	return append(list, more...).Sorted(), nil
}

// edges counts the pairs of nodes of which one is built from the other.
func edges(g *graph.Graph) int {
	seen := map[[2]model.TargetID]bool{}
	for _, id := range g.Targets() {
		n, _ := g.Node(id)
		for _, e := range n.Parents {
			seen[[2]model.TargetID{id.AllPlatforms(), e.To.AllPlatforms()}] = true
		}
	}
	return len(seen)
}

// leaveOut takes the folder that a diagnostic is about out of the proposal.
func (d *draft) leaveOut(p diag.Diagnostic) bool {
	file := p.Pos.File
	if _, done := d.left[file]; done || file == source.DefaultConfig || path.Base(file) == "image.yaml" {
		return false
	}
	dir := path.Dir(file)
	if d.survey.hasFolder(file) {
		dir = file
	} else if _, found := d.survey.tree.Lookup(file); !found {
		return false
	}
	if d.without(dir) {
		d.left[file] = fmt.Sprintf("%s [%s]", p.Message, p.Rule)
		return true
	}
	return false
}

// without excludes a folder from the roots that have it.
func (d *draft) without(dir string) bool {
	changed := false
	for i := range d.Roots {
		r := &d.Roots[i]
		rel, below := model.Relative(r.Root, dir)
		if !below || slices.Contains(r.Exclude, rel) {
			continue
		}
		r.Exclude = append(r.Exclude, rel)
		slices.Sort(r.Exclude)
		d.listed, changed = true, true
	}
	return changed
}

// report fills in what is said to the person.
func (d *draft) report(p *Proposal) {
	p.Prefixes, p.References = d.Repositories, d.References
	if !d.ownRepositories() {
		p.Prefixes = []string{""}
	}
	missing := map[string][]string{}
	for _, s := range d.survey.sites {
		for _, name := range s.unset {
			missing[name] = append(missing[name], s.path)
		}
	}
	for _, name := range sortedKeys(missing) {
		value, given := d.Args[name]
		p.Arguments = append(p.Arguments, Argument{Name: name, Value: value, Given: given, In: missing[name]})
	}
	for _, file := range sortedKeys(d.left) {
		p.LeftOut = append(p.LeftOut, LeftOut{Path: file, Why: d.left[file]})
	}
	p.Strangers = d.strangers(p)
}

// strangers are the references below our prefixes that mean no image.
func (d *draft) strangers(p *Proposal) []Stranger {
	tree := withFiles{d.survey.tree, p.Files}
	meant := graph.Meanings(&model.Fleet{Settings: p.settings(d), Images: p.Images, Aliases: d.survey.aliases}, tree)
	var out []Stranger
	for _, r := range d.survey.references() {
		m := meant(r.name)
		switch why := orWords(m.Unknown, m.Note); {
		case m.Image != nil || strings.Contains(r.name, "@"):
		case strings.HasSuffix(why, "names no folder"):
			out = append(out, Stranger{Reference: r.name, In: r.in[0].path, Why: "no image is called so: a rule takes it for one from outside"})
		case why != "":
			out = append(out, Stranger{Reference: r.name, In: r.in[0].path, Why: why})
		case slices.Contains(d.official, r.last()):
			out = append(out, Stranger{Reference: r.name, In: r.in[0].path, Why: "it is taken for the well-known image, though a folder of this repository is called so"})
		}
	}
	return out
}

func (p *Proposal) settings(d *draft) model.Settings {
	s := d.Settings
	s.Repositories = p.Prefixes
	return s
}

func orWords(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
