package gencmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/proposal"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

func buildFile(i *model.Image) string {
	if i.Builder == model.BuilderDebian {
		return "(debian packages)"
	}
	return i.Dockerfile
}

// printProposal says what was understood, before anybody outside is asked.
func printProposal(a *app.App, b *begun) error {
	p := b.Proposal
	for _, name := range b.written {
		fmt.Fprintln(a.Err, "wrote", name)
	}
	table := term.NewTable("IMAGE", "REPOSITORY", "BUILT FROM")
	tags := map[string]int{}
	for i := range p.Images {
		tags[p.Images[i].ID]++
	}
	for i := range p.Images {
		name := p.Images[i].ID
		if tags[name] > 1 {
			name = p.Images[i].Node().Node()
		}
		table.Row(name, p.Images[i].ImageName, buildFile(&p.Images[i]))
	}
	if err := table.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	fmt.Fprintln(a.Err, understood(p))
	printNotUnderstood(a, p)
	return nil
}

// wide is how long a command is beside which its reason still stands.
const wide = 36

// printLeft says what is wrong with what is there now, and what leads from it
// to pipelines that can run.
func printLeft(a *app.App, b *begun) {
	if problems := fewer(a, b.Problems); len(problems) > 0 {
		a.PrintDiagnostics(problems)
	}
	fmt.Fprintln(a.Err, "next:")
	fmt.Fprintln(a.Err, "  set registry in rootfsgen.yaml: without it pipelines are green and publish nothing")
	width := 0
	for _, s := range b.left {
		if len(s.Run) <= wide {
			width = max(width, len(s.Run))
		}
	}
	for _, s := range b.left {
		if len(s.Run) > wide {
			fmt.Fprintf(a.Err, "  %s\n  %*s   %s\n", s.Run, width, "", s.Why)
			continue
		}
		fmt.Fprintf(a.Err, "  %-*s   %s\n", width, s.Run, s.Why)
	}
}

// understood says in a line what the proposal amounts to.
func understood(p *proposal.Proposal) string {
	var means []string
	for _, prefix := range p.Prefixes {
		if prefix == "" {
			means = append(means, "a bare name")
			continue
		}
		means = append(means, prefix+"/...")
	}
	for _, r := range p.References {
		if len(r.Folders) > 0 {
			means = append(means, r.Match)
		}
	}
	s := fmt.Sprintf("%d image%s, %d edge%s between them", len(p.Images), plural(len(p.Images)), p.Edges, plural(p.Edges))
	if len(means) == 0 {
		return s + "; no reference means an image of this repository"
	}
	return s + "; one of ours is meant by: " + strings.Join(means, ", ")
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// printNotUnderstood prints what a person should look at, each kind up to some
// lines.
func printNotUnderstood(a *app.App, p *proposal.Proposal) {
	most := 20
	if a.Verbose {
		most = math.MaxInt
	}
	section := func(title string, n int, line func(int) string) {
		if n == 0 {
			return
		}
		fmt.Fprintln(a.Err, title)
		for i := range min(n, most) {
			fmt.Fprintln(a.Err, "  "+line(i))
		}
		if n > most {
			fmt.Fprintf(a.Err, "  and %d more (-v lists all)\n", n-most)
		}
	}
	section("arguments of FROMs without a value:", len(p.Arguments), func(i int) string {
		g := p.Arguments[i]
		if !g.Given {
			return fmt.Sprintf("%s in %s: give it one under args", g.Name, some(g.In))
		}
		return fmt.Sprintf("%s in %s: %q was written under args", g.Name, some(g.In), g.Value)
	})
	section("references that look like ours and mean none of the images:", len(p.Strangers), func(i int) string {
		s := p.Strangers[i]
		return fmt.Sprintf("%s in %s: %s", s.Reference, s.In, s.Why)
	})
	section("not taken for images:", len(p.LeftOut), func(i int) string { return p.LeftOut[i].Path + ": " + p.LeftOut[i].Why })
}

// fewer leaves out warnings of a kind of which there are many: a repository that
// was never planned has one for each base that is not locked.
func fewer(a *app.App, all diag.List) diag.List {
	const most = 3
	count := map[string]int{}
	var out diag.List
	for _, d := range all {
		if count[d.Rule]++; d.Severity == diag.Error || a.Verbose || count[d.Rule] <= most {
			out = append(out, d)
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(count)) {
		if n := count[rule] - most; n > 0 && len(out) < len(all) {
			fmt.Fprintf(a.Err, "%d more of the kind %s (-v lists all, and so does rootfsgen validate)\n", n, rule)
		}
	}
	return out
}

// some are the first of several files.
func some(files []string) string {
	if len(files) == 1 {
		return files[0]
	}
	return fmt.Sprintf("%s and %d more", files[0], len(files)-1)
}

func printProposalJSON(a *app.App, b *begun) error {
	p := b.Proposal
	type image struct {
		ID         string `json:"id"`
		Tag        string `json:"tag"`
		Variant    string `json:"variant,omitempty"`
		Dir        string `json:"dir"`
		Repository string `json:"repository"`
		Builder    string `json:"builder"`
		Dockerfile string `json:"dockerfile,omitempty"`
	}
	type rule struct {
		Match  string   `json:"match"`
		Folder []string `json:"folder"`
	}
	out := struct {
		Written    []string            `json:"written"`
		Images     []image             `json:"images"`
		Edges      int                 `json:"edges"`
		Prefixes   []string            `json:"prefixes"`
		References []rule              `json:"references"`
		Arguments  []proposal.Argument `json:"arguments"`
		Strangers  []proposal.Stranger `json:"strangers"`
		LeftOut    []proposal.LeftOut  `json:"left_out"`
		Problems   diag.List           `json:"problems"`
		Programs   string              `json:"programs"` // the release that is pinned
		Next       []step              `json:"next"`
	}{
		Written: b.written, Images: []image{}, Edges: p.Edges, Prefixes: append([]string{}, p.Prefixes...), References: []rule{},
		Arguments: append([]proposal.Argument{}, p.Arguments...), Strangers: append([]proposal.Stranger{}, p.Strangers...),
		LeftOut: append([]proposal.LeftOut{}, p.LeftOut...), Problems: append(diag.List{}, p.Problems...),
		Programs: b.programs, Next: b.left,
	}
	for _, i := range p.Images {
		n := i.Node()
		out.Images = append(out.Images, image{ID: n.Image, Tag: n.Tag, Variant: n.Variant, Dir: i.Dir, Repository: i.ImageName, Builder: i.Builder, Dockerfile: i.Dockerfile})
	}
	for _, r := range p.References {
		out.References = append(out.References, rule{r.Match, append([]string{}, r.Folders...)})
	}
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
