// Package archtest holds the rules of who may import whom, and judges a module
// by them. It has no user but its own test.
//
// In short: cmd -> runtime -> generator/{model,diag} -> the standard library,
// and cmd -> generator/*. Inside the generator each stage imports earlier ones
// only: source, policy, dockerfile, graph, key, plan, pipeline, simulate, render, tree.
// A heavy or powerful library has one package that imports it.
package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// Package is one package of the module, as the go command lists it.
type Package struct {
	Path        string   // relative to the module, "." for its root
	Name        string   // of the package clause
	Files       []string // Go files that are no tests
	Imports     []string // import paths of Files; those of the module are relative, with a leading "./"
	TestImports []string // the same of the test files
}

// Violation is one broken rule.
type Violation struct {
	Rule  string   // the rule, as a sentence
	Chain []string // from a program, or from the package at fault, to what must not be reached
}

// String is the rule and the offending path, on two lines.
func (v Violation) String() string {
	return v.Rule + "\n\t" + strings.Join(v.Chain, "\n\t  -> ")
}

// stages of the generator, from left to right: each may import those before
// it.
var stages = []string{"source", "policy", "dockerfile", "graph", "key", "plan", "pipeline", "simulate", "render", "tree"}

// leaves of the generator import the standard library only, and each other
// from right to left.
var leaves = []string{"generator/model", "generator/diag"}

// only lists what has few importers: a package or a folder of packages, and
// the packages that may import it.
var only = []struct {
	library string   // import path; with a trailing "/..." it and all below it
	except  []string // packages inside library that anybody may import
	by      []string // packages of the module; with a trailing "/..." all below it too
	tests   bool     // whether tests may import it too
}{
	{library: "os/exec", by: []string{"internal/tool"}, tests: true},
	{library: "github.com/spf13/cobra/...", by: []string{"cmd/..."}},
	{library: "github.com/google/go-containerregistry/pkg/v1/remote/...", by: []string{"runtime/registry"}, tests: true},
	{
		library: "github.com/moby/buildkit/...",
		except:  []string{"github.com/moby/buildkit/frontend/dockerfile/..."},
		by:      []string{"runtime/buildkit"}, tests: true,
	},
	{library: "github.com/moby/buildkit/frontend/dockerfile/...", by: []string{"generator/dockerfile"}},
	{library: "text/template", by: []string{"generator/source", "generator/render"}},
	{library: "github.com/goccy/go-yaml/...", by: []string{"generator/source"}, tests: true},
	{library: "go.yaml.in/yaml/v3", by: []string{"generator/audit", "generator/render"}, tests: true},
	{library: "github.com/sigstore/...", by: []string{"runtime/sign"}, tests: true},
	{library: "github.com/google/go-github/...", by: []string{"runtime/forge"}},
	{library: "gitlab.com/gitlab-org/api/client-go/...", by: []string{"runtime/forge"}},
	{library: "github.com/openvex/go-vex/...", by: []string{"runtime/scan"}},
	{library: "github.com/rhysd/actionlint", tests: true},
	{library: "cloud.google.com/go/containeranalysis/...", by: []string{"runtime/scan/analysis"}},
	{library: "google.golang.org/genproto/googleapis/grafeas/...", by: []string{"runtime/scan/analysis", "internal/gcptest"}, tests: true},
	{library: "cloud.google.com/go/artifactregistry/...", by: []string{"runtime/artifactregistry", "internal/gcptest"}, tests: true},
	{library: "google.golang.org/grpc/...", by: []string{"runtime/buildkit", "runtime/googleapi", "runtime/scan/analysis", "runtime/artifactregistry", "internal/gcptest"}, tests: true},
	{library: "github.com/minio/minio-go/v7/...", by: []string{"runtime/channel"}},
	{library: "google.golang.org/api/storage/...", by: []string{"runtime/channel"}},
	{library: "github.com/johannesboyne/gofakes3/...", by: []string{"runtime/channel/channeltest"}, tests: true},
	{library: "testing", by: forTests, tests: true},
}

// forTests are the packages that only tests, and each other, may import.
var forTests = []string{"internal/enginetest", "internal/gittest", "internal/fleetgen", "internal/plantest", "internal/scripttest", "internal/forgetest", "internal/gcptest", "internal/keytest", "runtime/attest/attesttest", "runtime/channel/channeltest", "runtime/registry/registrytest"}

// unreachable lists what a program must not link, however indirectly.
var unreachable = []struct{ program, target, why string }{
	{"cmd/rootfsgen", "runtime/buildkit", "rootfsgen does not build: BuildKit's client would make it several times as large"},
}

// vague are names that say nothing about what is inside.
var vague = []string{"common", "helper", "helpers", "misc", "shared", "types", "util", "utils"}

// Check judges the packages of one module. The result is sorted and empty
// when every rule holds.
func Check(packages []Package) []Violation {
	g := graph(packages)
	var out []Violation
	for _, p := range packages {
		out = append(out, checkName(p)...)
		for _, imported := range p.Imports {
			if rule := forbidden(p.Path, imported); rule != "" {
				out = append(out, Violation{Rule: rule, Chain: append(g.fromProgram(p.Path), show(imported))})
			}
			if rule := exclusive(p.Path, imported, false); rule != "" {
				out = append(out, Violation{Rule: rule, Chain: append(g.fromProgram(p.Path), show(imported))})
			}
		}
		for _, imported := range p.TestImports {
			rule := forbiddenInTest(p.Path, imported)
			if rule == "" {
				rule = exclusive(p.Path, imported, true)
			}
			if rule != "" {
				out = append(out, Violation{Rule: rule, Chain: []string{p.Path + " (its test)", show(imported)}})
			}
		}
	}
	for _, u := range unreachable {
		if chain := g.path(u.program, u.target); chain != nil {
			out = append(out, Violation{Rule: u.why, Chain: chain})
		}
	}
	slices.SortFunc(out, func(a, b Violation) int { return strings.Compare(a.String(), b.String()) })
	return slices.CompactFunc(out, func(a, b Violation) bool { return a.String() == b.String() })
}

// checkName judges what a package is called and where it lies.
func checkName(p Package) []Violation {
	var out []Violation
	last := p.Path[strings.LastIndex(p.Path, "/")+1:]
	if slices.Contains(vague, last) || slices.Contains(vague, p.Name) {
		out = append(out, Violation{Rule: "a package is named after what it holds, not " + last, Chain: []string{p.Path}})
	}
	if slices.Contains([]string{"cmd", "generator", "internal", "runtime"}, p.Path) && len(p.Files) > 0 {
		out = append(out, Violation{
			Rule:  "no Go file lies directly in " + p.Path + "/, which is a folder of packages",
			Chain: []string{p.Path + "/" + p.Files[0]},
		})
	}
	return out
}

// forbidden is the layer rule that an import breaks, empty when it breaks
// none.
func forbidden(from, imported string) string {
	to, own := strings.CutPrefix(imported, "./")
	switch {
	case slices.Contains(leaves, from):
		if own && from == "generator/model" || own && to != "generator/model" || !own && !standard(imported) {
			return from + " imports the standard library only"
		}
	case from == "internal/tool" && (own || !standard(imported)):
		return "internal/tool imports the standard library only"
	case !own:
	case under(to, "cmd") && !under(from, "cmd") && !under(from, "test"):
		return "nothing imports cmd"
	case under(to, "test") && !under(from, "test"):
		return "nothing imports test"
	case slices.Contains(forTests, to) && !under(from, "test") && !slices.Contains(forTests, from):
		return to + " is for tests"
	case slices.Contains(forTests, from):
	case under(from, "generator"):
		return forbiddenInGenerator(from, to)
	case under(from, "runtime") && !under(to, "runtime") && !slices.Contains(append(leaves, "internal/tool"), to):
		return "the runtime imports generator/model, generator/diag and internal/tool, and works from the plan alone"
	}
	return ""
}

func forbiddenInGenerator(from, to string) string {
	switch {
	case slices.Contains(leaves, to):
		return ""
	case to == "internal/tool" && from == "generator/history":
		return ""
	case to == "templates" && from == "generator/render":
		return ""
	case to == "generator/history":
		return "the generator works on trees; only cmd opens a repository with generator/history"
	case under(to, "generator"):
		i, j := stage(from), stage(to)
		if i >= 0 && j >= 0 && (j < i || from == to) {
			return ""
		}
		if i >= 0 && j >= 0 {
			return "generator/" + stages[i] + " comes before generator/" + stages[j] + " and must not import it"
		}
		return from + " is no stage of the generator, or imports one that is none: see archtest.go"
	}
	return "the generator imports itself, and neither the runtime nor programs"
}

// forbiddenInTest is what even a test must not import: the tests of the
// generator need no engine.
func forbiddenInTest(from, imported string) string {
	to, own := strings.CutPrefix(imported, "./")
	if own && under(from, "generator") && (to == "internal/enginetest" || under(to, "runtime") || under(to, "cmd")) {
		return "the generator's tests need no engine, no registry and no program"
	}
	return ""
}

// exclusive is the "only importer" rule that an import breaks.
func exclusive(from, imported string, test bool) string {
	for _, o := range only {
		if !match(imported, o.library) || slices.ContainsFunc(o.except, func(e string) bool { return match(imported, e) }) {
			continue
		}
		if test && o.tests || slices.ContainsFunc(o.by, func(by string) bool { return match(from, by) }) || under(from, "test") && o.tests {
			continue
		}
		by := "tests"
		if len(o.by) > 0 && !slices.Equal(o.by, forTests) {
			by = strings.Join(o.by, " and ")
		}
		return fmt.Sprintf("only %s may import %s", by, strings.TrimSuffix(o.library, "/..."))
	}
	return ""
}

// stage is the place of a package of the generator in the order of stages, -1
// when it is none of them.
func stage(path string) int {
	rest, _ := strings.CutPrefix(path, "generator/")
	first, _, _ := strings.Cut(rest, "/")
	return slices.Index(stages, first)
}

// under tells whether path is folder or lies below it.
func under(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// match compares a path with a pattern that may end in "/...".
func match(path, pattern string) bool {
	if folder, found := strings.CutSuffix(pattern, "/..."); found {
		return under(path, folder)
	}
	return path == pattern
}

// standard tells whether an import path is of the standard library: only its
// first element has no dot.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// show is an import path for a person.
func show(imported string) string { return strings.TrimPrefix(imported, "./") }
