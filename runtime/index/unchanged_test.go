package index_test

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// made is what a build of one generation gives.
type made struct {
	libc, cmd string
	noise     string // a file that no package owns
}

// buildAs leaves in the registry what a build and its passed tests leave.
func buildAs(t *testing.T, c *registry.Client, p *model.Plan, m made) {
	t.Helper()
	for n := range p.Entries {
		e := &p.Entries[n]
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, text := range map[string]string{"var/lib/dpkg/status": "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: " + m.libc + "\n", "noise": m.noise} {
			if m.libc == "" && name != "noise" {
				continue
			}
			if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(text))}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), static.NewLayer(b.Bytes(), types.OCIUncompressedLayer))
		if err == nil {
			img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: e.Platform.Arch, Config: v1.Config{Cmd: []string{m.cmd}}, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}})
		}
		if err != nil {
			t.Fatal(err)
		}
		repo := p.Prefix + "/" + e.Repository
		d, err := c.PushImage(t.Context(), repo, img)
		if err == nil {
			_, err = c.TagOnce(t.Context(), repo, d, model.ContentTag(e.Key, e.Generation))
		}
		if err == nil {
			err = c.PutReceipt(t.Context(), repo, plantest.Receipt(e, model.StepBuild, model.BuildStepKey(e.Key, e.Generation), d))
		}
		if err != nil {
			t.Fatal(err)
		}
		plantest.Test(t, c, p, e, d)
	}
}

// again is the plan of the next generation of everything.
func again(s *registrytest.Server, content string, generation int, publish string) *model.Plan {
	p := python(s, content)
	p.Publish, p.Date = publish, "2026.11.28"
	for n := range p.Entries {
		p.Entries[n].Generation = generation
	}
	for n := range p.Indexes {
		p.Indexes[n].Generation, p.Indexes[n].Version = generation, strings.Replace(p.Indexes[n].Version, "21", "28", 1)
	}
	plantest.Refresh(p)
	return p
}

func TestOnlyChangesArePublished(t *testing.T) {
	t.Parallel()
	first := made{libc: "2.36-9", cmd: "sh", noise: "monday"}
	for name, c := range map[string]struct {
		publish   string
		before    made
		now       made
		content   string // another one is another key
		published bool
	}{
		"nothing but the time":   {publish: model.PublishChanged, before: first, now: made{"2.36-9", "sh", "tuesday"}},
		"a version":              {publish: model.PublishChanged, before: first, now: made{"2.36-9+deb12u1", "sh", "monday"}, published: true},
		"the configuration":      {publish: model.PublishChanged, before: first, now: made{"2.36-9", "bash", "monday"}, published: true},
		"always":                 {before: first, now: made{"2.36-9", "sh", "tuesday"}, published: true},
		"a changed key":          {publish: model.PublishChanged, before: first, now: made{"2.36-9", "sh", "tuesday"}, content: "b", published: true},
		"what cannot be read":    {publish: model.PublishChanged, before: made{"", "sh", "a"}, now: made{"", "sh", "b"}, published: true},
		"unreadable from now on": {publish: model.PublishChanged, before: first, now: made{"", "sh", "b"}, published: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c1 := registrytest.New(t), client()
			p := again(s, "a", 0, c.publish)
			p.Date = "2026.11.21"
			for n := range p.Indexes {
				p.Indexes[n].Version = "1-2026.11.21"
			}
			buildAs(t, c1, p, c.before)
			old := mustMerge(t, p)
			next := again(s, "a"+c.content, 1, c.publish)
			buildAs(t, c1, next, c.now)
			at := time.Unix(1796000000, 0)
			for range 2 {
				r, err := index.Step{Registry: c1, Now: func() time.Time { return at }}.Run(t.Context(), next, &next.Indexes[0])
				_, skipped := step.Skipped(err)
				if err != nil && !skipped {
					t.Fatal(err)
				}
				if got := r.VersionTag != old.VersionTag; got != c.published {
					t.Errorf("it is %s now, published %v: %v", r.VersionTag, got, err)
				}
				if !c.published && (r.Digest != old.Digest || r.UpdatedAt != old.UpdatedAt) {
					t.Errorf("%+v, before %+v", r, old)
				}
			}
			tags := versions(t, next)
			if _, found := tags["1-2026.11.28"]; found != c.published {
				t.Errorf("the versions are %v", tags)
			}
			if r, merged, err := index.Merged(t.Context(), c1, next, &next.Indexes[0]); err != nil || !merged || (r.Digest == old.Digest) == c.published {
				t.Errorf("the channel gets %+v, %v, %v", r, merged, err)
			}
		})
	}
}
