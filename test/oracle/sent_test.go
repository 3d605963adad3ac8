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
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

// Of what BuildKit's client sends of a recipe's files, an instruction finds
// the same as of what it sends of everything: also nothing, and also no folder.
func TestTheClientSendsTheSame(t *testing.T) {
	t.Parallel()
	w := paper()
	rapid.Check(t, func(t *rapid.T) {
		s := samples().Draw(t, "sample")
		_, side := w.digests(t, s.now)
		for _, id := range side.graph.Targets() {
			n, _ := side.graph.Node(id)
			if n.Resolved == nil || n.Resolved.Whole {
				continue
			}
			recipe := side.recipe(id)
			side.sendsTheSame(t, n, "", n.Image.Context, recipe.Files)
			for _, c := range recipe.Contexts {
				if c.Folder != "" {
					side.sendsTheSame(t, n, c.Ref, c.Folder, c.Files)
				}
			}
		}
		if t.Failed() {
			t.Logf("%s", s.archive())
		}
	})
}

// sendsTheSame compares one context of a target with all that is in its folder.
func (s *side) sendsTheSame(t *rapid.T, n *graph.Node, name, dir string, selected []model.TreeEntry) {
	var reads []dockerfile.Read
	for _, r := range n.Resolved.Reads {
		if r.From == name {
			reads = append(reads, r)
		}
	}
	if len(reads) == 0 || slices.ContainsFunc(selected, func(e model.TreeEntry) bool { return e.Mode == model.ModeGitlink }) {
		return
	}
	everything, err := s.folder(t.Context(), path.Clean(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := gitcontext.New(t.Context(), s.content, selected)
	if err != nil {
		t.Fatal(err)
	}
	want, wrong := sent(t.Context(), everything, reads, s.ignored(t, n, name, dir))
	got, other := sent(t.Context(), ours, reads, nil)
	if (wrong == nil) != (other == nil) {
		t.Errorf("%s, the context %q: of everything the client says %v, of ours %v", n.ID, name, wrong, other)
		return
	}
	for _, r := range reads {
		if diff := cmp.Diff(want.read(r), got.read(r)); diff != "" {
			t.Errorf("%s, the context %q: %s %s of everything (-) and of ours (+):\n%s", n.ID, name, r.By, path.Join(r.Source, r.Include), diff)
		}
	}
}

// ignored are the patterns of the ignore file of a context.
func (s *side) ignored(t *rapid.T, n *graph.Node, name, dir string) []string {
	build := ""
	if name == "" {
		build = n.Image.Dockerfile
	}
	file := dockerfile.IgnoreFile(s.tree, build, dir)
	if file == "" {
		return nil
	}
	e, found, err := dockerfile.Behind(t.Context(), s.tree, path.Dir(file), file)
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return nil
	}
	lines, err := ignorefile.ReadAll(strings.NewReader(s.content[e.OID]))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// received is what the daemon gets: "/" for a folder, "> TARGET" for a link,
// or the size of a file.
type received map[string]string

// sent does what BuildKit's client does when the daemon asks for the files of
// some instructions.
func sent(ctx context.Context, all fsutil.FS, reads []dockerfile.Read, ignored []string) (received, error) {
	opt := &fsutil.FilterOpt{ExcludePatterns: ignored}
	for _, r := range reads {
		opt.FollowPaths = append(opt.FollowPaths, path.Join("/", r.Source, r.Include))
	}
	if slices.Contains(opt.FollowPaths, "/") {
		opt.FollowPaths = nil
	}
	// The client has a filter of its own around the files that it is given.
	mapped, err := fsutil.NewFilterFS(all, &fsutil.FilterOpt{Map: func(string, *types.Stat) fsutil.MapResult { return fsutil.MapResultKeep }})
	if err != nil {
		return nil, err
	}
	filtered, err := fsutil.NewFilterFS(mapped, opt)
	if err != nil {
		return nil, err
	}
	out := received{}
	return out, filtered.Walk(ctx, "/", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		stat, isStat := info.Sys().(*types.Stat)
		switch {
		case !isStat:
			return fmt.Errorf("%s has no Stat", p)
		case d.IsDir():
			out[p] = "/"
		case stat.Linkname != "":
			out[p] = "> " + stat.Linkname
		default:
			out[p] = opened(filtered, p)
		}
		return nil
	})
}

// opened is how many bytes the client sends of a file: it opens a file with
// another reading of the ignore file than it walks with, and sends it empty if
// that one leaves it out.
func opened(all fsutil.FS, p string) string {
	r, err := all.Open(p)
	if err != nil {
		return "0"
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(n)
}

// read is what an instruction finds: where it begins, and the files that it
// takes.
func (got received) read(r dockerfile.Read) []string {
	begin, wild := r.Source, ""
	if i := strings.IndexAny(begin, "*?["); i >= 0 {
		i = strings.LastIndexByte(begin[:i], '/') + 1
		begin, wild = strings.TrimSuffix("./"+begin[:i], "/"), begin[i:]
	}
	at, found := got.resolve(begin)
	if !found || r.Include != "" && !strings.ContainsAny(r.Include, "*?[") {
		return nil // BuildKit stops where one file of --parents is not there
	}
	out := []string{"it begins at " + at}
	if len(r.Exclude) > 0 || r.Include != "" {
		return out // what they leave out need not be sent
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		rel := strings.TrimPrefix(p, strings.TrimPrefix(at+"/", "./"))
		if rel == p && at != "." && p != at {
			continue
		}
		matched := true
		if wild != "" {
			parts := strings.Split(rel, "/")
			matched, _ = path.Match(wild, strings.Join(parts[:min(strings.Count(wild, "/")+1, len(parts))], "/"))
		}
		if matched {
			out = append(out, p+" "+got[p])
		}
	}
	return out
}

// resolve follows the links of a path, with the context as the root of all.
func (got received) resolve(p string) (string, bool) {
	done, rest := ".", strings.TrimPrefix(path.Clean("/"+p), "/")
	for links := 0; rest != ""; {
		name, after, deeper := strings.Cut(rest, "/")
		next := path.Join(done, name)
		what, found := got[next]
		target, isLink := strings.CutPrefix(what, "> ")
		switch {
		case !found || deeper && !isLink && what != "/" || links > 40:
			return "", false
		case isLink:
			if links++; !path.IsAbs(target) {
				target = path.Join("/", done, target)
			}
			done, rest = ".", strings.TrimPrefix(path.Join(target, after), "/")
		default:
			done, rest = next, after
		}
	}
	return done, true
}
