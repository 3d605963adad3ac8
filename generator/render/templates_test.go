package render_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/templates"
)

// withTemplate renders both forges' files with one template edited.
func withTemplate(t *testing.T, name, from, to string) (render.Files, error) {
	t.Helper()
	f := fixtures()["small"]
	p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	text, err := fs.ReadFile(templates.FS, name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %q", name, from)
	}
	p.Templates = pipeline.Templates{Dir: "ci/templates", Texts: map[string][]byte{name: []byte(strings.Replace(string(text), from, to, 1))}}
	return render.Render(p, strings.Split(name, "/")[0], render.DefaultPins())
}

const (
	ghTemplate = "github/workflow.yml.tmpl"
	glTemplate = "gitlab/pipeline.yml.tmpl"
)

// TestTemplatesOfOnesOwn adds to what is laid out.
func TestTemplatesOfOnesOwn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tmpl, from, to, file, want string }{
		"a comment":    {ghTemplate, "permissions: {}\n", "# Acme's\npermissions: {}\n", ".github/workflows/rootfsgen-push.yml", "\n# Acme's\npermissions: {}\n"},
		"a variable":   {ghTemplate, "permissions: {}\n", "permissions: {}\nenv: {A: b}\n", ".github/workflows/rootfsgen-push.yml", "env: {A: b}"},
		"a first step": {ghTemplate, "    steps:\n", "    steps:\n      - name: Say hello\n        run: echo hello\n", ".github/workflows/rootfsgen-merge.yml", "run: echo hello"},
		"a job": {
			ghTemplate, "jobs:\n", "jobs:\n  mine:\n    runs-on: x\n    permissions: {}\n    timeout-minutes: 1\n    steps: [{run: ls}]\n",
			".github/workflows/rootfsgen-push.yml", "  mine:",
		},
		"an image": {glTemplate, "<%- with .Stage %>", "\n  image: acme@sha256:1\n<%- with .Stage %>", ".gitlab/rootfsgen/fleet.yml", "image: acme@sha256:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := withTemplate(t, c.tmpl, c.from, c.to)
			if err != nil || !strings.Contains(string(files[c.file]), c.want) {
				t.Errorf("%v\n%s", err, files[c.file])
			}
			if p := render.ProvenanceOf(files[c.file]); p.Edited || p.Input == render.ProvenanceOf(fixtures()["small"].files(t)[c.file]).Input {
				t.Error("the template is not part of what the file is made from")
			}
		})
	}
}

// TestTemplatesThatAreRefused takes something away, or adds what no generated
// file has.
func TestTemplatesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ tmpl, from, to, want string }{
		"no template":          {ghTemplate, "<%- define \"job\" %>", "<%- define %>", `: unexpected "%>" in define clause`},
		"an unknown field":     {ghTemplate, "name: <% yaml .Name %>", "name: <% yaml .Title %>", "ci/templates/github/workflow.yml.tmpl:"},
		"no YAML":              {ghTemplate, "permissions: {}\n", "permissions: {\n", "reading back .github/workflows/"},
		"a second document":    {ghTemplate, "permissions: {}\n", "permissions: {}\n---\n", "reading back .github/workflows/"},
		"rights are gone":      {ghTemplate, "permissions: {}\n", "", ".permissions: got <nil>, want a mapping"},
		"more rights":          {ghTemplate, "permissions: {}\n", "permissions: {contents: write}\n", ".permissions.contents: was not meant to be there"},
		"a condition is gone":  {ghTemplate, "    if: <% yaml . %>\n", "", ".if: got <nil>"},
		"all secrets":          {ghTemplate, "    secrets:\n", "    secrets: inherit\n    other:\n", ".secrets: got string"},
		"a step is gone":       {ghTemplate, "    steps:\n<%- range . %>", "    steps:\n<%- range slice . 1 %>", ".steps"},
		"a fork's code":        {ghTemplate, "on:\n", "on:\n  pull_request_target: {}\n", ".on.pull_request_target: would run a fork's code"},
		"an expression":        {ghTemplate, "    steps:\n", "    steps:\n      - run: echo ${{ github.head_ref }}\n", "an expression in a script"},
		"a tag":                {ghTemplate, "    steps:\n", "    steps:\n      - uses: acme/x@v1\n", `"acme/x@v1" is not at a commit`},
		"credentials":          {ghTemplate, "    steps:\n", "    steps:\n      - uses: actions/checkout@" + strings.Repeat("a", 40) + "\n", "leaves credentials behind"},
		"a job without rights": {ghTemplate, "jobs:\n", "jobs:\n  mine: {runs-on: x, steps: [{run: ls}]}\n", ".jobs.mine: needs permissions and timeout-minutes"},
		"a rule is gone":       {glTemplate, "  rules:\n<%- range . %>\n<% template \"rule\" . %>", "  rules:\n<%- range slice . 1 %>\n<% template \"rule\" . %>", "reading back .gitlab"},
		"another script":       {glTemplate, "<% indent 6 . %>", "<% indent 6 . %>\n      true", ".script[0]: is missing, or not in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := withTemplate(t, c.tmpl, c.from, c.to)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if name := render.UnknownTemplate(pipeline.Templates{Texts: map[string][]byte{ghTemplate: nil, "github/other.tmpl": nil}}); name != "github/other.tmpl" {
		t.Errorf("unknown: %q", name)
	}
}
