package dockerfile

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/moby/patternmatcher/ignorefile"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// IgnoreFile is the path, from the root of the tree, of the file that says
// what is left out of a build context: <Dockerfile>.dockerignore, or else
// .dockerignore in the context. It is empty when there is neither.
func IgnoreFile(tree model.Tree, dockerfile, dir string) string {
	candidates := []string{path.Join(dir, ".dockerignore")}
	if dockerfile != "" {
		candidates = []string{dockerfile + ".dockerignore", candidates[0]}
	}
	for _, p := range candidates {
		if _, found := tree.Lookup(p); found {
			return p
		}
	}
	return ""
}

// ignore is the effect of an ignore file; nil leaves nothing out.
type ignore struct {
	file    string
	matcher *patterns
}

// readIgnore reads the ignore file of a context.
func (s *selector) readIgnore(ctx context.Context, dockerfile, dir string) error {
	file := IgnoreFile(s.tree, dockerfile, dir)
	if file == "" {
		return nil
	}
	if known, done := s.ignores[file]; done {
		s.ignore = known
		return nil
	}
	entry, found, err := Behind(ctx, s.tree, path.Dir(file), file)
	if err != nil || !found {
		s.ignores[file] = nil
		return err
	}
	data, err := s.tree.Read(ctx, entry.Path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	lines, err := ignorefile.ReadAll(bytes.NewReader(data))
	if err == nil {
		var matcher *patterns
		matcher, err = newPatterns(lines)
		s.ignore = &ignore{file: file, matcher: matcher}
	}
	if err != nil {
		s.ignore = nil
		s.mistake(RuleIgnore, diag.Pos{File: file}, "", "%s", message(err))
	}
	s.ignores[file] = s.ignore
	return nil
}

// excludes tells whether a file or folder of the context is left out. A
// pattern that cannot be used has been reported already, and leaves nothing
// out.
func (i *ignore) excludes(rel string) bool {
	return i != nil && i.matcher.match(rel)
}

// empties tells whether a file of the context, which is not left out, arrives
// empty. BuildKit's client walks through the context to find out what there is,
// and asks anew, of the path alone, when a file is opened; where the second
// answer is that it is left out, it sends a file without content.
func (i *ignore) empties(rel string) bool {
	return i != nil && i.matcher.matchAlone(rel)
}
