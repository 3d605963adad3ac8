package dockerfile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Selector picks files of build contexts out of one tree. It is not safe for
// concurrent use.
type Selector struct {
	tree    model.Tree
	ignored func(path string) bool
	ignores map[string]*ignore // by the path of the file

	// Of one Select, and used again by the next:
	picked  map[string]model.TreeEntry
	folders map[string]bool // that are copied though a file in them is not
	entered map[string]bool // links that were followed
}

// emptied is a map that is used again, unless it has grown so large that making
// another is less than emptying it.
func emptied[V any](m map[string]V) map[string]V {
	if m == nil || len(m) > 64 {
		return map[string]V{}
	}
	clear(m)
	return m
}

// NewSelector makes a Selector. ignored tells whether git ignores a path from
// the root of the tree; it is used for hints, and may be nil.
func NewSelector(tree model.Tree, ignored func(path string) bool) *Selector {
	return &Selector{tree: tree, ignored: ignored, ignores: map[string]*ignore{}}
}

// Selection is what Select is asked for.
type Selection struct {
	Context    string // folder from the root of the tree; "." is the whole repository
	Dockerfile string // path from the root of the tree: the ignore file may lie beside it; empty for a named context
	Reads      []Read
	Whole      bool // everything that is not ignored
	CI         bool // what makes a build fail is an error, not a warning
	// Beyond is told of the files of the tree that a link which leaves the
	// context leads to. No build can read them; whoever wrote the link meant them
	// all the same. It may be nil.
	Beyond func(model.TreeEntry)
}

// Same tells whether two selections pick the same files, and have the same
// mistakes: mostly those of the platforms of one image.
func (sel Selection) Same(o Selection) bool {
	return sel.Context == o.Context && sel.Dockerfile == o.Dockerfile && sel.Whole == o.Whole && sel.CI == o.CI &&
		slices.EqualFunc(sel.Reads, o.Reads, func(a, b Read) bool {
			same := slices.Equal(a.Exclude, b.Exclude)
			return same && a.By == b.By && a.Source == b.Source && a.Include == b.Include && a.Pos == b.Pos
		})
}

// Select picks the files of a build context that the reads can reach, after
// its ignore file has been applied. Paths are relative to the context, and
// sorted. The error is one of reading the tree; everything that people can
// repair is in the list.
func (all *Selector) Select(ctx context.Context, sel Selection) ([]model.TreeEntry, diag.List, error) {
	all.picked, all.folders, all.entered = emptied(all.picked), emptied(all.folders), emptied(all.entered)
	s := &selector{Selector: all, ci: sel.CI, beyond: sel.Beyond}
	if sel.Context != "." && sel.Context != "" {
		s.prefix = path.Clean(sel.Context) + "/"
	}
	s.entries = under(s.tree.Entries(), s.prefix)
	if err := s.readIgnore(ctx, sel.Dockerfile, sel.Context); err != nil {
		return nil, nil, err
	}
	reads := sel.Reads
	if sel.Whole {
		reads = append(slices.Clip(reads), Read{Source: ".", By: "the build", Pos: diag.Pos{File: sel.Dockerfile}})
	}
	for _, read := range reads {
		if err := s.read(ctx, read); err != nil {
			return nil, nil, err
		}
	}
	if err := s.beginnings(ctx, reads); err != nil {
		return nil, nil, err
	}
	return s.result(), s.list.Sorted(), nil
}

// result is what was picked, and the folders that would else be missing.
func (s *selector) result() []model.TreeEntry {
	if len(s.folders) == 0 {
		out := slices.AppendSeq(make([]model.TreeEntry, 0, len(s.picked)), maps.Values(s.picked))
		slices.SortFunc(out, func(a, b model.TreeEntry) int { return cmp.Compare(a.Path, b.Path) })
		return out
	}
	made := map[string]bool{}
	makeFor := func(p string) {
		for dir := path.Dir(p); dir != "." && !made[dir]; dir = path.Dir(dir) {
			made[dir] = true
		}
	}
	out := make([]model.TreeEntry, 0, len(s.picked))
	for p, e := range s.picked {
		out = append(out, e)
		makeFor(p)
	}
	// The deepest first: a folder needs no entry for the ones that it lies in.
	for _, dir := range slices.Backward(slices.Sorted(maps.Keys(s.folders))) {
		if !made[dir] {
			out = append(out, model.TreeEntry{Path: dir, Mode: model.ModeFolder})
			makeFor(dir)
		}
	}
	slices.SortFunc(out, func(a, b model.TreeEntry) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// selector is the state of one Select. Its paths are relative to the context.
type selector struct {
	*Selector
	ci      bool
	beyond  func(model.TreeEntry)
	prefix  string            // the context, with a slash at its end; empty for the whole repository
	entries []model.TreeEntry // of the context, with their full paths
	ignore  *ignore
	// unmatched are the folders that patterns begin with that match nothing.
	unmatched []string
	list      diag.List
}

// filter leaves out what an instruction's own patterns leave out, below the
// folder that it copies.
type filter struct {
	include, exclude *patterns
}

func (f filter) keeps(rel string) bool {
	return (f.include == nil || f.include.match(rel)) && !f.exclude.match(rel)
}

func newFilter(read Read) (f filter, err error) {
	if len(read.Exclude) > 0 {
		f.exclude, err = newPatterns(read.Exclude)
	}
	if err == nil && read.Include != "" && read.Include != "." {
		f.include, err = newPatterns([]string{read.Include})
	}
	return f, err
}

// read picks what one instruction reads.
func (s *selector) read(ctx context.Context, read Read) error {
	f, err := newFilter(read)
	if err != nil {
		s.mistake(RuleSource, read.Pos, "", "%s has a pattern that does not parse: %s", read.By, message(err))
		return nil
	}
	literal, wild := splitWildcards(read.Source)
	var found bool
	if wild == "" {
		found, err = s.source(ctx, read, f, literal)
	} else {
		found, err = s.wildcard(ctx, read, f, literal, wild)
	}
	if err != nil || found {
		return err
	}
	s.missing(read)
	return nil
}

// source picks one path; false when there is nothing to pick.
func (s *selector) source(ctx context.Context, read Read, f filter, rel string) (bool, error) {
	at, ok, err := s.follow(ctx, read, rel)
	if err != nil || !ok {
		return false, err
	}
	if e, isFile := s.lookup(at); isFile {
		// The patterns are for what is in a folder: a file before the pivot of
		// --parents is copied whatever stands after it.
		return s.pick(ctx, read, at, e)
	}
	found, err := s.folder(ctx, read, f, at)
	if !found && at != rel && at != "." && s.isFolder(at) && !s.ignore.excludes(at) {
		s.folders[at] = true
	}
	if !found && f.include != nil && at != "." {
		s.unmatched = append(s.unmatched, at)
	}
	return found, err
}

// folder picks what lies below a folder of the context.
func (s *selector) folder(ctx context.Context, read Read, f filter, rel string) (bool, error) {
	prefix := s.prefix
	if rel != "." {
		prefix += rel + "/"
	}
	found, sent := false, false
	for _, e := range under(s.entries, prefix) {
		picked := f.keeps(e.Path[len(prefix):])
		if picked {
			var err error
			if picked, err = s.pick(ctx, read, e.Path[len(s.prefix):], e); err != nil {
				return false, err
			}
		}
		if !picked {
			file := e.Path[len(s.prefix):]
			comes := !s.ignore.excludes(file)
			sent = sent || comes
			s.leaveFolders(f, rel, file, comes)
		}
		found = found || picked
	}
	if f.include == nil {
		// A folder can be copied though all in it is left out, but not when the
		// ignore file leaves out it and all in it.
		return found || sent || rel == "." || s.isFolder(rel) && !s.ignore.excludes(rel), nil
	}
	return found, nil
}

// leaveFolders notes the folders between base and a file that is left out:
// BuildKit makes them, even if nothing is in them. Those of a file that only
// the instruction leaves out come with it, whatever the ignore file says of them.
func (s *selector) leaveFolders(f filter, base, file string, sent bool) {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		rel := strings.TrimPrefix(strings.TrimPrefix(dir, base), "/")
		if base == "." {
			rel = dir
		}
		if s.folders[dir] {
			return
		}
		if (rel == "" || f.keeps(rel)) && (sent || !s.ignore.excludes(dir)) {
			s.folders[dir] = true
		}
		if dir == base {
			return
		}
	}
}

// wildcard picks what matches a pattern, component by component as BuildKit
// does: no pattern reaches into a folder, and none goes through a link.
func (s *selector) wildcard(ctx context.Context, read Read, f filter, literal, wild string) (bool, error) {
	dir, ok, err := s.follow(ctx, read, literal)
	if err != nil || !ok {
		return false, err
	}
	matches := []string{dir}
	for pattern := range strings.SplitSeq(wild, "/") {
		var next []string
		for _, m := range matches {
			for _, name := range s.children(m) {
				matched, err := path.Match(pattern, name)
				if err != nil {
					s.mistake(RuleSource, read.Pos, "", "%s has a pattern that does not parse: %q", read.By, read.Source)
					return true, nil
				}
				if matched {
					next = append(next, path.Join(m, name))
				}
			}
		}
		matches = next
	}
	found := false
	for _, m := range matches {
		picked, err := s.source(ctx, read, f, m)
		if err != nil {
			return false, err
		}
		found = found || picked
	}
	if !found && dir != "." {
		s.unmatched = append(s.unmatched, dir)
	}
	if e, isFile := s.lookup(read.Source); isFile && !found {
		// BuildKit sends a file whose name is the pattern itself, though the
		// pattern does not match it: its folder must be there.
		_, err = s.pick(ctx, read, read.Source, e)
	}
	return found, err
}

// pick adds a file, and what it points to if it is a link; false when the
// ignore file leaves it out.
func (s *selector) pick(ctx context.Context, read Read, rel string, e model.TreeEntry) (bool, error) {
	if s.ignore.excludes(rel) {
		return false, nil
	}
	if _, done := s.picked[rel]; done {
		return true, nil
	}
	if e.Mode == model.ModeGitlink {
		// Its commit counts. The build says the same as this, and stops.
		s.mistake(RuleSubmod, read.Pos, "its files are not in this repository: copy them into it, or exclude the submodule in .dockerignore",
			"%s reads %q, which is a submodule", read.By, e.Path)
		e.Path = rel
		s.picked[rel] = e
		return true, nil
	}
	if !nameable(e.Path) {
		s.list.Errorf(RuleName, read.Pos, "rename it, or exclude it in .dockerignore",
			"%s reads %q: a file's name must be UTF-8, without line ends and backslashes", read.By, e.Path)
		return true, nil
	}
	e.Path = rel
	if e.Mode == model.ModeSymlink {
		s.picked[rel] = e
		return true, s.linked(ctx, read, rel)
	}
	if s.ignore.empties(rel) {
		e.OID = ""
		s.list.Warnf(RuleIgnore, diag.Pos{File: s.ignore.file}, "write the pattern that leaves it out once, behind the one that takes it in",
			"%q is left out by one reading of the patterns and not by the other: BuildKit copies it as an empty file", rel)
	}
	s.picked[rel] = e
	return true, nil
}

// nameable tells whether a plan and a build can hold a path.
func nameable(p string) bool { return model.CheckPath(p) == nil && utf8.ValidString(p) }

// lookup finds a file of the context.
func (s *selector) lookup(rel string) (model.TreeEntry, bool) {
	if rel == "." {
		return model.TreeEntry{}, false
	}
	i, found := slices.BinarySearchFunc(s.entries, rel, func(e model.TreeEntry, rel string) int { return strings.Compare(e.Path[len(s.prefix):], rel) })
	if !found {
		return model.TreeEntry{}, false
	}
	return s.entries[i], true
}

// isFolder tells whether anything lies below a path of the context.
func (s *selector) isFolder(rel string) bool {
	return rel == "." || len(under(s.entries, s.prefix+rel+"/")) > 0
}

// children are the names in a folder of the context, sorted.
func (s *selector) children(rel string) []string {
	prefix := s.prefix
	if rel != "." {
		prefix += rel + "/"
	}
	var out []string
	rest := under(s.entries, prefix)
	for len(rest) > 0 {
		name, _, isDir := strings.Cut(rest[0].Path[len(prefix):], "/")
		out = append(out, name)
		n := 1
		if isDir {
			n = len(under(rest, prefix+name+"/"))
		}
		rest = rest[n:]
	}
	slices.Sort(out)
	return out
}

// under is the part of sorted entries that begins with prefix.
func under(entries []model.TreeEntry, prefix string) []model.TreeEntry {
	if prefix == "" {
		return entries
	}
	begin, _ := slices.BinarySearchFunc(entries, prefix, func(e model.TreeEntry, p string) int { return strings.Compare(e.Path, p) })
	rest := entries[begin:]
	end, _ := slices.BinarySearchFunc(rest, prefix, func(e model.TreeEntry, p string) int {
		if strings.HasPrefix(e.Path, p) {
			return -1
		}
		return 1
	})
	return rest[:end]
}

// splitWildcards cuts a clean path before its first component that has a
// wildcard.
func splitWildcards(p string) (literal, wild string) {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if hasWildcard(part) {
			return path.Join(".", strings.Join(parts[:i], "/")), strings.Join(parts[i:], "/")
		}
	}
	return p, ""
}

func hasWildcard(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// problem says where a read is, for errors of the tree.
func problem(read Read, err error) error {
	return fmt.Errorf("reading what %s at %s needs: %w", read.By, read.Pos, err)
}

// Below lists the files below a folder of the tree, from its root.
func Below(tree model.Tree, dir string) []model.TreeEntry {
	if dir = path.Clean(dir); dir == "." {
		return tree.Entries()
	}
	return under(tree.Entries(), dir+"/")
}
