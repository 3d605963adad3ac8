package artifact_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/artifact"
)

var when = time.Date(2026, 11, 21, 9, 30, 0, 123456000, time.FixedZone("", 3600))

func TestWrite(t *testing.T) {
	t.Parallel()
	digest := "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	base := artifact.Artifact{ImageID: "python", Ref: "r/python:1", Tag: "1", Digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111", Size: 7, UpdatedAt: when}
	head := "{\n  \"image_id\": \"python\",\n  \"ref\": \"r/python:1\",\n  \"tag\": \"1\",\n  \"digest\": \"" + digest + "\",\n  \"size\": 7,\n  \"arch\": "
	tail := ",\n  \"updated_at\": \"2026-11-21T08:30:00.123456Z\"\n}\n"
	for name, c := range map[string]struct {
		arch  artifact.Arch
		index bool
		file  string
		want  string
	}{
		"one platform":               {artifact.Arch{"arm64"}, false, "python-arm64.json", `"arm64"`},
		"an index":                   {artifact.Arch{"amd64", "arm64"}, true, "python.json", "[\n    \"amd64\",\n    \"arm64\"\n  ]"},
		"an index with one platform": {artifact.Arch{"amd64"}, true, "python.json", "[\n    \"amd64\"\n  ]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "build-artifacts")
			a := base
			a.Arch, a.Index = c.arch, c.index
			for range 2 { // the second replaces the first
				if err := artifact.Write(dir, a); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+c.want+tail, string(got)); diff != "" {
				t.Error(diff)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 { // with the .gitignore that hides it
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := artifact.Artifact{ImageID: "python", Ref: "r/python:1", Tag: "1", Digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111", Arch: artifact.Arch{"amd64"}, Index: true, UpdatedAt: when}
	if err := artifact.Write(dir, a); err != nil {
		t.Fatal(err)
	}
	if err := artifact.WriteFile(dir, "torn.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		id, ref string
		want    bool
	}{
		"the same": {"python", a.Ref, true}, "another tag": {"python", "r/python:2", false}, "none": {"node", a.Ref, false},
		"torn": {"torn", "", false}, "no id": {"../python", a.Ref, false},
	} {
		if got := artifact.Index(dir, c.id, c.ref, a.Digest); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if artifact.Index(dir, "python", a.Ref, "sha256:2222222222222222222222222222222222222222222222222222222222222222") {
		t.Error("another digest is taken for it")
	}
	if err := artifact.WriteFile(dir, "../x", nil); err == nil {
		t.Error("a file was written outside")
	}
}

func TestWriteRefusesAnIDThatIsNoFileName(t *testing.T) {
	t.Parallel()
	for _, a := range []artifact.Artifact{
		{ImageID: "../x", Arch: artifact.Arch{"amd64"}},
		{ImageID: "", Arch: artifact.Arch{"amd64"}},
		{ImageID: "python", Arch: artifact.Arch{"../x"}},
	} {
		if err := artifact.Write(t.TempDir(), a); err == nil {
			t.Errorf("%+v is written", a)
		}
	}
}
