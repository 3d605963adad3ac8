package render

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/templates"
)

// TemplateNames are the templates that people may have their own of, as paths
// in the folder of theirs.
func TemplateNames() []string {
	names, err := fs.Glob(templates.FS, "*/*.tmpl")
	if err != nil {
		return nil // the pattern is well-formed
	}
	return names
}

// UnknownTemplate is a template of people's own that none of ours is called
// like; empty where there is none.
func UnknownTemplate(own pipeline.Templates) string {
	known := TemplateNames()
	for _, name := range slices.Sorted(maps.Keys(own.Texts)) {
		if !slices.Contains(known, name) {
			return name
		}
	}
	return ""
}

// layouts are the templates of one folder of people's own, by its content.
var layouts sync.Map

// layout is the templates that a pipeline is laid out with. The error names
// the file and the line of a template that is none.
func layout(own pipeline.Templates) (*template.Template, error) {
	id := sha256.Sum256(own.Digest())
	if t, known := layouts.Load(id); known {
		return t.(*template.Template), nil
	}
	t := template.New("templates").Delims("<%", "%>").Option("missingkey=error").
		Funcs(template.FuncMap{"yaml": scalar, "flow": flow, "key": key, "indent": indent})
	for _, name := range TemplateNames() {
		text, err := fs.ReadFile(templates.FS, name)
		if err != nil {
			return nil, fmt.Errorf("reading templates: %w", err)
		}
		if mine, overridden := own.Texts[name]; overridden {
			text = mine
		}
		if _, err := t.New(path.Base(name)).Parse(string(text)); err != nil {
			return nil, templateError(own, name, err)
		}
	}
	layouts.Store(id, t)
	return t, nil
}

var templatePlace = regexp.MustCompile(`^template: [^:]+:(\d+(?::\d+)?)`)

// templateError says in which file, and where, a template is wrong.
func templateError(own pipeline.Templates, name string, err error) error {
	if _, overridden := own.Texts[name]; !overridden {
		return fmt.Errorf("laying out %s: %w", name, err)
	}
	if m := templatePlace.FindStringSubmatch(err.Error()); m != nil {
		rest := strings.TrimPrefix(strings.TrimPrefix(err.Error(), m[0]), ": ")
		return errors.New(path.Join(own.Dir, name) + ":" + m[1] + ": " + rest)
	}
	return fmt.Errorf("%s: %w", path.Join(own.Dir, name), err)
}
