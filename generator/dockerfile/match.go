package dockerfile

import (
	"path"

	"github.com/moby/patternmatcher"
)

// patterns matches paths as BuildKit does when it walks through folders: a
// pattern counts for what lies in a folder that it has matched, and it is not
// asked about a folder where the patterns before it have said the same
// already. That is not what patternmatcher says of a single path: after
// "**/x" and "!d" it leaves d/x in, and the walk leaves it out. A patterns is
// not safe for concurrent use.
type patterns struct {
	matcher *patternmatcher.PatternMatcher
	folders map[string]patternmatcher.MatchInfo // what was said of them
}

// newPatterns compiles patterns.
func newPatterns(all []string) (*patterns, error) {
	m, err := patternmatcher.New(all)
	if err != nil {
		return nil, err
	}
	// A pattern is compiled when it is first used, so use it.
	if _, err := m.MatchesOrParentMatches("a/b"); err != nil {
		return nil, err
	}
	return &patterns{matcher: m, folders: map[string]patternmatcher.MatchInfo{}}, nil
}

// match tells whether a clean relative path matches. Nothing matches a nil
// patterns.
func (p *patterns) match(rel string) bool {
	if p == nil {
		return false
	}
	matched, _, err := p.matcher.MatchesUsingParentResults(rel, p.folder(path.Dir(rel)))
	return err == nil && matched
}

// matchAlone is what the patterns say of a path that nobody has walked to.
func (p *patterns) matchAlone(rel string) bool {
	if p == nil {
		return false
	}
	matched, err := p.matcher.MatchesOrParentMatches(rel)
	return err == nil && matched
}

// folder is what the patterns say of a folder, for what lies in it.
func (p *patterns) folder(dir string) patternmatcher.MatchInfo {
	if dir == "." {
		return patternmatcher.MatchInfo{}
	}
	if known, done := p.folders[dir]; done {
		return known
	}
	_, info, err := p.matcher.MatchesUsingParentResults(dir, p.folder(path.Dir(dir)))
	if err != nil {
		info = patternmatcher.MatchInfo{} // newPatterns would have said so
	}
	p.folders[dir] = info
	return info
}
