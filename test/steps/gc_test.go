package steps

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// TestCollecting runs rootfsrun gc as a person and as a closed request's job
// does.
func TestCollecting(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	client, folder := registry.New(registry.Options{}), t.TempDir()
	publish := func(version, snapshot string) *model.Plan {
		p := plantest.Plan(b.prefix, '1', plantest.Image{ID: "base", Content: version})
		p.Indexes[0].Version = version
		if p.SnapshotID = snapshot; snapshot != "" {
			p.Scope = model.ScopePR
		}
		plantest.All(t, client, p)
		if _, err := (index.Step{Registry: client}).Run(t.Context(), p, &p.Indexes[0]); err != nil {
			t.Fatal(err)
		}
		return p
	}
	named := publish("1-2026.11.20", "")
	if _, err := (manifest.Step{Registry: client, Store: &channel.File{Dir: folder}}).Run(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	publish("1-2026.11.21", "")
	publish("1-2026.11.21-pr-7", "pr-7")
	there := func(version string) bool {
		_, found, err := client.Resolve(t.Context(), b.prefix+"/base", version)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	run := func(want, items, deleted int, args ...string) {
		t.Helper()
		out, errs, code := b.try("rootfsrun", append([]string{"gc", "--registry", b.prefix, "--store", "file:" + folder, "--json"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
		}
		if want != 0 {
			return
		}
		var r gc.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if i, d := r.Count(); i != items || d != deleted {
			t.Errorf("%v: %d found, %d deleted, want %d and %d\n%s", args, i, d, items, deleted, out)
		}
	}
	const each = 8 // an index, two platforms, a receipt of merging, two of building, two of testing
	run(2, 0, 0, "--snapshot", "../x")
	run(2, 0, 0, "--snapshot", "pr-7", "--scope", "prod")
	run(2, 0, 0, "--grace", "-1h")
	run(2, 0, 0, "--repository", "../x")
	run(0, 0, 0, "--delete", "--grace", "876000h")
	run(0, each, 0, "--snapshot", "pr-7")
	run(0, each, each, "--snapshot", "pr-7", "--delete")
	if there("1-2026.11.21-pr-7") || !there("1-2026.11.21") {
		t.Error("the closed request's image is there, or another one is not")
	}
	run(0, each, 0, "--grace", "0s")
	run(0, each, each, "--grace", "0s", "--delete")
	if there("1-2026.11.21") || !there("1-2026.11.20") {
		t.Error("what no channel names is there, or what it names is not")
	}
	run(0, 0, 0, "--grace", "0s", "--delete")
	// What closed need not be a fleet that loads, and what queues left is old.
	publish("1-2026.11.23-pr-8", "pr-8")
	publish("1-2026.11.23-queue-1", "queue-1")
	b.Commit(map[string]string{"images/app/Dockerfile": "FROM nobody/locked:this\n", "images/tools/image.yaml": "arch: [nonsense]\n"})
	ci := b.env
	b.env = append(slices.Clone(ci), "CI=true")
	run(3, 0, 0, "--scope", "pr")
	run(0, each, each, "--snapshot", "pr-8", "--delete")
	if there("1-2026.11.23-pr-8") || !there("1-2026.11.23-queue-1") {
		t.Error("the closed request's image is there, or that of a queue which may still run is not")
	}
	b.env = ci
	// A document that cannot be read may name anything.
	publish("1-2026.11.22", "")
	if err := os.WriteFile(filepath.Join(folder, channel.Testing), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.Commit(map[string]string{"images/app/Dockerfile": "FROM scratch\nCOPY app.txt /\n", "images/tools/image.yaml": "{}\n"})
	run(1, 0, 0, "--grace", "0s", "--delete")
	if !there("1-2026.11.22") {
		t.Error("it was deleted, though nobody knows what counts")
	}
}
