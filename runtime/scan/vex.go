package scan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	openvex "github.com/openvex/go-vex/pkg/vex"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// VEXDir is the folder of the repository that statements lie in, as
// OpenVEX documents.
const VEXDir = "vex"

// formatOpenVEX is how findings name the format of their statement.
const formatOpenVEX = "openvex"

// The most that is read of one document, and of how many.
const (
	maxVEX     = 4 << 20
	maxVEXDocs = 1000
)

// VEX is statements about vulnerabilities: that an image is, or is not,
// affected by one.
type VEX struct{ statements []statement }

type statement struct {
	openvex.Statement
	author string
	at     time.Time
}

// VEXError is a document that cannot be believed.
type VEXError struct {
	File string
	Err  error
}

// Error names the file and what is wrong with it.
func (e *VEXError) Error() string { return fmt.Sprintf("%s: %v", e.File, e.Err) }

// Unwrap is the cause.
func (e *VEXError) Unwrap() error { return e.Err }

// ExitCode is that of a mistake in the repository.
func (e *VEXError) ExitCode() int { return 3 }

// LoadVEX reads vex/*.json of a repository; none is no error. All documents
// that are wrong are said at once.
func LoadVEX(repository fs.FS) (VEX, error) {
	files, err := fs.Glob(repository, VEXDir+"/*.json")
	if err != nil {
		return VEX{}, err
	}
	return loadVEX(files, func(file string) ([]byte, error) {
		info, err := fs.Stat(repository, file)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() || info.Size() > maxVEX {
			return nil, errNoVEX
		}
		return fs.ReadFile(repository, file)
	})
}

// ParseVEX reads documents by their paths, as LoadVEX does.
func ParseVEX(documents map[string][]byte) (VEX, error) {
	return loadVEX(slices.Sorted(maps.Keys(documents)), func(file string) ([]byte, error) {
		if len(documents[file]) > maxVEX {
			return nil, errNoVEX
		}
		return documents[file], nil
	})
}

var errNoVEX = fmt.Errorf("it is no file of at most %d bytes", maxVEX)

func loadVEX(files []string, read func(file string) ([]byte, error)) (VEX, error) {
	if len(files) > maxVEXDocs {
		return VEX{}, fmt.Errorf("reading statements: there are %d documents, more than %d", len(files), maxVEXDocs)
	}
	var v VEX
	var errs []error
	for _, file := range files {
		var s []statement
		b, err := read(file)
		if err == nil {
			s, err = readVEX(b)
		}
		if err != nil {
			errs = append(errs, &VEXError{File: file, Err: err})
		}
		v.statements = append(v.statements, s...)
	}
	slices.SortStableFunc(v.statements, func(a, b statement) int { return a.at.Compare(b.at) })
	return v, errors.Join(errs...)
}

func readVEX(b []byte) ([]statement, error) {
	doc, err := openvex.Parse(b)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(doc.Context, openvex.Context) {
		return nil, fmt.Errorf("it is no OpenVEX: its @context is %q", sbom.Clean(doc.Context))
	}
	var out []statement
	for n, s := range doc.Statements {
		if err := s.Validate(); err != nil {
			return nil, fmt.Errorf("statement %d: %w", n+1, err)
		}
		if s.Vulnerability.Name == "" && s.Vulnerability.ID == "" {
			return nil, fmt.Errorf("statement %d names no vulnerability", n+1)
		}
		if len(s.Products) == 0 {
			return nil, fmt.Errorf("statement %d names no product: it would be about everything", n+1)
		}
		at := cmp.Or(s.LastUpdated, s.Timestamp, doc.LastUpdated, doc.Timestamp)
		if at == nil {
			return nil, fmt.Errorf("statement %d has no timestamp, and neither has the document", n+1)
		}
		out = append(out, statement{Statement: s, author: doc.Author, at: *at})
	}
	return out, nil
}

// Apply writes into the findings what the newest statement about each says.
// What an earlier run wrote out of other documents is taken away.
func (v VEX) Apply(requests []Request, scans []model.Scan) {
	repos := map[model.Digest]string{}
	for _, r := range requests {
		repos[r.Digest] = r.Repo
	}
	for n := range scans {
		for i := range scans[n].Findings {
			v.apply(image(repos[scans[n].Digest], scans[n].Digest), &scans[n].Findings[i])
		}
	}
}

func (v VEX) apply(image string, f *model.Finding) {
	if f.VEXFormat == formatOpenVEX {
		f.VEX, f.VEXReason, f.VEXAuthor, f.VEXFormat = "", "", "", ""
	}
	var last *statement
	for n := range v.statements { // oldest first
		s := &v.statements[n]
		if !s.about(image, f) {
			continue
		}
		if last != nil && last.at.Equal(s.at) && last.Status == openvex.StatusAffected {
			continue // of two at the same time the one that warns counts
		}
		last = s
	}
	if last == nil {
		return
	}
	f.VEX, f.VEXAuthor, f.VEXFormat = string(last.Status), sbom.Clean(last.author), formatOpenVEX
	f.VEXReason = sbom.Clean(cmp.Or(string(last.Justification), last.ImpactStatement))
}

// image is what a statement calls an image, without a repository "".
func image(repo string, digest model.Digest) string {
	if repo == "" {
		return ""
	}
	return "pkg:oci/" + path.Base(repo) + "@" + url.QueryEscape(digest.String()) + "?repository_url=" + url.QueryEscape(repo)
}

// names tells whether a statement is about a finding's vulnerability. One that
// calls it harmless must be about all of it: of an advisory with several
// vulnerabilities it says nothing by the name of one.
func (s *statement) names(f *model.Finding) bool {
	if s.Vulnerability.Matches(f.ID) {
		return true
	}
	harmless := s.Status == openvex.StatusNotAffected || s.Status == openvex.StatusFixed
	return slices.ContainsFunc(f.Aliases, func(alias string) bool {
		return s.Vulnerability.Matches(alias) && (!harmless || f.IsOnly(alias))
	})
}

// about tells whether a statement is about a finding in an image: about its
// vulnerability, and about the image, or about the package itself.
func (s *statement) about(image string, f *model.Finding) bool {
	if !s.names(f) {
		return false
	}
	for _, p := range s.Products {
		if f.PURL != "" && len(p.Subcomponents) == 0 && p.Component.Matches(f.PURL) && s.of(&p.Component) {
			return true
		}
		if image == "" || !p.Component.Matches(image) {
			continue
		}
		if len(p.Subcomponents) == 0 && s.of(&p.Component) {
			return true
		}
		for _, c := range p.Subcomponents {
			if f.PURL != "" && c.Component.Matches(f.PURL) && s.of(&p.Component, &c.Component) {
				return true
			}
		}
	}
	return false
}

// of tells whether a statement can be about all that its components stand for:
// that a vulnerability is fixed is so in some version, so one of them says in
// which.
func (s *statement) of(components ...*openvex.Component) bool {
	return s.Status != openvex.StatusFixed || slices.ContainsFunc(components, versioned)
}

// versioned tells whether every package URL of a component, of which it has one,
// names a version; a hash does.
func versioned(c *openvex.Component) bool {
	some := len(c.Hashes) > 0
	for _, text := range append(slices.Collect(maps.Values(c.Identifiers)), c.ID) {
		if !strings.HasPrefix(text, "pkg:") {
			continue
		}
		p, err := model.ParsePURL(text)
		if err != nil || p.Version == "" {
			return false
		}
		some = true
	}
	return some
}
