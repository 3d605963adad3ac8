package planning_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestHeldUpdatesAreShown plans a fleet whose lock notes updates that failed:
// each is named with the images that fail, whenever it is planned.
func TestHeldUpdatesAreShown(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("5", 64)
	note := func(ref, rest string) string {
		return "  " + ref + ":\n    digest: " + digest + "\n    last: \"2026-11-21T12:00:00Z\"\n" + rest
	}
	r := gittest.New(t)
	r.Commit(map[string]string{
		"rootfsgen.yaml": "version: 1\nupdates: {backoff: 24h, quarantine: 3}\n", "images/a/Dockerfile": "FROM scratch\nCOPY f /\n", "images/a/f": "",
		"images.lock": "version: 1\nfailed:\n" + note("docker.io/library/a:1", "    failures: 3\n    images:\n      python:3.13: 3\n      app: 1\n") +
			note("docker.io/library/b:1", "    failures: 1\n    images:\n      app: 1\n") + note("docker.io/library/c:1", "    failures: 2\n"),
	})
	r.Git("tag", "v1")
	p, err := planOf(t.Context(), frame(r.Dir, nil), planning.Options{From: "v1", To: "HEAD", State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	var held []string
	for _, n := range p.Notes {
		if strings.HasPrefix(n, "The update of ") {
			held = append(held, n)
		}
	}
	if d := cmp.Diff([]string{
		"The update of docker.io/library/a:1 to 555555555555 is in quarantine: python:3.13, app failed up to 3 times with it.",
		"The update of docker.io/library/b:1 to 555555555555 waits: app failed once with it.",
		"The update of docker.io/library/c:1 to 555555555555 waits: images failed 2 times with it.",
	}, held); d != "" {
		t.Errorf("-want +got:\n%s\n%v", d, p.Notes)
	}
}
