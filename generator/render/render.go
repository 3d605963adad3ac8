// Package render writes a pipeline down in the syntax of a forge. Templates
// lay the text out; then the text is read back with a YAML parser and compared
// with what was meant, so that no name and no label can change its structure
// or become an expression.
package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// Files is what is written, by path from the root of the repository.
type Files map[string][]byte

// Render writes the files of one forge; a layout that is not decided is graph.
// The error names a value that cannot be
// written down, or a file that does not read back as it was meant.
func Render(p *pipeline.Pipeline, forge string, pins Pins) (Files, error) {
	if p.Layout != model.LayoutWaves {
		p = arranged(p, model.LayoutGraph)
	}
	for i := range p.Images {
		// A name becomes part of conditions and of job names.
		if err := model.CheckImageName(p.Images[i].ID); err != nil {
			return nil, fmt.Errorf("rendering: %w", err)
		}
	}
	if err := errors.Join(checkOwn(p), checkClasses(p)); err != nil {
		return nil, err
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
	t, err := layout(p.Templates)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, path.Base(tmpl), d); err != nil {
		return nil, templateError(p.Templates, tmpl, err)
	}
	if _, overridden := p.Templates.Texts[tmpl]; overridden {
		err = readBackOwn(tmpl, body.Bytes(), d.tree())
	} else {
		err = readBack(body.Bytes(), d.tree())
	}
	if err != nil {
		return nil, fmt.Errorf("reading back %s: %w", name, err)
	}
	return Generated(short(inputOf(p, name)), body.Bytes()), nil
}

// inputOf is what a file is made from. Only the files of the fleet change with
// its images.
func inputOf(p *pipeline.Pipeline, name string) []byte {
	input := []byte(p.Said.Settings)
	for i := range p.Images {
		if img := &p.Images[i]; len(img.Secrets) > 0 && name == buildFile(img) {
			input = append(input, strings.Join(append([]string{img.ID}, img.Secrets...), " ")...)
		}
	}
	if strings.Contains(path.Base(name), "fleet") {
		input = append(input, p.Said.Images...)
	}
	return append(input, p.Templates.Digest()...)
}

// readBack compares what a YAML reader sees with what was meant.
func readBack(text []byte, want map[string]any) error {
	got, err := readDocument(text)
	if err != nil {
		return err
	}
	return same("", got, want)
}

// readDocument is the only YAML document of a text.
func readDocument(text []byte) (map[string]any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var got map[string]any
	if err := dec.Decode(&got); err != nil {
		return nil, err
	}
	var more any
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is a second document")
	}
	return got, nil
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
