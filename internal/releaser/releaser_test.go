package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/keytest"
)

const commit = "0123456789012345678901234567890123456789"

// made is a folder with a release that was documented.
func made(t *testing.T, env map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"rootfsrun-linux-amd64": "a program", "rootfsgen-linux-amd64": "another",
		"rootfsrun-linux-amd64.cdx.json": `{"bomFormat":"CycloneDX","serialNumber":"urn:uuid:1","metadata":{"timestamp":"2026-11-21T00:00:00Z","component":{"name":"x"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(t.Context(), []string{"document", dir, "--version", "v1.2.3", "--commit", commit}, variables(env), io.Discard); err != nil {
		t.Fatal(err)
	}
	return dir
}

func variables(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestDocument writes the same whenever it is asked, and says who compiled.
func TestDocument(t *testing.T) {
	t.Parallel()
	desk := made(t, nil)
	for _, name := range []string{sumsFile, provenanceFile, "rootfsrun-linux-amd64.cdx.json"} {
		if !bytes.Equal(read(t, desk, name), read(t, made(t, nil), name)) {
			t.Errorf("%s differs from time to time", name)
		}
	}
	if packages := string(read(t, desk, "rootfsrun-linux-amd64.cdx.json")); strings.Contains(packages, "2026") || strings.Contains(packages, "uuid") || !strings.Contains(packages, `"name": "x"`) {
		t.Error(packages)
	}
	for builder, env := range map[string]map[string]string{
		"https://rootfsgen.dev/builder/desk": nil,
		"https://github.com/o/r/.github/workflows/rootfsgen-release.yml@refs/tags/v1.2.3": {
			"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/rootfsgen-release.yml@refs/tags/v1.2.3",
		},
		"https://gitlab.com/o/r//.gitlab-ci.yml@refs/tags/v1.2.3": {
			"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/o/r", "CI_COMMIT_TAG": "v1.2.3", "CI_COMMIT_REF_NAME": "v1.2.3", "CI_CONFIG_PATH": ".gitlab-ci.yml",
		},
	} {
		var said struct {
			Subject   []struct{ Name string }
			Predicate struct {
				RunDetails      struct{ Builder struct{ ID string } }
				BuildDefinition struct {
					ResolvedDependencies []struct{ Digest map[string]string }
				}
			}
		}
		if err := json.Unmarshal(read(t, made(t, env), provenanceFile), &said); err != nil {
			t.Fatal(err)
		}
		p := said.Predicate
		if p.RunDetails.Builder.ID != builder || len(said.Subject) != 3 || p.BuildDefinition.ResolvedDependencies[0].Digest["gitCommit"] != commit {
			t.Errorf("%+v, want %s", said, builder)
		}
	}
}

// TestVerifySeesEachChange signs a release and changes one thing after another.
func TestVerifySeesEachChange(t *testing.T) {
	t.Parallel()
	private, public := keytest.New(t)
	pub := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(pub, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	env := variables(map[string]string{"KEY": private})
	sign := func(dir string) error {
		return run(t.Context(), []string{"sign", dir, "--key", "env:KEY"}, env, io.Discard)
	}
	verify := func(dir string) error {
		return run(t.Context(), []string{"verify", dir, "--key", pub}, env, io.Discard)
	}
	resign := func(t *testing.T, dir string) { // digests and provenance of what was changed, signed by nobody
		t.Helper()
		if err := run(t.Context(), []string{"document", dir, "--version", "v1.2.3", "--commit", commit}, env, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T, dir, name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	changes := map[string]func(t *testing.T, dir string){
		"a program":      func(t *testing.T, dir string) { put(t, dir, "rootfsgen-linux-amd64", "evil") },
		"one more file":  func(t *testing.T, dir string) { put(t, dir, "more", "evil") },
		"a digest":       func(t *testing.T, dir string) { put(t, dir, sumsFile, string(read(t, dir, sumsFile))+"\n") },
		"no signature":   func(t *testing.T, dir string) { put(t, dir, sumsFile+bundleSuffix, "{}") },
		"no attestation": func(t *testing.T, dir string) { put(t, dir, provenanceFile+bundleSuffix, "{}") },
		"swapped": func(t *testing.T, dir string) {
			put(t, dir, provenanceFile+bundleSuffix, string(read(t, dir, sumsFile+bundleSuffix)))
		},
		"all, unsigned":     func(t *testing.T, dir string) { put(t, dir, "rootfsgen-linux-amd64", "evil"); resign(t, dir) },
		"another origin":    func(t *testing.T, dir string) { put(t, dir, provenanceFile, "{}"); all(t, dir) },
		"a missing program": func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "rootfsgen-linux-amd64")) },
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := made(t, nil)
			if err := sign(dir); err != nil {
				t.Fatal(err)
			}
			if err := verify(dir); err != nil {
				t.Fatal(err)
			}
			changes[name](t, dir)
			if err := verify(dir); err == nil {
				t.Error("nobody has noticed")
			}
		})
	}
	inVariable := made(t, nil)
	if err := run(t.Context(), []string{"sign", inVariable}, variables(map[string]string{"RELEASE_KEY": env("KEY")}), io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := verify(inVariable); err != nil {
		t.Errorf("signed with the key in RELEASE_KEY: %v", err)
	}
	damaged := made(t, nil)
	put(t, damaged, "rootfsgen-linux-amd64", "evil")
	if err := sign(damaged); err == nil {
		t.Error("what does not fit its digests was signed")
	}
}

// all writes the digests anew, as somebody would who hides a change.
func all(t *testing.T, dir string) {
	t.Helper()
	r := release{dir: dir}
	files, err := r.files(sumsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.write(sumsFile, sums(files)); err != nil {
		t.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"sign"}, {"verify", ".", "more"}, {"other", "."}, {"document", ".", "--version", "../v", "--commit", commit}, {"document", ".", "--version", "v1", "--commit", "HEAD"}} {
		if err := run(t.Context(), args, variables(nil), io.Discard); err == nil {
			t.Errorf("%q", args)
		}
	}
}
