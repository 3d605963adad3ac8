package gcptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	lropb "cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// mostListed is the largest page of Artifact Registry's lists.
const mostListed = 1000

// Registry is Artifact Registry: how repositories are set up, and the images,
// versions, tags and attachments in them.
type Registry struct {
	Server
	pb.UnimplementedArtifactRegistryServer
	lropb.UnimplementedOperationsServer

	repositories map[string]*pb.Repository
	versions     map[string][]*pb.Version // by package
	tags         map[string][]*pb.Tag     // by package
	attachments  map[string][]*pb.Attachment
	operations   map[string]int // how often each of them is asked for before it has ended
	slow         int
}

// NewRegistry starts it; it ends with the test.
func NewRegistry(t testing.TB, o ...grpc.ServerOption) *Registry {
	t.Helper()
	r := &Registry{
		repositories: map[string]*pb.Repository{}, versions: map[string][]*pb.Version{}, tags: map[string][]*pb.Tag{},
		attachments: map[string][]*pb.Attachment{}, operations: map[string]int{},
	}
	r.listen(t, o, func(s *grpc.Server) {
		pb.RegisterArtifactRegistryServer(s, r)
		lropb.RegisterOperationsServer(s, r)
	})
	return r
}

// Put adds a repository, by its name.
func (r *Registry) Put(x *pb.Repository) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.repositories[x.GetName()] = x
}

// PutVersion adds a version, by its name, and tags for it.
func (r *Registry) PutVersion(x *pb.Version, tags ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parent, _, _ := strings.Cut(x.GetName(), "/versions/")
	r.versions[parent] = append(r.versions[parent], x)
	for _, tag := range tags {
		r.tags[parent] = append(r.tags[parent], &pb.Tag{Name: parent + "/tags/" + tag, Version: x.GetName()})
	}
}

// PutAttachment adds an attachment, by its name.
func (r *Registry) PutAttachment(x *pb.Attachment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parent, _, _ := strings.Cut(x.GetName(), "/attachments/")
	r.attachments[parent] = append(r.attachments[parent], x)
}

// Slow makes each deletion end only when it was asked about n times.
func (r *Registry) Slow(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow = n
}

func missing(name string) error {
	return status.Errorf(codes.NotFound, "Requested entity was not found: %s", name)
}

// GetRepository implements pb.ArtifactRegistryServer.
func (r *Registry) GetRepository(_ context.Context, q *pb.GetRepositoryRequest) (*pb.Repository, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.repositories[q.GetName()]; x != nil {
		return x, nil
	}
	return nil, missing(q.GetName())
}

// ListPackages implements pb.ArtifactRegistryServer.
func (r *Registry) ListPackages(_ context.Context, q *pb.ListPackagesRequest) (*pb.ListPackagesResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.repositories[q.GetParent()] == nil {
		return nil, missing(q.GetParent())
	}
	var all []*pb.Package
	for name := range r.versions {
		if strings.HasPrefix(name, q.GetParent()+"/packages/") {
			all = append(all, &pb.Package{Name: name})
		}
	}
	slices.SortFunc(all, func(a, b *pb.Package) int { return strings.Compare(a.GetName(), b.GetName()) })
	from, to, next, err := page(len(all), q.GetPageSize(), mostListed, q.GetParent(), q.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &pb.ListPackagesResponse{Packages: all[from:to], NextPageToken: next}, nil
}

// ListVersions implements pb.ArtifactRegistryServer.
func (r *Registry) ListVersions(_ context.Context, q *pb.ListVersionsRequest) (*pb.ListVersionsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, known := r.versions[q.GetParent()]
	if !known {
		return nil, missing(q.GetParent())
	}
	from, to, next, err := page(len(all), q.GetPageSize(), mostListed, q.GetParent(), q.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &pb.ListVersionsResponse{Versions: all[from:to], NextPageToken: next}, nil
}

// ListTags implements pb.ArtifactRegistryServer.
func (r *Registry) ListTags(_ context.Context, q *pb.ListTagsRequest) (*pb.ListTagsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.versions[q.GetParent()]; !known {
		return nil, missing(q.GetParent())
	}
	all := r.tags[q.GetParent()]
	from, to, next, err := page(len(all), q.GetPageSize(), mostListed, q.GetParent(), q.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &pb.ListTagsResponse{Tags: all[from:to], NextPageToken: next}, nil
}

// DeleteVersion implements pb.ArtifactRegistryServer: a version with a tag goes
// only by force, and none with an immutable tag goes.
func (r *Registry) DeleteVersion(_ context.Context, q *pb.DeleteVersionRequest) (*lropb.Operation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	parent, _, _ := strings.Cut(q.GetName(), "/versions/")
	repository, _, _ := strings.Cut(parent, "/packages/")
	n := slices.IndexFunc(r.versions[parent], func(v *pb.Version) bool { return v.GetName() == q.GetName() })
	if n < 0 {
		return nil, missing(q.GetName())
	}
	stands := func(t *pb.Tag) bool { return t.GetVersion() == q.GetName() }
	tagged := slices.ContainsFunc(r.tags[parent], stands)
	if tagged && (!q.GetForce() || r.repositories[repository].GetDockerConfig().GetImmutableTags()) {
		return nil, status.Errorf(codes.FailedPrecondition, "%s is tagged", q.GetName())
	}
	r.versions[parent] = slices.Delete(slices.Clone(r.versions[parent]), n, n+1)
	r.tags[parent] = slices.DeleteFunc(slices.Clone(r.tags[parent]), stands)
	name := fmt.Sprintf("%s/operations/%d", repository, len(r.operations))
	r.operations[name] = r.slow
	return r.operation(name)
}

// GetOperation implements lropb.OperationsServer.
func (r *Registry) GetOperation(_ context.Context, q *lropb.GetOperationRequest) (*lropb.Operation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.operations[q.GetName()]; !known {
		return nil, missing(q.GetName())
	}
	r.operations[q.GetName()]--
	return r.operation(q.GetName())
}

func (r *Registry) operation(name string) (*lropb.Operation, error) {
	if r.operations[name] > 0 {
		return &lropb.Operation{Name: name}, nil
	}
	nothing, err := anypb.New(&emptypb.Empty{})
	if err != nil {
		return nil, err
	}
	return &lropb.Operation{Name: name, Done: true, Result: &lropb.Operation_Response{Response: nothing}}, nil
}

// ListAttachments implements pb.ArtifactRegistryServer.
func (r *Registry) ListAttachments(_ context.Context, q *pb.ListAttachmentsRequest) (*pb.ListAttachmentsResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	target, ok := strings.CutPrefix(q.GetFilter(), `target="`)
	if q.GetFilter() != "" && !ok {
		return nil, status.Errorf(codes.InvalidArgument, "invalid filter %q", q.GetFilter())
	}
	target = strings.TrimSuffix(target, `"`)
	var all []*pb.Attachment
	for _, a := range r.attachments[q.GetParent()] {
		if target == "" || a.GetTarget() == target {
			all = append(all, a)
		}
	}
	from, to, next, err := page(len(all), q.GetPageSize(), mostListed, q.GetParent()+q.GetFilter(), q.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &pb.ListAttachmentsResponse{Attachments: all[from:to], NextPageToken: next}, nil
}
