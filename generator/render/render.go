// Package render writes a pipeline down in the syntax of a forge. Templates
// lay the text out; then the text is read back with a YAML parser and compared
// with what was meant, so that no name and no label can change its structure
// or become an expression.
package render

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"strings"
	"sync"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/templates"
)

// Files is what is written, by path from the root of the repository.
type Files map[string][]byte

// Render writes the files of one forge. The error names a value that cannot be
// written down, or a file that does not read back as it was meant.
func Render(p *pipeline.Pipeline, forge string, pins Pins) (Files, error) {
	for i := range p.Images {
		// A name becomes part of conditions and of job names.
		if err := model.CheckImageName(p.Images[i].ID); err != nil {
			return nil, fmt.Errorf("rendering: %w", err)
		}
	}
	switch forge {
	case pipeline.GitHub:
		return renderGitHub(p, pins)
	case pipeline.GitLab:
		return renderGitLab(p)
	}
	return nil, fmt.Errorf("rendering: unknown forge %q", forge)
}

// document is a view that knows what a YAML reader must see.
type document interface{ tree() map[string]any }

func renderGitHub(p *pipeline.Pipeline, pins Pins) (Files, error) {
	g := &github{p: p, pins: pins}
	files := Files{PinsFile: pins.Format()}
	for name, w := range g.workflows() {
		text, err := layOut(p, name, "github/workflow.yml.tmpl", w)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	text, err := layOut(p, ActionlintFile, "github/actionlint.yaml.tmpl", g.actionlint())
	if err != nil {
		return nil, err
	}
	files[ActionlintFile] = text
	return files, nil
}

// layOut lays one document out, puts the header before it and reads it back.
func layOut(p *pipeline.Pipeline, name, tmpl string, d document) ([]byte, error) {
	t, err := parsed()
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, path.Base(tmpl), d); err != nil {
		return nil, fmt.Errorf("rendering %s: %w", name, err)
	}
	if err := readBack(name, body.Bytes(), d.tree()); err != nil {
		return nil, err
	}
	return Generated(short(inputOf(p, name)), body.Bytes()), nil
}

// inputOf is what a file is made from. Only the files of the fleet change with
// its images.
func inputOf(p *pipeline.Pipeline, name string) []byte {
	input := []byte(p.Said.Settings)
	if strings.Contains(path.Base(name), "fleet") {
		input = append(input, p.Said.Images...)
	}
	return input
}

var parsed = sync.OnceValues(func() (*template.Template, error) {
	t := template.New("templates").Delims("<%", "%>").Option("missingkey=error").
		Funcs(template.FuncMap{"yaml": scalar, "flow": flow, "key": key, "indent": indent})
	t, err := t.ParseFS(templates.FS, "github/*.tmpl", "gitlab/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("reading templates: %w", err)
	}
	return t, nil
})

// readBack compares what a YAML reader sees with what was meant.
func readBack(name string, text []byte, want map[string]any) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var got map[string]any
	if err := dec.Decode(&got); err != nil {
		return fmt.Errorf("reading back %s: %w", name, err)
	}
	if err := same("", got, want); err != nil {
		return fmt.Errorf("reading back %s: %w", name, err)
	}
	return nil
}

// same names the first place where two YAML values differ.
func same(at string, got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		g, is := got.(map[string]any)
		if !is {
			return fmt.Errorf("%s: got %T, want a mapping", at, got)
		}
		for k := range g {
			if _, meant := w[k]; !meant {
				return fmt.Errorf("%s.%s: was not meant to be there", at, k)
			}
		}
		for k, v := range w {
			if err := same(at+"."+k, g[k], v); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, is := got.([]any)
		if !is || len(g) != len(w) {
			return fmt.Errorf("%s: got %v, want %d items", at, got, len(w))
		}
		for i := range w {
			if err := same(fmt.Sprintf("%s[%d]", at, i), g[i], w[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: got %#v, want %#v", at, got, want)
	}
	return nil
}
