package dockerfile

import (
	"context"
	"path"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxLinks bounds how many links one path may go through, as kernels do.
const maxLinks = 40

// follow resolves the links that a path goes through, itself included, as
// BuildKit does when it looks a source up, and picks them. It is false when
// the path leads nowhere; what is wrong with a link has been reported then.
func (s *selector) follow(ctx context.Context, read Read, rel string) (string, bool, error) {
	links := 0
	done, rest := ".", rel
	for rest != "" {
		name, after, _ := strings.Cut(rest, "/")
		next := path.Join(done, name)
		e, isFile := s.lookup(next)
		switch {
		case isFile && e.Mode == model.ModeSymlink:
			if links++; links > maxLinks {
				s.mistake(RuleOutside, read.Pos, "", "%s reads %q, whose links go round in a circle", read.By, rel)
				return "", false, nil
			}
			if s.ignore.excludes(next) {
				return "", false, nil
			}
			target, outside, err := s.target(ctx, read, next)
			if err != nil {
				return "", false, err
			}
			if outside != "" {
				s.leaves(s.mistake, read, next, outside)
				s.meant(path.Join(s.prefix, path.Dir(next), outside, after))
			}
			e.Path = next
			s.picked[next] = e
			done, rest = ".", path.Join(target, after)
			continue
		case isFile && e.Mode == model.ModeGitlink:
			_, err := s.pick(ctx, read, next, e)
			return "", false, err
		case isFile && after != "", !isFile && !s.isFolder(next):
			return "", false, nil
		}
		done, rest = next, after
	}
	return done, true, nil
}

// meant tells of what a link that leaves the context leads to, if that is in
// the tree: a file, or all in a folder.
func (s *selector) meant(full string) {
	if s.beyond == nil || full == ".." || strings.HasPrefix(full, "../") {
		return
	}
	if e, found := s.tree.Lookup(full); found {
		s.beyond(e)
		return
	}
	for _, e := range Below(s.tree, full) {
		s.beyond(e)
	}
}

// mistake reports what makes the build fail, but the plan not wrong.
func (s *selector) mistake(rule string, pos diag.Pos, hint, format string, args ...any) {
	add := s.list.Warnf
	if s.ci {
		add = s.list.Errorf
	}
	add(rule, pos, hint, format, args...)
}

// target is what a link points to, relative to the context, and its text where
// that lies outside: BuildKit takes ".." for the root of the context there.
func (s *selector) target(ctx context.Context, read Read, rel string) (target, outside string, err error) {
	text, err := s.tree.Read(ctx, s.prefix+rel)
	if err != nil {
		return "", "", problem(read, err)
	}
	link := string(text)
	// In a build context the root of the context is the root of all links.
	if strings.HasPrefix(link, "/") {
		target, _ = cleanSource(link)
		return target, "", nil
	}
	target, isOutside := cleanSource(path.Join(path.Dir(rel), link))
	if isOutside {
		outside = link
	}
	return target, outside, nil
}

// leaves is what is said of a link that leaves the context.
func (s *selector) leaves(add func(rule string, pos diag.Pos, hint, format string, args ...any), read Read, rel, link string) {
	add(RuleOutside, read.Pos, "replace the link by the file, or choose a larger context: in image.yaml",
		"%s reads %q, a link to %q, which lies outside the build context", read.By, s.prefix+rel, link)
}

// linked adds what a link that is copied points to, when that lies in the
// context: who reads the copy reads the target. A link to something that is
// not there is copied as it is: it may well be there in the image. So is one
// that leaves the context, which hardly anybody means; BuildKit looks behind it
// all the same where a pattern of COPY --parents matches it.
func (s *selector) linked(ctx context.Context, read Read, rel string) error {
	if s.entered[rel] {
		return nil
	}
	s.entered[rel] = true
	target, outside, err := s.target(ctx, read, rel)
	if err != nil {
		return err
	}
	if outside != "" {
		s.leaves(s.list.Warnf, read, rel, outside)
	}
	quiet := s.list
	final, ok, err := s.follow(ctx, read, target)
	if err != nil || !ok {
		s.list = quiet
		return err
	}
	if e, isFile := s.lookup(final); isFile {
		_, err = s.pick(ctx, read, final, e)
		return err
	}
	if final == "." || strings.HasPrefix(rel, final+"/") {
		// A link to a folder above it: that folder is not copied through it.
		return nil
	}
	_, err = s.folder(ctx, read, filter{}, final)
	return err
}

// missing reports a source that matches nothing, and says why as far as it
// can be found out.
func (s *selector) missing(read Read) {
	what := read.Source
	if read.Include != "" {
		what = path.Join(read.Source, read.Include)
	}
	if s.reported(read) {
		return
	}
	hint := s.whyMissing(what)
	if hasWildcard(what) {
		s.list.Warnf(RuleSource, read.Pos, hint, "%s reads %q, which matches no file in %s", read.By, what, s.name())
		return
	}
	s.mistake(RuleSource, read.Pos, hint, "%s reads %q, which is not in %s", read.By, what, s.name())
}

// reported tells whether something better was said about a read.
func (s *selector) reported(read Read) bool {
	for _, d := range s.list {
		if d.Pos == read.Pos && (d.Rule == RuleOutside || d.Rule == RuleSubmod) {
			return true
		}
	}
	return false
}

// name is the context for people.
func (s *selector) name() string {
	if s.prefix == "" {
		return "the repository"
	}
	return strings.TrimSuffix(s.prefix, "/")
}

func (s *selector) whyMissing(what string) string {
	full := s.prefix + what
	switch {
	case s.ignore != nil && (s.ignore.excludes(what) || s.inTree(full)):
		return s.ignore.file + " excludes it"
	case s.ignored != nil && !hasWildcard(what) && s.ignored(full):
		return "git ignores it: commit it with git add -f, or let the Dockerfile make it"
	}
	if s.prefix != "" && s.inTree(what) {
		return "it lies at " + what + " in the repository: set context: in image.yaml to reach it"
	}
	if e, found := s.lookup(what); found && e.Mode == model.ModeSymlink {
		return "it is a link to something that is not there"
	}
	dir, base := path.Split(what)
	if near := diag.Nearest(base, s.children(path.Clean(dir)), min(2, len(base)/3)); near != "" {
		return "did you mean " + dir + near + "?"
	}
	return "only files that git tracks can be built: is it committed, or at least not ignored?"
}

// inTree tells whether a file or folder is in the repository.
func (s *selector) inTree(full string) bool {
	if _, found := s.tree.Lookup(full); found {
		return true
	}
	return len(under(s.tree.Entries(), full+"/")) > 0
}

// Behind is the file that a path of the tree leads to through links, none of
// which leaves root: as BuildKit does, ".." stops there. It is false when there
// is no such file.
func Behind(ctx context.Context, tree model.Tree, root, p string) (model.TreeEntry, bool, error) {
	if e, found := tree.Lookup(p); found && e.Mode != model.ModeSymlink {
		return e, e.Mode != model.ModeGitlink, nil
	}
	s := &selector{Selector: &Selector{tree: tree, picked: map[string]model.TreeEntry{}, entered: map[string]bool{}}}
	rel := p
	if root = path.Clean(root); root != "." {
		s.prefix = root + "/"
		rel = strings.TrimPrefix(p, s.prefix)
	}
	s.entries = under(tree.Entries(), s.prefix)
	final, ok, err := s.follow(ctx, Read{By: "the build", Pos: diag.Pos{File: p}}, rel)
	if err != nil || !ok {
		return model.TreeEntry{}, false, err
	}
	e, found := s.lookup(final)
	return e, found && e.Mode != model.ModeGitlink, nil
}
