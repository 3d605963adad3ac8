package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// unwritten are the files of examples that no text can hold, by rule.
var unwritten = map[string]map[string]history.File{
	"encoding":          {"images/python/image.yaml": {Content: "label: Sch\xf6n\n"}},
	"file-too-large":    {"images/python/image.yaml": {Content: strings.Repeat("# nothing\n", 200_000)}},
	"too-many":          {"images/python/image.yaml": {Content: "tags:\n" + strings.Repeat("  - 1\n", 200)}},
	"not-a-file":        {"images/python/image.yaml": {Mode: model.ModeSymlink, Content: "../other.yaml"}},
	"context-outside":   {"images/python/link": {Mode: model.ModeSymlink, Content: "../../../secret"}},
	"context-submodule": {"images/python/vendored": {Mode: model.ModeGitlink}},
}

// guards are rules that an earlier one keeps from ever applying to a whole
// fleet.
var guards = []string{graph.RuleMissing, graph.RuleInput}

// TestDiagnosticsReference checks that each rule has an example in
// testdata/rules, that the example breaks the rule, and that
// docs/reference/diagnostics.md shows what is then said.
func TestDiagnosticsReference(t *testing.T) {
	t.Parallel()
	var page strings.Builder
	page.WriteString("<!-- Written by the tests of cmd/rootfsgen from testdata/rules; rewrite with -update. -->\n\n" +
		"# Diagnostics\n\nEvery mistake is printed with its file, line and column, the rule in brackets, and a hint. A command that finds one\n" +
		"exits with 3 and writes nothing. `--diagnostics` chooses between `text`, `json`, `github` (annotations) and `gitlab` (a code\nquality report).\n")
	for _, rule := range rules(t) {
		if slices.Contains(guards, rule) {
			continue
		}
		example, err := txtar.ParseFile(filepath.Join("testdata", "rules", rule+".txtar"))
		if err != nil {
			t.Errorf("rule %s has no example: %v", rule, err)
			continue
		}
		list := diagnose(t, rule, example)
		if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Rule == rule }) {
			t.Errorf("the example of %s does not break it: %s", rule, list.Error())
		}
		if rule == source.RuleTooMany {
			list = list[len(list)-1:] // after a hundred others
		}
		for _, d := range list {
			if d.Rule != rule {
				t.Errorf("the example of %s breaks %s too: %s: %s", rule, d.Rule, d.Pos, d.Message)
			}
		}
		describe(t, &page, rule, example, list)
	}
	file := "../../docs/reference/diagnostics.md"
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), page.String()); d != "" {
		t.Errorf("%s (-want +got), rewrite it with -update:\n%s", file, d)
	}
}

// rules lists the constants called Rule... of the packages that load a fleet.
func rules(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{"source", "dockerfile", "graph", "key"} {
		files, err := filepath.Glob("../../generator/" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, constants(t, file)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func constants(t *testing.T, file *ast.File) (out []string) {
	t.Helper()
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(v.Names[0].Name, "Rule") || len(v.Values) != 1 {
				continue
			}
			rule, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rule)
		}
	}
	return out
}

// diagnose loads an example as CI loads a fleet. What the files in "before",
// where there are any, make of it is all that is said.
func diagnose(t *testing.T, rule string, example *txtar.Archive) diag.List {
	t.Helper()
	files, before := map[string]history.File{}, map[string]history.File{}
	for _, f := range example.Files {
		if name, earlier := strings.CutPrefix(f.Name, "before/"); earlier {
			before[name] = history.File{Content: string(f.Data)}
			continue
		}
		files[f.Name] = history.File{Content: string(f.Data)}
	}
	maps.Copy(files, unwritten[rule])
	g, list, tree := load(t, rule, files)
	if len(before) > 0 {
		then, _, _ := load(t, rule, before)
		list = graph.Orphans(then, g)
	}
	return list.Sorted().WithLines(func(file string) []byte {
		content, err := tree.Read(context.Background(), file)
		if err != nil {
			return nil
		}
		return content
	})
}

// load is what is found in one tree.
func load(t *testing.T, rule string, files map[string]history.File) (*graph.Graph, diag.List, model.Tree) {
	t.Helper()
	ctx := context.Background()
	var o source.Options
	if rule == source.RuleMissingFile {
		o.Config = "settings.yaml"
	}
	tree := history.MemoryFiles(files)
	fleet, list, err := source.Load(ctx, tree, o)
	if err != nil {
		t.Fatal(err)
	}
	_, _, said := policy.Load(tree, ".")
	list = append(list, said...)
	g, more, err := graph.Build(ctx, fleet, tree, graph.Options{CI: true})
	if err != nil {
		t.Fatal(err)
	}
	if list = append(list, more...); !list.HasErrors() {
		if _, more, err = key.Compute(ctx, fleet, g, tree); err != nil {
			t.Fatal(err)
		}
		list = append(list, more...)
	}
	return g, list, tree
}

func describe(t *testing.T, page *strings.Builder, rule string, example *txtar.Archive, list diag.List) {
	t.Helper()
	fmt.Fprintf(page, "\n## %s\n\n%s\n", rule, bytes.TrimSpace(example.Comment))
	for _, f := range example.Files {
		fmt.Fprintf(page, "\n`%s`:\n\n```\n%s```\n", f.Name, f.Data)
	}
	var said strings.Builder
	if err := list.Print(&said, "text", false); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(page, "\nwhat is said:\n\n```text\n%s```\n", said.String())
}
