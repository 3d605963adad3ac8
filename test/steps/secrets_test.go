package steps

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// value is what must be seen nowhere. Its pieces are made here only.
const value = "hunter2-" + "correct-horse-" + "battery"

const (
	reads = "FROM BUSYBOX\nRUN --mount=type=secret,id=npm,required sha256sum < /run/secrets/npm > /sum && echo it is: && cat /run/secrets/npm && echo\n"
	fails = "FROM BUSYBOX\nRUN --mount=type=secret,id=npm,env=NPM echo \"token=$NPM\"; echo \"$NPM\" >&2; exit 3\n"
)

// secretBench is a fleet with an image whose build reads a secret, one that is
// built from it, and one whose build fails after it has printed the secret.
func secretBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	busybox := enginetest.Busybox(t)
	b.Commit(map[string]string{
		"images/private/Dockerfile": strings.ReplaceAll(reads, "BUSYBOX", busybox),
		"images/private/image.yaml": "secrets: {npm: NPM_TOKEN}\ntests:\n  - {name: sum, cmd: cat /sum}\n",
		"images/above/Dockerfile":   "FROM private\nRUN cp /sum /again\n",
		"images/broken/Dockerfile":  strings.ReplaceAll(fails, "BUSYBOX", busybox),
		"images/broken/image.yaml":  "secrets: {npm: NPM_TOKEN}\n",
	})
	return b
}

func TestSecretsReachTheBuildAlone(t *testing.T) {
	b := secretBench(t)
	const amd = "linux/amd64"
	b.plan()
	_, errs, code := b.try("rootfsrun", "build", "private", "--platform", amd, "--plan", "out/plan.json")
	if code != 2 || !strings.Contains(errs, "NPM_TOKEN") || strings.Contains(errs, "RUN --mount") {
		t.Errorf("without a value: exit code %d\n%s", code, errs)
	}
	b.env = append(b.env, "NPM_TOKEN="+value)
	var printed strings.Builder
	for _, mode := range []string{"plain", "rawjson"} {
		out, errs, code := b.try("rootfsrun", "build", "broken", "--platform", amd, "--plan", "out/plan.json", "--progress", mode)
		if printed.WriteString(out + errs); code != 1 || mode == "plain" && !strings.Contains(errs, "token=***") {
			t.Errorf("%s: exit code %d\n%s", mode, code, errs)
		}
	}
	out, errs, code := b.try("rootfsrun", "build", "private", "--platform", amd, "--plan", "out/plan.json", "--progress", "plain", "-v")
	if printed.WriteString(out + errs); code != 0 || !strings.Contains(errs, "it is:") || !strings.Contains(errs, "***") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	out, errs, code = b.try("rootfsrun", "test", "private", "--platform", amd, "--plan", "out/plan.json", "-v")
	if printed.WriteString(out + errs); code != 0 {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if strings.Contains(printed.String(), value) {
		t.Errorf("printed:\n%s", printed.String())
	}
	img := image(t, b.prefix+"/private")
	// sha256sum of the value: it did reach the instruction.
	if sum := layers(t, img)["sum"]; !strings.HasPrefix(sum, model.DigestOf([]byte(value)).Hex()) {
		t.Errorf("the instruction read another value: %q", sum)
	}
	nowhere(t, b)
	everythingOf(t, b.prefix+"/private")

	// Another value is no reason to build again, and none is needed for what is
	// there.
	b.env = append(b.env, "NPM_TOKEN=")
	b.plan()
	b.expect(map[string]string{"private " + amd: "reused"}, "build", "private", "--platform", amd)
}

// TestStrangersGetNoSecrets runs the fleet as a request from a fork does.
func TestStrangersGetNoSecrets(t *testing.T) {
	b := secretBench(t)
	out, errs, code := b.try("rootfsrun", "run", "--registry", b.prefix, "--platform", "linux/amd64", "--without-secrets", "tools", "above", "broken")
	if code != 0 || !strings.Contains(errs, "needs secrets: above:0, broken:0, private:0") || !strings.Contains(out, "tools") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func image(t *testing.T, repo string) v1.Image {
	t.Helper()
	r, err := name.NewRepository(repo, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if strings.HasPrefix(tag, "k-") {
			img, err := remote.Image(r.Tag(tag))
			if err != nil {
				t.Fatal(err)
			}
			return img
		}
	}
	t.Fatalf("no content in %v", tags)
	return nil
}

// layers are the files of an image, by name.
func layers(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	all, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, l := range all {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			content, readErr := io.ReadAll(archive)
			if err != nil || readErr != nil {
				t.Fatal(err, readErr)
			}
			files[h.Name] = string(content)
		}
	}
	return files
}

// everythingOf fails where anything that a repository's tags lead to holds the
// value: manifests, configurations with their history, receipts and files.
func everythingOf(t *testing.T, repo string) {
	t.Helper()
	r, err := name.NewRepository(repo, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(r)
	if err != nil || len(tags) < 2 {
		t.Fatal(tags, err)
	}
	for _, tag := range tags {
		d, err := remote.Get(r.Tag(tag))
		if err != nil {
			t.Fatal(err)
		}
		texts := [][]byte{d.Manifest}
		if img, err := d.Image(); err == nil {
			config, err := img.RawConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, config)
			all, err := img.Layers()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range all {
				content, err := l.Uncompressed()
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(content)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
		}
		for _, text := range texts {
			if bytes.Contains(text, []byte(value)) {
				t.Errorf("%s:%s holds the value", repo, tag)
			}
		}
	}
}

// nowhere fails where a file of the checkout holds the value: the plan, the
// reports, and what is kept between runs.
func nowhere(t *testing.T, b *bench) {
	t.Helper()
	plan, seen := false, 0
	err := filepath.WalkDir(b.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(value)) {
			t.Errorf("%s holds the value", path)
		}
		plan = plan || bytes.Contains(text, []byte("NPM_TOKEN")) && filepath.Base(path) == "plan.json"
		seen++
		return err
	})
	if err != nil || !plan || seen < 10 {
		t.Errorf("%v: %d files, the plan names the variable: %v", err, seen, plan)
	}
}
