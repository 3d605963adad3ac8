package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// The providers of the database that tell of packages of many kinds.
const (
	byGitHub = "github" // advisories of the languages' packages
	byNVD    = "nvd"    // what is looked up by name and maker alone
)

// provider is one whose records the database is put together from.
type provider struct {
	Name     string    `json:"name"`
	Captured time.Time `json:"dateCaptured"`
}

// advised are the types of packages that GitHub's advisories tell of.
var advised = []string{
	"dart-pub", "dotnet", "erlang-otp", "gem", "github-action", "github-action-workflow", "go-module", "hex", "java-archive",
	"jenkins-plugin", "npm", "php-composer", "python", "rust-crate", "swift",
}

// publishers are the providers of what is known about a distribution, by what
// grype calls it; for others, whose name is their own.
var publishers = map[string][]string{
	"redhat": {"rhel"}, "centos": {"rhel"}, "rockylinux": {"rocky", "rhel"}, "almalinux": {"alma", "rhel"}, "amazonlinux": {"amazon"},
	"oraclelinux": {"oracle"}, "archlinux": {"arch"}, "azurelinux": {"mariner"}, "opensuseleap": {"sles"}, "raspbian": {"debian"},
}

// needed are the providers without which nothing is known about packages, but
// about those of a distribution: whether that is known is asked by its release.
func needed(packages []sbom.Package) []string {
	var out []string
	for _, p := range packages {
		switch {
		case slices.Contains(systemTypes, p.Type):
		case p.Type == "bitnami":
			out = append(out, p.Type)
		case p.Type == "msrc-kb":
			out = append(out, "msrc")
		case p.Type == "go-module": // the standard library's are not among the advisories
			out = append(out, byGitHub, byNVD)
		case slices.Contains(advised, p.Type):
			out = append(out, byGitHub)
		default:
			out = append(out, byNVD)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fed refuses an answer about packages of which no provider of the database
// tells, or one whose records are older than the policy allows, however new the
// database is that was put together from them.
func (s *Source) fed(ctx context.Context, packages []sbom.Package, of *system) error {
	there, err := s.db.provided(ctx)
	if err != nil {
		return err
	}
	asked := needed(packages)
	for _, name := range asked {
		if _, has := there[name]; !has {
			return &trouble{state: model.ScanUnsupported, detail: fmt.Sprintf("the database has nothing by the provider %q, which tells of packages that the image has", name) + fill}
		}
	}
	if of != nil {
		name := strings.ToLower(of.Name)
		asked = append(asked, append([]string{name}, publishers[name]...)...)
	}
	for _, name := range asked {
		at, has := there[name]
		switch {
		case !has || s.o.MaxAge == 0:
		case at.After(s.o.Now().Add(skew)):
			return &trouble{state: model.ScanFailed, detail: fmt.Sprintf("what the database has by the provider %q is of %s, which is in the future", name, at.UTC().Format(time.RFC3339))}
		case s.o.Now().Sub(at) > s.o.MaxAge:
			return &trouble{state: model.ScanStale, detail: fmt.Sprintf("what the database has by the provider %q is of %s, older than %s", name, at.UTC().Format(time.RFC3339), s.o.MaxAge) + fill}
		}
	}
	return nil
}

// provided tells when the records of each provider were captured.
func (d *database) provided(ctx context.Context) (map[string]time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.providers != nil {
		return d.providers, nil
	}
	var list []provider
	if err := d.ask(ctx, &list, "providers"); err != nil {
		return nil, err
	}
	d.providers = map[string]time.Time{}
	for _, p := range list {
		d.providers[p.Name] = p.Captured
	}
	return d.providers, nil
}
