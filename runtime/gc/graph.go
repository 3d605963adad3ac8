package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// requests is how many manifests are read at once.
const requests = 8

func inParallel(ctx context.Context, n int, f func(ctx context.Context, n int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

// node is one manifest of one repository.
type node struct {
	repo    string
	digest  model.Digest
	tags    []string
	foreign []string // tags that are not ours
	kind    string
	unread  string // why it is not understood

	children []model.Digest
	subject  model.Digest
	identity model.Digest // of an index of ours
	version  string       // of an index of ours
	platform []string     // of its children, "linux-amd64"
	receipts []model.Receipt
	uploaded time.Time
	pushed   bool // since the repository was looked at

	kept string // why it counts, empty while it does not
}

// graph is what several repositories hold.
type graph struct {
	now   time.Time
	grace time.Duration

	mu    sync.Mutex
	nodes map[string]map[model.Digest]*node   // by repository
	known map[string]map[string]bool          // tags that were seen, by repository
	about map[string]map[model.Digest][]*node // what is said about a manifest
	parts map[*node]bool                      // of indexes of ours
}

func (g *graph) find(repo string, digest model.Digest) *node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.nodes[repo][digest]
}

// all are the nodes of a repository, sorted.
func (g *graph) all(repo string) []*node {
	var out []*node
	for _, d := range slices.Sorted(maps.Keys(g.nodes[repo])) {
		out = append(out, g.nodes[repo][d])
	}
	return out
}

// look reads what the repositories hold.
func (s Step) look(ctx context.Context, repos []string) (*graph, error) {
	g := &graph{now: s.Now(), grace: s.Grace, nodes: map[string]map[model.Digest]*node{}, known: map[string]map[string]bool{}}
	for _, repo := range repos {
		stored, err := s.Storage.List(ctx, repo)
		if err != nil {
			return nil, err
		}
		g.nodes[repo], g.known[repo] = map[model.Digest]*node{}, map[string]bool{}
		if err := s.add(ctx, g, repo, stored); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// grown reads what was pushed to a repository since it was looked at, and tells
// whether anything was.
func (s Step) grown(ctx context.Context, g *graph, repo string) (bool, error) {
	tags, err := s.Registry.Tags(ctx, repo)
	if err != nil {
		return false, err
	}
	fresh := map[model.Digest]*Stored{}
	for _, tag := range tags {
		if g.known[repo][tag] {
			continue
		}
		d, found, err := s.Registry.Resolve(ctx, repo, tag)
		if err != nil {
			return false, err
		}
		if !found {
			continue
		}
		if fresh[d.Digest] == nil {
			fresh[d.Digest] = &Stored{Digest: d.Digest, pushed: true}
		}
		fresh[d.Digest].Tags = append(fresh[d.Digest].Tags, tag)
	}
	var stored []Stored
	for _, d := range slices.Sorted(maps.Keys(fresh)) {
		stored = append(stored, *fresh[d])
	}
	return len(stored) > 0, s.add(ctx, g, repo, stored)
}

// add reads manifests, and the children of indexes that were not listed.
func (s Step) add(ctx context.Context, g *graph, repo string, stored []Stored) error {
	for len(stored) > 0 {
		err := inParallel(ctx, len(stored), func(ctx context.Context, n int) error {
			x, err := s.read(ctx, repo, stored[n])
			if absent(err) {
				return nil
			}
			if err != nil {
				return err
			}
			g.put(x)
			return nil
		})
		if err != nil {
			return err
		}
		var more []Stored
		for _, x := range stored {
			n := g.find(repo, x.Digest)
			if n == nil {
				continue
			}
			for _, child := range n.children {
				if g.find(repo, child) == nil && !slices.ContainsFunc(more, func(m Stored) bool { return m.Digest == child }) {
					more = append(more, Stored{Digest: child, Uploaded: x.Uploaded, pushed: x.pushed})
				}
			}
		}
		stored = more
	}
	return nil
}

// put adds a node, or what is new about one.
func (g *graph) put(x *node) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tag := range x.tags {
		g.known[x.repo][tag] = true
	}
	if old := g.nodes[x.repo][x.digest]; old != nil {
		old.tags = append(old.tags, x.tags...)
		old.foreign = append(old.foreign, x.foreign...)
		old.pushed = old.pushed || x.pushed
		return
	}
	g.nodes[x.repo][x.digest] = x
}

// document is what manifests and indexes have in common.
type document struct {
	ArtifactType string `json:"artifactType"`
	Config       struct {
		MediaType string `json:"mediaType"`
	} `json:"config"`
	Subject   *struct{ Digest model.Digest } `json:"subject"`
	Manifests []struct {
		Digest   model.Digest `json:"digest"`
		Platform *struct {
			OS   string `json:"os"`
			Arch string `json:"architecture"`
		} `json:"platform"`
	} `json:"manifests"`
	Annotations map[string]string `json:"annotations"`
}

// decode reads a manifest; nil for what is none.
func decode(raw []byte) *document {
	var doc document
	if json.Unmarshal(raw, &doc) != nil {
		return nil
	}
	return &doc
}

// versionAnnotation says which version an index of ours is.
const versionAnnotation = "org.opencontainers.image.version"

const (
	ociManifest, ociIndex   = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
	dockerManifest, dockers = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"
)

func (s Step) read(ctx context.Context, repo string, at Stored) (*node, error) {
	raw, d, err := s.Registry.Manifest(ctx, repo, at.Digest.String())
	if err != nil {
		return nil, err
	}
	x := &node{repo: repo, digest: at.Digest, tags: at.Tags, uploaded: at.Uploaded, pushed: at.pushed}
	if doc := decode(raw); doc != nil {
		x.fill(d.MediaType, doc)
	} else {
		x.unread = "it is no manifest"
	}
	if x.kind == KindReceipt {
		if err := s.readReceipts(ctx, x); err != nil {
			return nil, err
		}
	}
	for _, tag := range x.tags {
		if !x.understands(tag) {
			x.foreign = append(x.foreign, tag)
		}
	}
	return x, nil
}

// fill takes from a document what it refers to.
func (x *node) fill(mediaType string, doc *document) {
	if doc.Subject != nil {
		x.subject = doc.Subject.Digest
	}
	for _, m := range doc.Manifests {
		x.children = append(x.children, m.Digest)
		if m.Platform != nil {
			x.platform = append(x.platform, m.Platform.OS+"-"+m.Platform.Arch)
		}
	}
	if slices.ContainsFunc(append(slices.Clone(x.children), x.subject), func(d model.Digest) bool { return d != "" && !d.Valid() }) {
		x.unread = "it refers to something by no digest that is known"
		return
	}
	switch mediaType {
	case ociIndex, dockers:
		x.kind = KindIndex
		if key, err := model.ParseDigest(doc.Annotations[index.AnnotationKey]); err == nil {
			x.identity, x.version = key, doc.Annotations[versionAnnotation]
		}
		for _, tag := range x.tags {
			if subject, ok := registry.ParseFallbackTag(tag); ok {
				x.kind, x.subject = KindList, subject
			}
		}
	case ociManifest, dockerManifest:
		switch {
		case doc.ArtifactType == registry.ReceiptArtifactType:
			x.kind = KindReceipt
		case x.subject != "":
			x.kind = KindArtifact
		default:
			x.kind = KindImage
		}
	default:
		x.unread = "its media type is " + fmt.Sprintf("%.80q", mediaType)
	}
}

// readReceipts reads what a receipt says. One that cannot be read is not
// understood.
func (s Step) readReceipts(ctx context.Context, x *node) error {
	for _, tag := range x.tags {
		if !strings.HasPrefix(tag, "r-") {
			continue
		}
		r, found, err := s.Registry.Receipt(ctx, x.repo, tag)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, silent := errors.AsType[*registry.Unavailable](err)
		_, denied := errors.AsType[*registry.Denied](err)
		switch {
		case silent, denied:
			return err
		case err != nil:
			x.unread = "it is a receipt that cannot be read"
		case found:
			x.receipts = append(x.receipts, r)
		}
	}
	return nil
}
