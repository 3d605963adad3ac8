package dockerfile

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// BuildKit makes nothing of a pattern that matches nothing, but stops where the
// folder is not there that the pattern begins with. Whether its client sends
// that folder depends on all sources together, without what they exclude, and on
// the links that they go through: it follows links before it looks at the ignore
// file, and it sends whatever a pattern matches that has matched a link.

// sender finds what BuildKit's client sends.
type sender struct {
	*selector
	paths map[string]bool            // and patterns that are sent, less what is ignored
	links map[string]model.TreeEntry // that were followed
}

// beginnings picks the folders that patterns begin with, where they are sent
// though nothing in them matches.
func (s *selector) beginnings(ctx context.Context, reads []Read) error {
	if len(s.unmatched) == 0 {
		return nil
	}
	sent := &sender{selector: s, paths: map[string]bool{}, links: map[string]model.TreeEntry{}}
	for _, read := range reads {
		if err := sent.follow(ctx, read, path.Join(read.Source, read.Include)); err != nil {
			return err
		}
	}
	matcher, err := newPatterns(slices.Sorted(maps.Keys(sent.paths)))
	if err != nil {
		return nil //nolint:nilerr // BuildKit stops here, too, with the same files
	}
	matches := func(rel string) bool { return sent.paths["."] || matcher.match(rel) }
	found := false
	for _, dir := range s.unmatched {
		found = sent.beginning(dir, matches) || found
	}
	if !found {
		return nil
	}
	for rel, e := range sent.links {
		e.Path = rel
		if s.ignore.excludes(rel) {
			e.Mode = model.ModeUnsentLink
		}
		s.picked[rel] = e
	}
	return nil
}

// follow notes what a source makes the client send.
func (s *sender) follow(ctx context.Context, read Read, source string) error {
	at, rest := ".", strings.TrimPrefix(path.Clean("/"+source), "/")
	for {
		name, after, deeper := strings.Cut(rest, "/")
		at, rest = path.Join(at, name), after
		links := s.matched(at)
		if !deeper || len(links) > 0 {
			if s.paths[at] {
				return nil
			}
			s.paths[at] = true
		}
		for _, l := range links {
			e, _ := s.lookup(l)
			s.links[l] = e
			target, _, err := s.target(ctx, read, l)
			if err == nil {
				err = s.follow(ctx, read, path.Join(target, rest))
			}
			if err != nil {
				return err
			}
		}
		if !deeper || len(links) > 0 {
			return nil
		}
	}
}

// matched are the links that a path or a pattern means, whose wildcards are in
// its last component: behind others the client finds none.
func (s *sender) matched(p string) []string {
	dir, name := path.Dir(p), path.Base(p)
	candidates := []string{name}
	if hasWildcard(name) {
		candidates = s.children(dir)
	}
	var out []string
	for _, c := range candidates {
		full := path.Join(dir, c)
		if ok, err := path.Match(name, c); !ok && c != name || err != nil {
			continue
		}
		if e, isFile := s.lookup(full); isFile && e.Mode == model.ModeSymlink {
			out = append(out, full)
		}
	}
	return out
}

// beginning picks something that makes the client send a folder; false when
// there is nothing.
func (s *sender) beginning(dir string, sent func(string) bool) bool {
	folder := func(p string) bool {
		if !s.isFolder(p) || !sent(p) || s.ignore.excludes(p) {
			return false
		}
		s.folders[p] = true
		return true
	}
	file := func(rel string, e model.TreeEntry) bool {
		if !sent(rel) || s.ignore.excludes(rel) || e.Mode == model.ModeGitlink || !nameable(e.Path) {
			return false
		}
		e.Path = rel
		s.picked[rel] = e
		return true
	}
	// It may well be a file: BuildKit does not mind that.
	if e, isFile := s.lookup(dir); isFile && file(dir, e) || folder(dir) {
		return true
	}
	for _, e := range under(s.entries, s.prefix+dir+"/") {
		rel := e.Path[len(s.prefix):]
		if file(rel, e) {
			return true
		}
		for p := path.Dir(rel); p != dir; p = path.Dir(p) {
			if folder(p) {
				return true
			}
		}
	}
	return false
}
