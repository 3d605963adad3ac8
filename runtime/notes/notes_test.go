package notes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/notes"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// version publishes one platform of an image with its packages and findings.
func version(t *testing.T, c *registry.Client, repo, tag, packages string, findings ...model.Finding) manifest.Image {
	t.Helper()
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.PushImage(t.Context(), repo, img)
	if err != nil {
		t.Fatal(err)
	}
	if packages != "" {
		_, err = c.PutArtifact(t.Context(), repo, registry.Artifact{Subject: digest, Type: sbom.MediaType(sbom.CycloneDX), Body: []byte(packages)})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = scan.Store{Registry: c}.Save(t.Context(), repo, model.Scan{
		Image: "python", Tag: "1", Platform: "linux/amd64", Digest: digest, Source: model.SourceLocal, Tool: "grype 1", Database: "2026-11-20T00:00:00Z",
		State: model.ScanFinished, Time: "2026-11-21T00:00:00Z", Findings: append([]model.Finding{}, findings...),
	})
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Image{
		ID: "python", Label: "Python", Image: repo + ":" + tag, Repository: "python", VersionTag: tag,
		Digest: manifest.Digest(model.DigestOf([]byte(tag))), Platforms: map[string]model.Digest{"linux/amd64": digest},
	}
}

func list(versions ...string) string {
	var c []string
	for _, v := range versions {
		name, version, _ := strings.Cut(v, "@")
		c = append(c, `{"type":"library","name":"`+name+`","version":"`+version+`","purl":"pkg:deb/debian/`+v+`","properties":[{"name":"syft:package:type","value":"deb"}]}`)
	}
	return `{"bomFormat":"CycloneDX","components":[` + strings.Join(c, ",") + `]}`
}

func TestNotesAreWhatDiffersInside(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	repo := s.Prefix("prod/python")
	old := model.Finding{ID: "CVE-2026-1", PURL: "pkg:deb/debian/openssl@3.0.1", Severity: model.SeverityHigh}
	fresh := model.Finding{ID: "CVE-2026-2", PURL: "pkg:deb/debian/zlib@1.3", Severity: model.SeverityLow}
	both := model.Finding{ID: "CVE-2026-3", PURL: "pkg:deb/debian/libc6@2.41", Severity: model.SeverityLow}
	from := &manifest.Document{Version: 1, Commit: strings.Repeat("1", 40), Images: []manifest.Image{
		version(t, c, repo, "1", list("openssl@3.0.1", "libc6@2.41", "gone@1"), old, both),
		{ID: "same", Digest: "sha256:s"}, {ID: "retired", Image: "registry.example.com/retired:7"},
	}}
	to := &manifest.Document{Version: 1, Commit: strings.Repeat("2", 40), Images: []manifest.Image{
		version(t, c, repo, "2", list("openssl@3.0.2", "libc6@2.41", "zlib@1.3"), both, fresh),
		{ID: "same", Digest: "sha256:s"}, {ID: "new|one", Image: "registry.example.com/new:`1`"},
	}}
	n, err := notes.Compare(t.Context(), c, from, to)
	if err != nil {
		t.Fatal(err)
	}
	got := n.Markdown()
	for _, want := range []string{
		"## Images, 111111111111 to 222222222222\n", "| `python` | changed | `1` | `2` | `sha256:", "| `retired` | removed | `7` |",
		"1 more are the same", "### python\n\nlinux/amd64:\n\n",
		"- `openssl` `3.0.1` → `3.0.2`\n", "- `gone` `1` → none\n", "- `zlib` none → `1.3`\n",
		"- fixed: HIGH `CVE-2026-1` in `pkg:deb/debian/openssl@3.0.1`\n", "- **new**: LOW `CVE-2026-2` in `pkg:deb/debian/zlib@1.3`\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the notes lack %q:\n%s", want, got)
		}
	}
	for _, wrong := range []string{"libc6", "CVE-2026-3", "new|one", ":`1`"} {
		if strings.Contains(got, wrong) {
			t.Errorf("the notes have %q:\n%s", wrong, got)
		}
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c := registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	repo := s.Prefix("prod/python")
	from := &manifest.Document{Images: []manifest.Image{version(t, c, repo, "1", "")}}
	to := &manifest.Document{Images: []manifest.Image{version(t, c, repo, "2", list("a@1"))}}
	n, err := notes.Compare(t.Context(), c, from, to)
	if err != nil || !strings.Contains(n.Markdown(), "there is no list of the packages of both") {
		t.Errorf("%s, %v", n.Markdown(), err)
	}
	s.Close()
	if _, err := notes.Compare(t.Context(), c, from, to); err == nil {
		t.Error("a registry that is away reads as one that has nothing")
	}
}

// TestFixedReferencesAreNamed compares documents with references that are
// somebody else's: all are named, and one that is another now has changed.
func TestFixedReferencesAreNamed(t *testing.T) {
	t.Parallel()
	c := registry.New(registry.Options{})
	from := &manifest.Document{Images: []manifest.Image{{ID: "a", Image: "example.com/a:1"}, {ID: "b", Image: "example.com/b:1"}}}
	to := &manifest.Document{Images: []manifest.Image{{ID: "a", Image: "example.com/a:1"}, {ID: "b", Image: "example.com/b:2|`evil`"}}}
	n, err := notes.Compare(t.Context(), c, from, to)
	if err != nil || n.Same != 1 || len(n.Images) != 1 || n.Images[0].Kind != notes.Changed || len(n.Fixed) != 2 {
		t.Fatalf("%+v, %v", n, err)
	}
	for _, documents := range [][2]*manifest.Document{{from, to}, {to, to}} {
		if n, err = notes.Compare(t.Context(), c, documents[0], documents[1]); err != nil {
			t.Fatal(err)
		}
		text := n.Markdown()
		for _, want := range []string{"### Not scanned and not judged", "- `a` is `example.com/a:1`, which is somebody else's", "- `b` is `example.com/b:2''evil'`, which"} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in:\n%s", want, text)
			}
		}
	}
}
