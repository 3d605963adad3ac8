package runcmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// showing is the flags of ci verdict.
type showing struct {
	in       string
	upload   bool
	category string
}

func ciVerdictCommand(a *app.App) *cobra.Command {
	var o showing
	cmd := &cobra.Command{
		Use: "verdict", Short: "Show what the gate of this job said, where people look",
		Long: `Show what the gate of this job said, where people look: in the summary of a job
of GitHub, else on standard output. Where nothing was judged nothing is shown.

With --upload the findings go to GitHub's code scanning, too. That needs
security-events: write and a repository that has code scanning; where it has
none, a warning says so, and the report is among the job's artifacts all the
same. Code scanning takes findings of the same category for a newer answer to
the same question, so that each job which uploads some needs one of its own.`,
		Example: "  rootfsrun ci verdict --in build-artifacts --upload --category python",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringVar(&o.in, "in", artifacts, "`folder` that the gate wrote to")
	f.BoolVar(&o.upload, "upload", false, "hand the findings to GitHub's code scanning")
	f.StringVar(&o.category, "category", "", "with upload: what the findings are of, for example the image's `name`")
	return cmd
}

func (o *showing) run(ctx context.Context, a *app.App) error {
	verdicts, err := readVerdicts(filepath.Join(o.in, gate.VerdictsFolder))
	if err != nil || len(verdicts) == 0 {
		return err
	}
	if err := summarize(a, verdictsMarkdown(verdicts)); err != nil {
		return err
	}
	if !o.upload {
		return nil
	}
	err = o.hand(ctx, a)
	_, denied := errors.AsType[*forge.Denied](err)
	if denied || errors.Is(err, forge.ErrAbsent) {
		a.Log.Warn("not in code scanning: " + err.Error())
		return nil
	}
	return err
}

// readVerdicts reads what the gate wrote down, one file for each platform.
func readVerdicts(dir string) ([]model.Verdict, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading verdicts: %w", err)
	}
	var all []model.Verdict
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		b, err := readAtMost(filepath.Join(dir, f.Name()), gate.MaxVerdict+1) // with the end of its line
		if err != nil {
			return nil, fmt.Errorf("reading verdicts: %w", err)
		}
		var v model.Verdict
		if err := json.Unmarshal(b, &v); err != nil {
			return nil, fmt.Errorf("reading the verdict %s: %w", f.Name(), err)
		}
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b model.Verdict) int {
		return cmp.Or(a.ID().Compare(b.ID()), strings.Compare(a.Platform, b.Platform))
	})
	return all, nil
}

// maxReport bounds what the gate wrote of all images of a job together, in bytes.
const maxReport = gate.MaxFindings

// readAtMost reads a file of at most limit bytes; one that is longer is an error.
func readAtMost(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s has more than the %d bytes that are read", file, limit)
	}
	return b, errors.Join(err, f.Close())
}

// mostBlocking bounds the findings that a summary lists of one platform.
const mostBlocking = 50

// verdictsMarkdown is a table of verdicts, and below it what blocks.
func verdictsMarkdown(verdicts []model.Verdict) string {
	var b strings.Builder
	b.WriteString("| Image | Platform | Verdict | Critical | High | Others |\n|---|---|---|---:|---:|---:|\n")
	for i := range verdicts {
		v := &verdicts[i]
		others := 0
		for severity, n := range v.Counts {
			if severity != model.SeverityCritical && severity != model.SeverityHigh {
				others += n
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d |\n", cell(v.ID().Node()), cell(v.Platform), cell(v.Outcome), v.Counts[model.SeverityCritical], v.Counts[model.SeverityHigh], others)
	}
	for i := range verdicts {
		v := &verdicts[i]
		if v.Outcome == model.VerdictPass {
			continue
		}
		fmt.Fprintf(&b, "\n**%s**: %s\n\n", cell(gate.Label(v)), cell(v.Outcome))
		for n, j := range v.Blocking {
			if n == mostBlocking {
				fmt.Fprintf(&b, "- and %d more\n", len(v.Blocking)-n)
				break
			}
			fmt.Fprintf(&b, "- %s\n", judgedLine(&j))
		}
		for _, u := range v.Unfinished {
			fmt.Fprintf(&b, "- %s\n", cell(u))
		}
	}
	return b.String()
}

// judgedLine is a finding in one line of Markdown.
func judgedLine(j *model.Judged) string {
	f := &j.Finding
	s := fmt.Sprintf("%s %s in %s: %s", cell(f.ID), cell(f.Severity), cell(cmp.Or(f.PURL, f.Package)), cell(j.Why))
	if f.Fixed != "" {
		s += "; fixed in " + cell(f.Fixed)
	}
	return s
}

// cell is text that a stranger chose, as Markdown that is nothing but text.
func cell(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	const longest = 300
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest-1]) + "…"
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>()#+!|~@&$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// summarize appends to the summary of a job of GitHub; elsewhere it prints.
func summarize(a *app.App, text string) error {
	file := a.Env("GITHUB_STEP_SUMMARY")
	if file == "" {
		_, err := fmt.Fprint(a.Out, text)
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// hand gives what the gate found to code scanning.
func (o *showing) hand(ctx context.Context, a *app.App) error {
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob || at.Forge != forge.GitHub {
		return nil
	}
	sarif, err := readAtMost(filepath.Join(o.in, gate.SARIFFile), maxReport)
	if err != nil {
		return fmt.Errorf("reading findings: %w", err)
	}
	if o.category != "" {
		if sarif, err = categorized(sarif, o.category); err != nil {
			return fmt.Errorf("reading findings: %w", err)
		}
	}
	at.Log = a.Log
	client, err := forge.New(at)
	if err != nil {
		return err
	}
	return client.UploadFindings(ctx, a.Env("GITHUB_SHA"), a.Env("GITHUB_REF"), sarif)
}

// categorized is a SARIF document whose runs are of a category. GitHub takes the
// id up to its last slash for the category.
func categorized(sarif []byte, category string) ([]byte, error) {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(sarif))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return nil, err
	}
	runs, _ := doc["runs"].([]any)
	for _, r := range runs {
		if run, is := r.(map[string]any); is {
			run["automationDetails"] = map[string]any{"id": "rootfsrun-gate/" + category + "/"}
		}
	}
	return json.Marshal(doc)
}
