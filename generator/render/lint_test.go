package render_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"mvdan.cc/sh/v3/syntax"
)

// taggedPin is a commit with its version beside it; actionlint knows the
// inputs of actions by their major version only.
var taggedPin = regexp.MustCompile(`(?m)(uses: \S+)@[0-9a-f]{40} # (v\d+)\S*$`)

func TestActionlint(t *testing.T) {
	t.Parallel()
	for name, f := range linted() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := os.Mkdir(filepath.Join(root, ".git"), 0o755); err != nil {
				t.Fatal(err)
			}
			rewriteIn(t, root, f.files(t))
			lintAll(t, root)
		})
	}
}

// lintAll lints the workflows below root, and again with the inputs of their
// actions.
func lintAll(t *testing.T, root string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%v %v", files, err)
	}
	project, err := actionlint.NewProject(root)
	if err != nil {
		t.Fatal(err)
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{ConfigFile: filepath.Join(root, ".github/actionlint.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	errs, err := linter.LintFiles(files, project)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tagged, err := linter.Lint(file, taggedPin.ReplaceAll(text, []byte("$1@$2")), project)
		if err != nil {
			t.Fatal(err)
		}
		errs = append(errs, tagged...)
	}
	for _, e := range errs {
		t.Error(e)
	}
}

func TestGitLabSchema(t *testing.T) {
	t.Parallel()
	schema := gitlabSchema(t)
	for name, f := range linted() {
		for file, text := range f.files(t) {
			if !strings.HasPrefix(file, ".gitlab") {
				continue
			}
			var doc any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s/%s: %v", name, file, err)
			}
		}
	}
}

func gitlabSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	r, err := os.Open("testdata/gitlab-ci.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	doc, err := jsonschema.UnmarshalJSON(r)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("ci.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("ci.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestScriptsAreBash reads every script of both forges as bash.
func TestScriptsAreBash(t *testing.T) {
	t.Parallel()
	for name, f := range linted() {
		for file, text := range f.files(t) {
			var doc any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			for _, script := range scripts(doc) {
				if !strings.HasPrefix(script, "set -euo pipefail\n") {
					t.Errorf("%s/%s: a script does not begin strict:\n%s", name, file, script)
				}
				if _, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), file); err != nil {
					t.Errorf("%s/%s: %v\n%s", name, file, err, script)
				}
			}
		}
	}
}

// TestShellcheck reads every script of both forges as shellcheck does, with all
// of its warnings. One process reads them all, each once; actionlint would start
// one for each step of each workflow.
func TestShellcheck(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Fatal(err)
	}
	dir, where := t.TempDir(), map[string]string{}
	var names []string
	for name, f := range linted() {
		for file, text := range f.files(t) {
			var doc any
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			for _, script := range scripts(doc) {
				key := fmt.Sprintf("%x.sh", sha256.Sum256([]byte(script)))
				if where[key] != "" {
					continue
				}
				where[key] = name + "/" + file
				names = append(names, key)
				if err := os.WriteFile(filepath.Join(dir, key), []byte(script), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(names) < 100 {
		t.Fatalf("%d scripts", len(names))
	}
	slices.Sort(names)
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--norc", "--shell=bash", "--format=gcc"}, names...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		key, said, _ := strings.Cut(line, ":")
		t.Errorf("%s: %s", where[key], said)
	}
	if err != nil && len(out) == 0 {
		t.Error(err)
	}
}

// TestShellcheckFinds shows that shellcheck is really asked.
func TestShellcheckFinds(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "shellcheck", "--norc", "--shell=bash", "--format=gcc", "-")
	cmd.Stdin = strings.NewReader("set -euo pipefail\nrm $1\n")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "SC2086") {
		t.Errorf("%v\n%s", err, out)
	}
}

// scripts collects what a forge would hand to a shell.
func scripts(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if s, is := e.(string); is && k == "run" {
				all = append(all, s)
			} else if l, is := e.([]any); is && strings.HasSuffix(k, "script") {
				for _, line := range l {
					s, _ := line.(string)
					all = append(all, s)
				}
			} else {
				all = append(all, scripts(e)...)
			}
		}
	case []any:
		for _, e := range v {
			all = append(all, scripts(e)...)
		}
	}
	return all
}
