// Package packages tells which packages an image has, by what the package
// managers of Debian and Alpine wrote into its layers. Nothing is unpacked.
package packages

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Package is one installed package. Two packages of one name differ in Arch.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Arch    string `json:"arch"`
}

// Set is the packages of one image, sorted and each once.
type Set []Package

// Unreadable is an image whose packages cannot be told.
type Unreadable struct{ Why string }

// Error says why.
func (u *Unreadable) Error() string { return "its packages cannot be read: " + u.Why }

// IsUnreadable tells whether an error is that of an image whose packages
// cannot be told.
func IsUnreadable(err error) bool {
	_, is := errors.AsType[*Unreadable](err)
	return is
}

// Of reads the packages of one platform's image. The error is an *Unreadable
// where it has no database of packages, or one that is not understood; any
// other is a registry that does not answer.
func Of(ctx context.Context, c *registry.Client, repo string, image model.Digest) (Set, error) {
	raw, _, err := c.Manifest(ctx, repo, image.String())
	if err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", image, err)
	}
	found := newSearch()
	for _, l := range slices.Backward(m.Layers) {
		layer := newSearch()
		err := c.Layer(ctx, repo, model.Digest(l.Digest.String()), func(r io.Reader) error {
			*layer = *newSearch()
			return layer.read(r)
		})
		if err != nil {
			return nil, err
		}
		found.below(layer)
	}
	return found.set()
}

// parse adds the packages of a database: paragraphs of "Key: value" lines, of
// which keys are those of name, version and architecture.
func parse(text []byte, keys [3]string, installed func(paragraph map[string]string) bool) (Set, error) {
	var out Set
	paragraph := map[string]string{}
	end := func() error {
		defer clear(paragraph)
		if len(paragraph) == 0 || !installed(paragraph) {
			return nil
		}
		p := Package{Name: paragraph[keys[0]], Version: paragraph[keys[1]], Arch: paragraph[keys[2]]}
		if p.Name == "" || p.Version == "" {
			return &Unreadable{Why: "a package has no name or no version"}
		}
		out = append(out, p)
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxDatabase)
	for lines.Scan() {
		line := lines.Text()
		if strings.TrimSpace(line) == "" {
			if err := end(); err != nil {
				return nil, err
			}
			continue
		}
		key, value, isField := strings.Cut(line, ":")
		if isField && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") && slices.Contains([]string{keys[0], keys[1], keys[2], "Status"}, key) {
			paragraph[key] = strings.TrimSpace(value)
		}
	}
	return out, end()
}

// sorted is a set in order, each package once.
func sorted(s Set) Set {
	slices.SortFunc(s, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Version, b.Version))
	})
	return slices.Compact(s)
}
