package promote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// The test program is also the process that is killed: it promotes what the
// testing channel holds.
const (
	victimTesting = "PROMOTE_VICTIM_TESTING"
	victimProd    = "PROMOTE_VICTIM_PROD"
	victimStore   = "PROMOTE_VICTIM_STORE"
	victimDir     = "PROMOTE_VICTIM_DIR"
	victimCall    = "PROMOTE_VICTIM_CALL" // at which moment of the store it ends itself; empty is never

	victimVersions = "PROMOTE_VICTIM_VERSIONS" // where the store keeps versions, of which it ends itself over the next; empty is never
)

// suicidal is a store whose process is killed before or after one of its calls.
type suicidal struct {
	channel.Store
	left int
}

func (s *suicidal) moment() {
	if s.left--; s.left == 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}

// Read implements channel.Store.
func (s *suicidal) Read(ctx context.Context, name string) ([]byte, string, error) {
	s.moment()
	defer s.moment()
	return s.Store.Read(ctx, name)
}

// Write implements channel.Store.
func (s *suicidal) Write(ctx context.Context, name string, doc []byte, old string) error {
	s.moment()
	defer s.moment()
	return s.Store.Write(ctx, name, doc, old)
}

func victim(ctx context.Context) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil { // until the killer has taken aim
		return err
	}
	store, err := channel.Open(os.Getenv(victimStore), channel.Options{Dir: os.Getenv(victimDir), Getenv: os.Getenv})
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(os.Getenv(victimCall)); err == nil {
		store = &suicidal{Store: store, left: n}
	}
	if dir := os.Getenv(victimVersions); dir != "" {
		store = &halfway{Store: store, versions: dir}
	}
	s := promote.Step{
		Registry: client(), Store: store, Testing: os.Getenv(victimTesting), Prod: os.Getenv(victimProd),
		Policy: strict(), Scanner: found(""), Now: func() time.Time { return today },
	}
	_, err = s.Run(ctx, nil, nil)
	return err
}

// killer kills a process when it has sent so many requests, to whichever
// server; the request itself is carried out.
type killer struct {
	mu   sync.Mutex
	pid  int
	left int
}

func (k *killer) seen() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pid == 0 {
		return
	}
	if k.left--; k.left == 0 {
		_ = syscall.Kill(k.pid, syscall.SIGKILL)
		k.pid = 0
	}
}

func (k *killer) aim(pid, requests int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pid, k.left = pid, requests
}

// app is what most of the promotions are of that are killed: two images, of
// which the document may not have one new and the other old.
var app = []plantest.Image{{ID: "python"}, {ID: "hello", Platforms: []model.Platform{model.LinuxAMD64}}}

// TestKill9LeavesTheOldManifestOrTheNewOne promotes one version of two images
// after the other, each by a process that is killed at another of its requests,
// to the registry or to the store. What is read then is the old document, or the
// new one with everything that it names; and promoting again completes it.
func TestKill9LeavesTheOldManifestOrTheNewOne(t *testing.T) {
	t.Parallel()
	single := []plantest.Image{{ID: "python", Platforms: []model.Platform{model.LinuxAMD64}}, {ID: "hello", Platforms: []model.Platform{model.LinuxAMD64}}}
	for name, c := range map[string]struct {
		spec   string
		serve  func(testing.TB) (*channeltest.Server, map[string]string)
		stride int // in requests
		images []plantest.Image
	}{
		"S3":                   {"s3://fleet/channels", channeltest.S3, 3, single},
		"S3, two platforms":    {"s3://fleet/channels", channeltest.S3, 9, app},
		"Google Cloud Storage": {"gs://fleet/channels", channeltest.GS, 4, single},
	} {
		for first := range firstsOf(c.stride) {
			t.Run(fmt.Sprintf("%s from %d", name, first+1), func(t *testing.T) {
				t.Parallel()
				k := &killer{}
				server, env := c.serve(t)
				server.OnRequest(k.seen)
				place := channeltest.Place{Spec: c.spec, Env: env}
				b := killing(t, place.Open(t), c.images...)
				b.server.OnRequest(func(*http.Request) { k.seen() })
				env[victimStore] = c.spec
				kept, replaced := b.killAll(c.images, first+1, c.stride, func(at int) bool { return b.runVictim(k, env, at) })
				if kept < 60/c.stride || replaced < 9/c.stride {
					t.Errorf("the kills came all before or all after the document: %d and %d", kept, replaced)
				}
			})
		}
	}
}

// firstsOf is at how many of the first requests of a stride the kills begin, each
// in a registry of its own: at the first alone, and with ROOTFSGEN_LONG at all of
// them, which together are all requests.
func firstsOf(stride int) int {
	if os.Getenv("ROOTFSGEN_LONG") != "" {
		return stride
	}
	return 1
}

// TestKill9InAFolder kills before and after each call of the store.
func TestKill9InAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := killing(t, &channel.File{Dir: dir}, app...)
	env := map[string]string{victimStore: "file:" + dir}
	kept, replaced := b.killAll(app, 1, 1, func(at int) bool {
		env[victimCall] = strconv.Itoa(at)
		return b.runVictim(&killer{}, env, 0)
	})
	if kept < 3 || replaced < 2 {
		t.Error("the kills came all before or all after the document")
	}
}

// halfway is a folder's store whose process is killed in the middle of a write:
// when the new version is kept.
type halfway struct {
	channel.Store
	versions string // where they are kept
}

// Write implements channel.Store.
func (s *halfway) Write(ctx context.Context, name string, doc []byte, old string) error {
	before := kept(s.versions)
	go func() {
		for kept(s.versions) == before {
			runtime.Gosched()
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
	return s.Store.Write(ctx, name, doc, old)
}

// kept counts the versions in a folder, finished ones alone.
func kept(dir string) (n int) {
	entries, _ := os.ReadDir(dir) // none are none
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			n++
		}
	}
	return n
}

// TestKill9BetweenAVersionAndItsDocument kills a promotion inside the one write
// of a folder's store: the new version is kept, and the document is not replaced
// yet. The file that is to replace it is a pipe that nobody reads, so that the
// promotion comes no further.
func TestKill9BetweenAVersionAndItsDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := &channel.File{Dir: dir}
	b := killing(t, store, app...)
	s := b.asking()
	unfinished := filepath.Join(dir, "."+channel.Prod+".new")
	for n := range 3 {
		before := b.document()
		b.renew(app, strconv.Itoa(n))
		if err := unix.Mkfifo(unfinished, 0o600); err != nil {
			t.Fatal(err)
		}
		if !b.runVictim(&killer{}, map[string]string{victimStore: "file:" + dir, victimVersions: filepath.Join(dir, "versions", channel.Prod)}, 0) {
			t.Fatal("it was not killed")
		}
		// What a crash in the middle of that file would have left.
		if err := errors.Join(os.Remove(unfinished), os.WriteFile(unfinished, []byte(`{"half`), 0o600)); err != nil {
			t.Fatal(err)
		}
		if doc := b.document(); !bytes.Equal(doc, before) {
			t.Fatalf("prod was\n%s\nand is\n%s", before, doc)
		}
		b.whole(b.prod(), "killed")
		if versions, err := store.Versions(t.Context(), channel.Prod); err != nil || len(versions) != 1+n {
			t.Errorf("%d versions, want %d: one that prod never had counts (%v)", len(versions), 1+n, err)
		}
		if _, err := s.Run(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		b.complete("again")
	}
}

// TestKill9OnABranch kills after each of the gits that a promotion starts.
func TestKill9OnABranch(t *testing.T) {
	t.Parallel()
	work, _ := channeltest.Clone(t)
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	b, bin := killing(t, channeltest.Place{Spec: "git", Dir: work.Dir}.Open(t), app...), t.TempDir()
	env := map[string]string{victimStore: "git", victimDir: work.Dir, "PATH": bin + ":" + os.Getenv("PATH"), "HOME": t.TempDir()}
	kept, replaced := b.killAll(app, 1, 1, func(at int) bool {
		script := fmt.Sprintf("#!/bin/sh\n%q \"$@\"\ncode=$?\necho >> %q\n[ \"$(wc -l < %q)\" -ne %d ] || kill -9 $PPID\nexit $code\n", git, bin+"/calls", bin+"/calls", at)
		if err := errors.Join(os.WriteFile(bin+"/calls", nil, 0o600), os.WriteFile(bin+"/git", []byte(script), 0o700)); err != nil {
			t.Fatal(err)
		}
		return b.runVictim(&killer{}, env, 0)
	})
	if kept < 10 || replaced < 2 {
		t.Error("the kills came all before or all after the document")
	}
}

// killing is a bench whose store has been promoted to once.
func killing(t *testing.T, store channel.Store, images ...plantest.Image) *bench {
	t.Helper()
	b, s := judging(t, images...)
	b.store, s.Store = store, store
	b.publish('1', images...)
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// asking is a step that asks for everything but signatures.
func (b *bench) asking() promote.Step {
	s := b.step()
	s.Policy, s.Scanner, s.Now = strict(), found(""), func() time.Time { return today }
	return s
}

// renew publishes another content of all images.
func (b *bench) renew(images []plantest.Image, content string) {
	b.Helper()
	images = slices.Clone(images)
	for n := range images {
		images[n].Content = content
	}
	b.publish('1', images...)
	b.lists()
}

// document is prod's, as it is.
func (b *bench) document() []byte {
	b.Helper()
	doc, _, err := b.store.Read(b.Context(), channel.Prod)
	if err != nil {
		b.Fatal(err)
	}
	return doc
}

// killAll promotes a version for each moment, from the first in strides, at which run
// kills the promotion, until it does not; and counts which document stood then.
// To the byte it is the one before, or the one with which promoting again has
// nothing more to write: never one image's old entry beside another's new one.
func (b *bench) killAll(images []plantest.Image, first, stride int, run func(at int) bool) (kept, replaced int) {
	b.Helper()
	s := b.asking()
	for at := first; ; at += stride {
		before := b.document()
		b.renew(images, strconv.Itoa(at))
		killed := run(at)
		stood, when := b.document(), "killed at moment "+strconv.Itoa(at)
		b.whole(b.prod(), when)
		if _, err := s.Run(b.Context(), nil, nil); err != nil {
			b.Fatalf("%s, again: %v", when, err)
		}
		b.complete(when + ", again")
		switch {
		case bytes.Equal(stood, before):
			kept++
		case bytes.Equal(stood, b.document()):
			replaced++
		default:
			b.Fatalf("%s: prod had\n%s\nneither\n%s\nnor\n%s", when, stood, before, b.document())
		}
		if !killed {
			b.Logf("not killed at moment %d: the old document stood %d times, the new one %d times", at, kept, replaced)
			return kept, replaced
		}
	}
}

// complete demands that prod has all that testing has, with everything that
// follows the document.
func (b *bench) complete(when string) {
	b.Helper()
	d := b.prod()
	for _, want := range b.testing().Images {
		got, found := d.Find(want.ID)
		if !found || got.Digest != want.Digest {
			b.Fatalf("%s: %+v", when, d)
		}
		b.settled(got)
	}
	b.whole(d, when)
}

// runVictim promotes in another process, and tells whether it was killed.
func (b *bench) runVictim(k *killer, env map[string]string, requests int) bool {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = []string{victimTesting + "=" + b.server.Prefix("testing"), victimProd + "=" + b.server.Prefix("prod")}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	k.aim(cmd.Process.Pid, requests)
	_ = in.Close()
	err = cmd.Wait()
	k.aim(0, 0)
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		b.Fatalf("at request %d: %v\n%s", requests, err, log.String())
	}
	return true
}

func (b *bench) testing() *manifest.Document {
	b.Helper()
	doc, _, err := b.store.Read(b.Context(), channel.Testing)
	if err != nil {
		b.Fatal(err)
	}
	d, err := manifest.Decode(doc)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// whole demands that everything that a document names is in prod.
func (b *bench) whole(d *manifest.Document, when string) {
	b.Helper()
	for _, i := range d.Images {
		repo := b.server.Prefix("prod/" + i.Repository)
		at, found, err := b.client.Resolve(b.Context(), repo, i.VersionTag)
		if err != nil || !found || at.Digest != model.Digest(i.Digest) {
			b.Fatalf("%s: %s names %s, and prod has %v, %v", when, i.Image, i.Digest, at, err)
		}
		for platform, digest := range i.Platforms {
			if _, err := b.client.Config(b.Context(), repo, digest); err != nil {
				b.Fatalf("%s: %s %s: %v", when, i.Image, platform, err)
			}
			if list, err := b.client.Artifacts(b.Context(), repo, digest, cycloneDX); err != nil || len(list) == 0 {
				b.Fatalf("%s: %s %s came without its packages: %v", when, i.Image, platform, err)
			}
		}
		here := *b.plan
		here.Prefix = b.server.Prefix("prod")
		if now, found := b.testing().Find(i.ID); !found || i.Digest != now.Digest {
			continue // the plan is of another one
		}
		n := slices.IndexFunc(here.Indexes, func(x model.Index) bool { return x.Image == i.ID })
		if _, merged, err := index.Merged(b.Context(), b.client, &here, &here.Indexes[n]); err != nil || !merged {
			b.Fatalf("%s: %s does not count as merged in prod: %v", when, i.Image, err)
		}
	}
}

// settled demands what comes after the document: the floating tag, one record.
func (b *bench) settled(i manifest.Image) {
	b.Helper()
	repo := b.server.Prefix("prod/" + i.Repository)
	for _, tag := range []string{"1", "latest"} {
		if at, _, err := b.client.Resolve(b.Context(), repo, tag); err != nil || at.Digest != model.Digest(i.Digest) {
			b.Errorf("%s is at %s, not %s (%v)", tag, at.Digest.Short(), model.Digest(i.Digest).Short(), err)
		}
	}
	if n := len(records[model.Promotion](b, repo, model.Digest(i.Digest), model.PromotionArtifactType)); n != 1 {
		b.Errorf("%s was recorded %d times", i.Image, n)
	}
}
