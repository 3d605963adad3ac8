package oracle

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// files is one tree, by path from its root. Places where only the running
// engines know what to write are marked, see world.fill.
type files map[string]history.File

func (f files) put(p, content string) { f[p] = history.File{Content: content} }

// below are the paths in a folder, sorted and relative to it; "." is the
// whole tree.
func (f files) below(dir string) []string {
	var out []string
	for p := range f {
		if dir == "." {
			out = append(out, p)
		} else if rel, found := strings.CutPrefix(p, dir+"/"); found {
			out = append(out, rel)
		}
	}
	slices.Sort(out)
	return out
}

// free tells whether a file can be put at p: nothing is there, or in the way.
func (f files) free(p string) bool {
	for dir := p; dir != "."; dir = path.Dir(dir) {
		if _, found := f[dir]; found {
			return false
		}
	}
	return len(f.below(p)) == 0
}

// objects serves the content of trees as git would, by object id.
type objects map[string]string

func (o objects) Size(_ context.Context, oid string) (int64, error) {
	s, found := o[oid]
	if !found {
		return 0, fs.ErrNotExist
	}
	return int64(len(s)), nil
}

func (o objects) Open(_ context.Context, oid string) (io.ReadCloser, error) {
	s, found := o[oid]
	if !found {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

// contentOf is what a tree holds, by object id.
func contentOf(ctx context.Context, tree model.Tree) (objects, error) {
	o := objects{}
	for _, e := range tree.Entries() {
		b, err := tree.Read(ctx, e.Path)
		if err != nil {
			return nil, err
		}
		o[e.OID] = string(b)
	}
	return o, nil
}

// sample is one case: a fleet before and after it was edited.
type sample struct {
	seed      int64
	then, now files
	uses      map[string][]string // constructs by image, as they were drawn
	edits     []string            // kinds of edits
}

// archive is a sample as people read it, and as testdata/misses holds it. A
// file of the edited side is there only if it is not the same as before.
func (s *sample) archive() []byte {
	a := &txtar.Archive{}
	var head strings.Builder
	fmt.Fprintf(&head, "seed %d, edits: %s\n", s.seed, strings.Join(s.edits, ", "))
	add := func(side, p string, f history.File) {
		switch f.Mode {
		case model.ModeExecutable:
			fmt.Fprintf(&head, "mode %s/%s x\n", side, p)
		case model.ModeSymlink:
			fmt.Fprintf(&head, "mode %s/%s l\n", side, p)
		}
		a.Files = append(a.Files, txtar.File{Name: side + "/" + p, Data: []byte(f.Content)})
	}
	for _, p := range slices.Sorted(maps.Keys(s.then)) {
		add("then", p, s.then[p])
	}
	for _, p := range slices.Sorted(maps.Keys(s.then)) {
		if _, found := s.now[p]; !found {
			fmt.Fprintf(&head, "delete %s\n", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(s.now)) {
		if old, found := s.then[p]; !found || old != s.now[p] {
			add("now", p, s.now[p])
		}
	}
	a.Comment = []byte(head.String())
	return txtar.Format(a)
}

// parseArchive reads what archive has written, or a person. Lines of its
// comment that it does not know are for people.
func parseArchive(data []byte) (*sample, error) {
	a := txtar.Parse(data)
	s := &sample{then: files{}, now: files{}}
	modes, deleted := map[string]uint32{}, map[string]bool{}
	for line := range strings.SplitSeq(string(a.Comment), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 3 && words[0] == "mode":
			modes[words[1]] = map[string]uint32{"x": model.ModeExecutable, "l": model.ModeSymlink}[words[2]]
		case len(words) == 2 && words[0] == "delete":
			deleted[words[1]] = true
		}
	}
	for _, f := range a.Files {
		file := history.File{Mode: modes[f.Name], Content: string(f.Data)}
		if file.Mode == model.ModeSymlink {
			file.Content = strings.TrimSuffix(file.Content, "\n")
		}
		side, p, _ := strings.Cut(f.Name, "/")
		switch side {
		case "then":
			s.then[p] = file
			if _, found := s.now[p]; !found && !deleted[p] {
				s.now[p] = file
			}
		case "now":
			s.now[p] = file
		default:
			return nil, fmt.Errorf("reading a sample: %s begins with neither then/ nor now/", f.Name)
		}
	}
	return s, nil
}
