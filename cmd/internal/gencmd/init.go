package gencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/proposal"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// initCommand writes the first rootfsgen.yaml.
func initCommand(a *app.App) *cobra.Command {
	var withPolicy bool
	cmd := &cobra.Command{
		Use: "init", Short: "Write rootfsgen.yaml for the images that are there",
		Long: `Write rootfsgen.yaml for the images that are there: which folders are images, how they are called, and what the
references between their Dockerfiles mean, as far as the tree says it. What was understood is printed, and what was
not: build files that were left out, arguments of FROMs without a value, references that look like an image of this
repository and are none. In a repository without images a first one is written too. What is there is never
overwritten.

With --scan-policy scan-policy.yaml is written, too, with the default that holds without it. Where rootfsgen.yaml is
there already, it is all that is written.`,
		Example: "  rootfsgen init\n  rootfsgen init -C ../fleet --json\n  rootfsgen init --scan-policy",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runInit(cmd.Context(), a, withPolicy) },
	}
	cmd.Flags().BoolVar(&withPolicy, "scan-policy", false, "write scan-policy.yaml, too: what blocks a promotion")
	return cmd
}

func runInit(ctx context.Context, a *app.App, withPolicy bool) (err error) {
	if a.Config != "" && a.Config != source.DefaultConfig {
		return app.Fail(app.ExitUsage, fmt.Errorf("init writes %s in the root of the repository: leave out --config", source.DefaultConfig))
	}
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	if _, err := os.Lstat(filepath.Join(repo.Root(), source.DefaultConfig)); err == nil {
		if withPolicy {
			return initPolicy(a, repo.Root())
		}
		return fmt.Errorf("%s is there already: `rootfsgen validate` checks it", source.DefaultConfig)
	}
	_, tree, err := repo.Worktree(ctx)
	if err != nil {
		return err
	}
	p, err := proposal.Make(ctx, tree)
	if err != nil {
		return fmt.Errorf("looking for images: %w", err)
	}
	if withPolicy {
		p.Files[policy.File] = policy.First()
	}
	written, err := writeNew(repo.Root(), p.Files)
	if err != nil {
		return err
	}
	if a.JSON {
		return printProposalJSON(a, p, written)
	}
	return printProposal(a, p, written)
}

// initPolicy writes the policy alone.
func initPolicy(a *app.App, root string) error {
	written, err := writeNew(root, map[string][]byte{policy.File: policy.First()})
	if err != nil {
		return err
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"written": written})
	}
	fmt.Fprintln(a.Err, "wrote", policy.File)
	return nil
}

// writeNew writes files that must not be there yet; it returns their paths.
func writeNew(root string, files map[string][]byte) ([]string, error) {
	written := slices.Sorted(maps.Keys(files))
	for _, name := range written {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			why := ", though git ignores it: move it away"
			if name == policy.File {
				why = ": `rootfsgen validate` checks it"
			}
			return nil, fmt.Errorf("%s is there already%s", name, why)
		}
		if err != nil {
			return nil, err
		}
		_, err = f.Write(files[name])
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return written, nil
}

func buildFile(i *model.Image) string {
	if i.Builder == model.BuilderDebian {
		return "(debian packages)"
	}
	return i.Dockerfile
}

// next leads from a proposal to pipelines that can run.
const next = `next:
  set registry in rootfsgen.yaml: without it pipelines are green and publish nothing
  rootfsgen lock       writes images.lock: CI refuses outside images that are not in it
  rootfsgen generate   writes the pipelines
  rootfsgen doctor     says what is missing, and what mends it
  rootfsgen init --scan-policy   writes what is asked of findings: pipelines ask it anyway, then a desk does, too
`

func printProposal(a *app.App, p *proposal.Proposal, written []string) error {
	for _, name := range written {
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
	if problems := fewer(a, p.Problems); len(problems) > 0 {
		a.PrintDiagnostics(problems)
	}
	fmt.Fprint(a.Err, next)
	return nil
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

func printProposalJSON(a *app.App, p *proposal.Proposal, written []string) error {
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
	}{
		Written: written, Images: []image{}, Edges: p.Edges, Prefixes: append([]string{}, p.Prefixes...), References: []rule{},
		Arguments: append([]proposal.Argument{}, p.Arguments...), Strangers: append([]proposal.Stranger{}, p.Strangers...),
		LeftOut: append([]proposal.LeftOut{}, p.LeftOut...), Problems: append(diag.List{}, p.Problems...),
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
