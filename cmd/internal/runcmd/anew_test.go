package runcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// listings is a promotion's image in testing, and a syft that counts.
type listings struct {
	*testing.T
	server *registrytest.Server
	client *registry.Client
	app    app.App
	syft   string
	of     scan.Request
	anew   *anew
}

// pretended is a syft that lists a package of its own, and writes down that it
// was run.
const pretended = `#!/bin/sh
[ "$1" = --version ] && echo syft 1.0.0 && exit
echo run >> "$(dirname "$0")/runs"
for a; do
  case $a in
    cyclonedx-json=*) echo '{"bomFormat":"CycloneDX"}' > "${a#*=}" ;;
    syft-json=*) echo '{"artifacts":[],"descriptor":{"name":"syft","version":"1.0.0"}}' > "${a#*=}" ;;
  esac
done
`

func newListings(t *testing.T, syft string) *listings {
	t.Helper()
	l := &listings{T: t, server: registrytest.New(t)}
	l.client = registry.New(registry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	dir := t.TempDir()
	l.app = app.App{Dir: dir, Log: slog.New(slog.DiscardHandler)}
	bin := filepath.Join(dir, ".cache", "bin")
	l.syft = filepath.Join(bin, "syft")
	image, err := random.Image(1<<10, 1)
	if err == nil {
		err = os.MkdirAll(bin, 0o755)
	}
	if err == nil {
		err = os.WriteFile(l.syft, []byte(syft), 0o755)
	}
	l.of = scan.Request{Repo: l.server.Prefix("testing/python"), Target: model.TargetID{Image: "python", Tag: "1", Platform: model.LinuxAMD64}}
	if err == nil {
		l.of.Digest, err = l.client.PushImage(t.Context(), l.of.Repo, image)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.anew = (&channels{registry: l.server.Prefix("testing"), prod: l.server.Prefix("prod")}).anew(l.client)
	return l
}

// runs is how often syft has listed anything.
func (l *listings) runs() int {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(l.syft), "runs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.Fatal(err)
	}
	return strings.Count(string(b), "run")
}

// rule lists, scans and lists what was not listed, as a ruling does. It returns
// the list that was scanned, and whether the scan was there.
func (l *listings) rule() (list []byte, kept bool) {
	l.Helper()
	said := l.of.State(model.SourceLocal, model.ScanFinished, "")
	said.Tool, said.Database, said.Time = "grype 1, syft 1.0.0", "2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"
	store := l.anew.store(l.client)
	old, kept, err := store.Load(l.Context(), l.of, said.Source, said.Tool, said.Database)
	if kept {
		said = old
	}
	var docs []sbom.Document
	if err == nil {
		of := sbom.Subject{Repo: l.of.Repo, Target: l.of.Target, Digest: l.of.Digest}
		docs, err = l.anew.lister(l.client, l.syft, false).Documents(l.Context(), of, []string{sbom.Syft})
	}
	if err == nil {
		err = store.Save(l.Context(), l.of.Repo, said)
	}
	if err == nil {
		err = l.anew.list(l.Context(), &l.app, l.client, []scan.Request{l.of})
	}
	if err != nil {
		l.Fatal(err)
	}
	if len(said.Findings) != 0 {
		l.Errorf("somebody's scan is believed: %+v", said)
	}
	return docs[0].Body, kept
}

// plant lays another list and another scan there, under the keys that are asked
// for, receipts and all.
func (l *listings) plant() {
	l.Helper()
	theirs := l.of.State(model.SourceLocal, model.ScanFinished, "")
	theirs.Tool, theirs.Database, theirs.Findings = "grype 1, syft 1.0.0", "2026-11-21T09:00:00Z", []model.Finding{{ID: "theirs"}}
	body := []byte(`{"artifacts":[],"descriptor":{"name":"syft","version":"theirs"}}`)
	d, err := l.client.PutArtifact(l.Context(), l.of.Repo, registry.Artifact{Subject: l.of.Digest, Type: sbom.MediaType(sbom.Syft), Body: body})
	if err == nil {
		err = l.client.PutReceipt(l.Context(), l.of.Repo, model.Receipt{
			Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(l.of.Digest, "syft 1.0.0", sbom.Syft), Status: model.ReceiptPassed, Digest: l.of.Digest,
			Inputs: []model.Material{{Name: "artifact " + sbom.Syft, Digest: d}, {Name: "sbom " + sbom.Syft, Digest: model.DigestOf(body)}},
		})
	}
	if err == nil {
		err = (scan.Store{Registry: l.client}).Save(l.Context(), l.of.Repo, theirs)
	}
	if err != nil {
		l.Fatal(err)
	}
}

// TestTwoRulingsReadTheBytesOnce: what the first ruling of a promotion has
// listed and scanned the second one reads, and neither of them what somebody
// else has laid there, before or between.
func TestTwoRulingsReadTheBytesOnce(t *testing.T) {
	t.Parallel()
	l := newListings(t, pretended)
	var made []promote.Evidence
	for n := range 2 {
		l.plant()
		list, kept := l.rule()
		if strings.Contains(string(list), "theirs") {
			t.Errorf("ruling %d has read %s", n+1, list)
		}
		if n == 0 {
			made = l.anew.all()
		} else if !kept {
			t.Error("the second ruling scans again")
		}
		if kept && n == 0 {
			t.Error("the first ruling believes a scan")
		}
	}
	if l.runs() != 1 {
		t.Errorf("syft ran %d times", l.runs())
	}
	if all := l.anew.all(); len(made) != 3 || len(all) != len(made) {
		t.Errorf("it tells of %d lists and scans, and then of %d", len(made), len(all))
	}
	again := &channels{registry: l.server.Prefix("testing"), prod: l.server.Prefix("prod")}
	l.anew = again.anew(l.client)
	if _, kept := l.rule(); kept || l.runs() != 2 {
		t.Errorf("another run believes what the first one left in testing: %v, syft ran %d times", kept, l.runs())
	}
}

// TestWhatCannotBeListed: a registry in trouble is no image without a list.
func TestWhatCannotBeListed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int // of the registry's answer; 0 for a good one
		is     func(error) bool
	}{
		"a registry that is down": {503, func(err error) bool { _, is := errors.AsType[*registry.Unavailable](err); return is }},
		"one that refuses":        {403, func(err error) bool { _, is := errors.AsType[*registry.Denied](err); return is }},
		"a syft that fails":       {0, func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newListings(t, "#!/bin/sh\n[ \"$1\" = --version ] && echo syft 1.0.0 && exit\nexit 1\n")
			if c.status != 0 {
				l.server.Fail(registrytest.Fault{Method: "GET", Path: "/blobs/", Status: c.status})
			}
			if err := l.anew.list(t.Context(), &l.app, l.client, []scan.Request{l.of}); !c.is(err) {
				t.Errorf("got %v", err)
			}
			if all := l.anew.all(); len(all) != 0 {
				t.Errorf("it tells of %+v", all)
			}
		})
	}
}

// meeting is a syft that tells of its start, and ends when it is told to.
const meeting = `#!/bin/sh
[ "$1" = --version ] && echo syft 1.0.0 && exit
at="$(dirname "$0")"
echo run >> "$at/runs"
echo here > "$at/started"
read -r word < "$at/end"
exit 1
`

// TestListsAreMadeOnAllProcessors: what has no list is listed by as many syfts
// at once as there are processors, and by no more.
func TestListsAreMadeOnAllProcessors(t *testing.T) {
	t.Parallel()
	l := newListings(t, meeting)
	bin := filepath.Dir(l.syft)
	for _, name := range []string{"started", "end"} {
		if err := syscall.Mkfifo(filepath.Join(bin, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	started, err := os.OpenFile(filepath.Join(bin, "started"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(filepath.Join(bin, "end"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = end.Close() })
	at := runtime.NumCPU()
	var all []scan.Request
	for n := range 2*at + 1 {
		one := l.of
		one.Repo = l.server.Prefix(fmt.Sprintf("testing/image-%d", n))
		if err := l.client.Copy(t.Context(), l.of.Repo, one.Repo, one.Digest); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(l.anew.list(t.Context(), &l.app, l.client, all), started.Close()) // nobody waits for more
	}()
	lines := bufio.NewScanner(started)
	for n := range all {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		if n < at-1 { // until all processors are busy nobody ends
			continue
		}
		if runs := l.runs(); runs > n+1 {
			t.Errorf("%d syfts run where %d have ended, on %d processors", runs, n+1-at, at)
		}
		if _, err := end.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
	}
	for range at - 1 {
		if _, err := end.WriteString("end\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil || l.runs() != len(all) {
		t.Errorf("%v, %d syfts ran for %d images", err, l.runs(), len(all))
	}
}
