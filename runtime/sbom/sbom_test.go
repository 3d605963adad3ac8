package sbom_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var root = enginetest.Debian12(map[string]string{"bash": "5.2.15-2+b7", "openssl": "3.0.1-1"})

var debianPackages = []sbom.Package{
	{Type: "deb", Name: "bash", Version: "5.2.15-2+b7", PURL: "pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-12"},
	{Type: "deb", Name: "openssl", Version: "3.0.1-1", PURL: "pkg:deb/debian/openssl@3.0.1-1?arch=amd64&distro=debian-12"},
}

func syft(t *testing.T) sbom.Program {
	return sbom.NewProgram(filepath.Join(enginetest.Bin(t), "syft"))
}

func impatient() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
}

// pushed is a plan with one target, whose image is in the registry.
func pushed(t *testing.T, c *registry.Client, prefix string) (*model.Plan, *model.Entry) {
	t.Helper()
	e := model.Entry{Image: "python", Tag: "3.13", Repository: "python", Platform: model.LinuxAMD64, Key: model.DigestOf([]byte("key")), Action: model.ActionBuild}
	p := &model.Plan{Prefix: prefix, Entries: []model.Entry{e}}
	d, err := c.PushImage(t.Context(), prefix+"/python", enginetest.Image(t, root))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MoveTag(t.Context(), prefix+"/python", d, model.ContentTag(e.Key, 0)); err != nil {
		t.Fatal(err)
	}
	return p, &p.Entries[0]
}

// In the real registry, which has no referrers API and speaks plain HTTP.
func TestListsAreAttachedOnce(t *testing.T) {
	t.Parallel()
	c := registry.New(registry.Options{})
	p, e := pushed(t, c, enginetest.Services(t).Registry+"/sbom")
	dir := t.TempDir()
	s := sbom.Step{Registry: c, Program: syft(t), Formats: sbom.Formats(), Reports: dir, Out: filepath.Join(dir, "out")}
	var digests []model.Digest
	s.Made = func(of sbom.Subject, docs []sbom.Document) {
		for _, d := range docs {
			digests = append(digests, model.DigestOf(d.Body))
			if strings.Contains(string(d.Body), os.TempDir()) {
				t.Errorf("the %s names a folder of this machine", d.Format)
			}
			if !strings.Contains(string(d.Body), of.Digest.String()) {
				t.Errorf("the %s does not say what it is of", d.Format)
			}
			if d.Format == sbom.SPDX {
				continue
			}
			list, err := sbom.Packages(d.Body)
			if diff := cmp.Diff(debianPackages, list); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", d.Format, err, diff)
			}
		}
	}
	r, err := s.Run(t.Context(), p, e)
	if err != nil {
		t.Fatal(err)
	}
	if r.Step != model.StepSBOM || r.Digest == "" || len(r.Inputs) != 2 || r.Inputs[0].Name != "artifact cyclonedx-json" || r.Inputs[1].Name != "sbom cyclonedx-json" || r.Inputs[1].Digest != digests[0] {
		t.Errorf("receipt %+v", r)
	}
	for _, format := range sbom.Formats() {
		found, err := c.Artifacts(t.Context(), p.Prefix+"/python", r.Digest, sbom.MediaType(format))
		if err != nil || len(found) != 1 {
			t.Errorf("%s: attached %v, %v", format, found, err)
		}
	}
	var names []string
	for _, folder := range []string{dir, s.Out} {
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Name() == ".gitignore" { // as every folder of ours has
				continue
			}
			names = append(names, f.Name())
		}
	}
	if want := []string{"gl-sbom-python-amd64.cdx.json", "out", "python-amd64.cdx.json", "python-amd64.spdx.json", "python-amd64.syft.json"}; !cmp.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	first := slices.Clone(digests)
	digests = nil
	if _, err := s.Run(t.Context(), p, e); err == nil {
		t.Error("the second run did something")
	} else if _, skipped := step.Skipped(err); !skipped {
		t.Fatal(err)
	}
	if !cmp.Equal(digests, first) {
		t.Errorf("the second run says %v, the first %v", digests, first)
	}
}

func TestAnImageInATarFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(file, name.MustParseReference("example.com/x:1"), enginetest.Image(t, root)); err != nil {
		t.Fatal(err)
	}
	docs, err := syft(t).Archive(t.Context(), file, []string{sbom.CycloneDX, sbom.Syft})
	if err != nil {
		t.Fatal(err)
	}
	for format, doc := range docs {
		if list, err := sbom.Packages(doc); err != nil || !cmp.Equal(list, debianPackages) {
			t.Errorf("%s: %v, %v", format, list, err)
		}
	}
	if digest, platform := sbom.Source(docs[sbom.Syft]); !digest.Valid() || platform != model.LinuxAMD64 {
		t.Errorf("it is %s of %s", digest, platform)
	}
	if err := os.WriteFile(file, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	if docs, err := syft(t).Archive(t.Context(), file, []string{sbom.Syft}); err == nil {
		t.Errorf("no image was listed: %.200s", docs[sbom.Syft])
	}
}

// broken is a syft that writes what a shell script says.
func broken(t *testing.T, script string) sbom.Program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "syft")
	if err := os.WriteFile(file, []byte("#!/bin/sh\ncase $1 in --version) echo syft 1.57.0; exit ;; esac\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return sbom.NewProgram(file)
}

// Nothing is attached of what syft did not finish, and no image that the
// registry did not give whole is listed.
func TestFaultsAttachNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		fault  registrytest.Fault
		want   string
	}{
		"syft is killed":           {script: "kill -9 $$", want: "exit code -1"},
		"syft fails":               {script: "echo out of memory >&2; exit 137", want: "exit code 137: out of memory"},
		"syft writes nothing":      {script: "exit 0", want: "no such file"},
		"syft writes half":         {script: `for f in cyclonedx-json syft-json; do printf '{"bomFormat": "Cycl' > $f.out; done`, want: "it is no whole document"},
		"syft writes another form": {script: `for f in cyclonedx-json syft-json; do printf '{}' > $f.out; done`, want: "it is no"},
		"the registry breaks off":  {script: "exit 0", fault: registrytest.Fault{Method: "GET", Path: "/blobs/", Cut: true}, want: "no good answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := registrytest.New(t)
			client := impatient()
			p, e := pushed(t, client, server.Prefix("testing"))
			if c.fault.Path != "" {
				server.Fail(c.fault)
			}
			r, err := sbom.Step{Registry: client, Program: broken(t, c.script)}.Run(t.Context(), p, e)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v, %v; want %q", r, err, c.want)
			}
			server.Heal()
			s, err := sbom.Locate(t.Context(), client, p, e)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := client.Artifacts(t.Context(), s.Repo, s.Digest, ""); err != nil || len(found) != 0 {
				t.Errorf("attached: %v, %v", found, err)
			}
		})
	}
}

// syft is given the image, and nothing that it could have fetched it with.
func TestLoginsDoNotReachSyft(t *testing.T) {
	const secret = "s3cret-of-the-registry"
	t.Setenv("DOCKER_AUTH_CONFIG", `{"auths": {"127.0.0.1": {"password": "`+secret+`"}}}`)
	t.Setenv("SYFT_REGISTRY_AUTH_PASSWORD", secret)
	server := registrytest.New(t)
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != secret {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(guarded.Close)
	client := registry.New(registry.Options{Keychain: login{secret}})
	p, e := pushed(t, client, strings.TrimPrefix(guarded.URL, "http://")+"/testing")
	seen := filepath.Join(t.TempDir(), "seen")
	script := "(env; echo \"$@\"; find . -type f) > " + seen + "; exit 3"
	_, err := sbom.Step{Registry: client, Program: broken(t, script)}.Run(t.Context(), p, e)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("%v", err)
	}
	b, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(b); strings.Contains(text, secret) || strings.Contains(text, "AUTH") || !strings.Contains(text, "image/blobs/sha256/") {
		t.Errorf("syft saw:\n%s", text)
	}
}

// login is one for every registry.
type login struct{ password string }

// Resolve implements authn.Keychain.
func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "x", Password: l.password}, nil
}

func TestWhatIsNoSyft(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "syft")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v, err := sbom.NewProgram(file).Version(t.Context()); err == nil {
		t.Errorf("it is %s", v)
	}
}

func TestNotBuilt(t *testing.T) {
	t.Parallel()
	server := registrytest.New(t)
	p, e := pushed(t, impatient(), server.Prefix("testing"))
	e.Key = model.DigestOf([]byte("another"))
	_, err := sbom.Step{Registry: impatient(), Program: broken(t, "")}.Run(t.Context(), p, e)
	if err == nil || !strings.Contains(err.Error(), "rootfsrun build python:3.13") {
		t.Errorf("%v", err)
	}
}

func TestDiff(t *testing.T) {
	t.Parallel()
	p := func(name, version string) sbom.Package {
		return sbom.Package{Type: "deb", Name: name, Version: version}
	}
	got := sbom.Diff([]sbom.Package{p("a", "1"), p("b", "1"), p("c", "1"), p("c", "2")}, []sbom.Package{p("a", "1"), p("b", "2"), p("d", "1"), p("c", "2")})
	want := []sbom.Change{
		{Type: "deb", Name: "b", From: []string{"1"}, To: []string{"2"}},
		{Type: "deb", Name: "c", From: []string{"1", "2"}, To: []string{"2"}},
		{Type: "deb", Name: "d", From: []string{}, To: []string{"1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzPackages(f *testing.F) {
	f.Add([]byte(`{"artifacts":[{"type":"deb","name":"a\u001b","version":"1","purl":"pkg:deb/a@1"}]}`))
	f.Add([]byte(`{"bomFormat":"CycloneDX","components":[{"type":"library","name":"a","version":"1","properties":[{"name":"syft:package:type","value":"deb"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := sbom.Packages(b)
		if err != nil {
			return
		}
		for _, p := range list {
			for _, s := range []string{p.Type, p.Name, p.Version, p.PURL} {
				if s != sbom.Clean(s) || strings.ContainsAny(s, "\n\r\x1b\x00") {
					t.Errorf("%q", s)
				}
			}
		}
	})
}
