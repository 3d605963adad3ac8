// Package artifactregistry speaks to Google's Artifact Registry by its own
// interface, which tells what a registry's protocol does not: how a repository
// is set up, what lies in it without a tag, and since when.
package artifactregistry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	artifactregistry "cloud.google.com/go/artifactregistry/apiv1"
	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// pageSize is the largest that Artifact Registry gives.
const pageSize = 1000

// mostThings bounds what is read of one list.
const mostThings = 1_000_000

// Options says how Artifact Registry is reached. The zero value is what a
// command wants.
type Options struct {
	API   googleapi.Options
	Retry googleapi.Retry
	Log   *slog.Logger // nil: nothing is logged
}

// Client asks about repositories. It is safe for concurrent use.
type Client struct {
	o      Options
	conn   *grpc.ClientConn
	client *artifactregistry.Client

	mu    sync.Mutex
	known map[string]Repository // by resource name
}

// New makes a client. It connects to nothing until it is asked to.
func New(o Options) (*Client, error) {
	o.API.Public = googleapi.RegistryEndpoint
	o.Retry.Log = o.Log
	conn, err := googleapi.Dial(o.API)
	if err != nil {
		return nil, err
	}
	client, err := artifactregistry.NewClient(context.Background(), option.WithGRPCConn(conn))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the client of Artifact Registry: %w", err), conn.Close())
	}
	return &Client{o: o, conn: conn, client: client, known: map[string]Repository{}}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Place is what an image's address means to Artifact Registry.
type Place struct {
	Project, Location, Repository string
	Package                       string // the image below the repository, empty for the repository itself
}

var (
	dockerHost = regexp.MustCompile(`^([a-z0-9-]+)-docker\.pkg\.dev$`)
	gcrHosts   = map[string]string{"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
	partForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9._:-]*$`)
)

// PlaceOf reads the address of an image or of what images lie below; false
// where it is not in Artifact Registry.
func PlaceOf(address string) (Place, bool) {
	host, path, _ := strings.Cut(address, "/")
	project, rest, _ := strings.Cut(path, "/")
	if strings.Contains(project, ".") { // a project of a domain
		var own string
		own, rest, _ = strings.Cut(rest, "/")
		project += ":" + own
	}
	p := Place{Project: project}
	if location, known := gcrHosts[host]; known {
		p.Location, p.Repository, p.Package = location, host, rest
	} else if m := dockerHost.FindStringSubmatch(host); m != nil {
		p.Location = m[1]
		p.Repository, p.Package, _ = strings.Cut(rest, "/")
	}
	return p, p.Location != "" && partForm.MatchString(p.Project) && partForm.MatchString(p.Repository)
}

// name is the repository's resource name.
func (p Place) name() string {
	return fmt.Sprintf("projects/%s/locations/%s/repositories/%s", p.Project, p.Location, p.Repository)
}

// packageName is the image's; a slash in it is escaped.
func (p Place) packageName() string { return p.name() + "/packages/" + url.PathEscape(p.Package) }

func placeOf(address string, whole bool) (Place, error) {
	p, ok := PlaceOf(address)
	if !ok || whole && p.Package == "" {
		return Place{}, fmt.Errorf("%s is not in Artifact Registry", address)
	}
	return p, nil
}

// Repository is how a repository is set up.
type Repository struct {
	Place         Place
	Docker        bool   // its format
	Mode          string // "standard", "virtual", "remote"
	ImmutableTags bool   // no tag can be moved or deleted
	Scanning      Scanning
	Cleanup       []Policy // sorted by name
	CleanupDryRun bool     // they delete nothing, and only say what they would
}

// Scanning is whether what is pushed to a repository is scanned.
type Scanning struct {
	Active   bool
	Disabled bool   // for this repository, whatever the project says
	State    string // as Google calls it, "SCANNING_ACTIVE"
	Reason   string // Google's, may be empty
}

// Policy is a cleanup policy.
type Policy struct {
	Name                 string
	Delete               bool // false: it keeps
	Tagged, Untagged     bool // which versions it is about
	TagPrefixes          []string
	VersionPrefixes      []string
	PackagePrefixes      []string
	OlderThan, NewerThan time.Duration
	KeepCount            int32
}

// Repository reads how the repository of an address is set up.
func (c *Client) Repository(ctx context.Context, address string) (Repository, error) {
	p, err := placeOf(address, false)
	if err != nil {
		return Repository{}, err
	}
	var got *pb.Repository
	err = c.o.Retry.Do(ctx, "reading the settings of "+p.name(), func(ctx context.Context) (err error) {
		got, err = c.client.GetRepository(ctx, &pb.GetRepositoryRequest{Name: p.name()}, googleapi.Once())
		return err
	})
	if err != nil {
		return Repository{}, err
	}
	return repositoryOf(p, got), nil
}

func repositoryOf(p Place, r *pb.Repository) Repository {
	s := r.GetVulnerabilityScanningConfig()
	out := Repository{
		Place: Place{Project: p.Project, Location: p.Location, Repository: p.Repository}, Docker: r.GetFormat() == pb.Repository_DOCKER,
		ImmutableTags: r.GetDockerConfig().GetImmutableTags(), CleanupDryRun: r.GetCleanupPolicyDryRun(),
		Scanning: Scanning{
			Active:   s.GetEnablementState() == pb.Repository_VulnerabilityScanningConfig_SCANNING_ACTIVE,
			Disabled: s.GetEnablementConfig() == pb.Repository_VulnerabilityScanningConfig_DISABLED,
			State:    s.GetEnablementState().String(), Reason: googleapi.Line(s.GetEnablementStateReason()),
		},
	}
	switch r.GetMode() {
	case pb.Repository_VIRTUAL_REPOSITORY:
		out.Mode = "virtual"
	case pb.Repository_REMOTE_REPOSITORY:
		out.Mode = "remote"
	default:
		out.Mode = "standard"
	}
	for name, policy := range r.GetCleanupPolicies() {
		out.Cleanup = append(out.Cleanup, policyOf(name, policy))
	}
	slices.SortFunc(out.Cleanup, func(a, b Policy) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func policyOf(name string, p *pb.CleanupPolicy) Policy {
	c := p.GetCondition()
	state := c.GetTagState()
	every := state == pb.CleanupPolicyCondition_ANY || state == pb.CleanupPolicyCondition_TAG_STATE_UNSPECIFIED
	return Policy{
		Name: googleapi.Line(name), Delete: p.GetAction() != pb.CleanupPolicy_KEEP,
		Tagged:      every || state == pb.CleanupPolicyCondition_TAGGED,
		Untagged:    (every || state == pb.CleanupPolicyCondition_UNTAGGED) && len(c.GetTagPrefixes()) == 0,
		TagPrefixes: c.GetTagPrefixes(), VersionPrefixes: c.GetVersionNamePrefixes(), PackagePrefixes: c.GetPackageNamePrefixes(),
		OlderThan: c.GetOlderThan().AsDuration(), NewerThan: c.GetNewerThan().AsDuration(),
		KeepCount: p.GetMostRecentVersions().GetKeepCount(),
	}
}

// Scanned tells whether what is pushed to a repository is scanned, and if not,
// why. It asks once for each repository.
func (c *Client) Scanned(ctx context.Context, address string) (on bool, why string, err error) {
	p, err := placeOf(address, false)
	if err != nil {
		return false, "", err
	}
	c.mu.Lock()
	r, known := c.known[p.name()]
	c.mu.Unlock()
	if !known {
		if r, err = c.Repository(ctx, address); err != nil {
			return false, "", err
		}
		c.mu.Lock()
		c.known[p.name()] = r
		c.mu.Unlock()
	}
	if r.Scanning.State == pb.Repository_VulnerabilityScanningConfig_ENABLEMENT_STATE_UNSPECIFIED.String() && !r.Scanning.Disabled {
		return true, "", nil // nobody can say; waiting tells
	}
	why = r.Scanning.State
	if r.Scanning.Reason != "" {
		why += ": " + r.Scanning.Reason
	}
	return r.Scanning.Active && !r.Scanning.Disabled, why, nil
}

// Images are the addresses of all images below a repository's address, sorted.
func (c *Client) Images(ctx context.Context, address string) ([]string, error) {
	p, err := placeOf(address, false)
	if err != nil {
		return nil, err
	}
	all, err := pages[*pb.Package](ctx, c, "listing the images of "+p.name(), func(ctx context.Context, token string) iterator.Pageable {
		return c.client.ListPackages(ctx, &pb.ListPackagesRequest{Parent: p.name(), PageSize: pageSize, PageToken: token}, googleapi.Once())
	})
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(address, "/")
	root := host + "/" + strings.ReplaceAll(p.Project, ":", "/")
	if p.Repository != host {
		root += "/" + p.Repository
	}
	var out []string
	for _, x := range all {
		image, err := url.PathUnescape(lastPart(x.GetName()))
		if err != nil || model.CheckRepository(image) != nil {
			return nil, fmt.Errorf("listing the images of %s: %q is no image", p.name(), googleapi.Line(x.GetName()))
		}
		if p.Package == "" || image == p.Package || strings.HasPrefix(image, p.Package+"/") {
			out = append(out, root+"/"+image)
		}
	}
	slices.Sort(out)
	return out, nil
}

func lastPart(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// pages reads a list to its end, page by page, or not at all.
func pages[T any](ctx context.Context, c *Client, doing string, read func(ctx context.Context, token string) iterator.Pageable) ([]T, error) {
	var all []T
	token, seen := "", map[string]bool{}
	for {
		var page []T
		var next string
		err := c.o.Retry.Do(ctx, doing, func(ctx context.Context) (err error) {
			page = nil // what a try before this one read of it
			next, err = iterator.NewPager(read(ctx, token), pageSize, token).NextPage(&page)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		switch {
		case next == "":
			return all, nil
		case seen[next]:
			return nil, fmt.Errorf("%s: its pages lead back to one that was read", doing)
		case len(all) > mostThings:
			return nil, fmt.Errorf("%s: there are more than %d", doing, mostThings)
		}
		token, seen[next] = next, true
	}
}
