package promote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
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
	store, err := channel.Open(os.Getenv(victimStore), channel.Options{Dir: os.Getenv(victimDir), Getenv: os.Getenv})
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(os.Getenv(victimCall)); err == nil {
		store = &suicidal{Store: store, left: n}
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

// TestKill9LeavesTheOldManifestOrTheNewOne promotes one version after the
// other, each by a process that is killed at another of its requests, to the
// registry or to the store: as many processes as a promotion of one platform has
// requests, and for an index of two a quarter of them. What is read then is the
// old document, or the new one with everything that it names; and promoting
// again completes it.
func TestKill9LeavesTheOldManifestOrTheNewOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stride    int
		platforms []model.Platform
	}{
		"one platform":  {1, []model.Platform{model.LinuxAMD64}},
		"two platforms": {4, []model.Platform{model.LinuxAMD64, model.LinuxARM64}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killOnS3(t, c.stride, plantest.Image{ID: "python", Platforms: c.platforms})
		})
	}
}

func killOnS3(t *testing.T, stride int, image plantest.Image) {
	t.Helper()
	k := &killer{}
	backend := s3mem.New()
	if err := backend.CreateBucket("fleet"); err != nil {
		t.Fatal(err)
	}
	inner := gofakes3.New(backend).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.seen()
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	env := map[string]string{
		victimStore:           "s3://fleet/channels",
		"AWS_ENDPOINT_URL_S3": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret",
	}
	store, err := channel.Open(env[victimStore], channel.Options{Getenv: func(n string) string { return env[n] }})
	if err != nil {
		t.Fatal(err)
	}
	b := killing(t, store, image)
	b.server.OnRequest(func(*http.Request) { k.seen() })
	kept, replaced := b.killAll(image, stride, func(at int) bool { return b.runVictim(k, env, at) })
	if kept < 20 || replaced < 3 {
		t.Error("the kills came all before or all after the document")
	}
}

// two is an index of two platforms.
var two = plantest.Image{ID: "python"}

// TestKill9InAFolder kills before and after each call of the store.
func TestKill9InAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := killing(t, &channel.File{Dir: dir}, two)
	env := map[string]string{victimStore: "file:" + dir}
	kept, replaced := b.killAll(two, 1, func(at int) bool {
		env[victimCall] = strconv.Itoa(at)
		return b.runVictim(&killer{}, env, 0)
	})
	if kept < 3 || replaced < 2 {
		t.Error("the kills came all before or all after the document")
	}
}

// TestKill9OnABranch kills after each of the gits that a promotion starts.
func TestKill9OnABranch(t *testing.T) {
	t.Parallel()
	origin := filepath.Join(t.TempDir(), "origin.git")
	gittest.New(t).Git("init", "-q", "--bare", "-b", "main", origin)
	work := gittest.New(t)
	work.Commit(map[string]string{"a": "1"})
	work.Git("remote", "add", "origin", origin)
	store, err := channel.Open("git", channel.Options{Dir: work.Dir})
	if err != nil {
		t.Fatal(err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	b, bin := killing(t, store, two), t.TempDir()
	env := map[string]string{victimStore: "git", victimDir: work.Dir, "PATH": bin + ":" + os.Getenv("PATH"), "HOME": t.TempDir()}
	kept, replaced := b.killAll(two, 1, func(at int) bool {
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
func killing(t *testing.T, store channel.Store, image plantest.Image) *bench {
	t.Helper()
	b, s := judging(t, image)
	b.store, s.Store = store, store
	b.publish('1', image)
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// killAll promotes a version for each moment, from 1 in strides, at which run
// kills the promotion, until it does not; and counts which document stood then.
func (b *bench) killAll(image plantest.Image, stride int, run func(at int) bool) (kept, replaced int) {
	b.Helper()
	s := b.step()
	s.Policy, s.Scanner, s.Now = strict(), found(""), func() time.Time { return today }
	for at := 1; ; at += stride {
		old := b.prod()
		image.Content = strconv.Itoa(at)
		b.publish('1', image)
		b.lists()
		killed := run(at)
		d, when := b.prod(), "killed at moment "+strconv.Itoa(at)
		switch d.Images[0].Digest {
		case old.Images[0].Digest:
			kept++
		case b.testing().Images[0].Digest:
			replaced++
		default:
			b.Fatalf("%s: prod has %+v", when, d)
		}
		b.whole(d, when)
		if _, err := s.Run(b.Context(), nil, nil); err != nil {
			b.Fatalf("%s, again: %v", when, err)
		}
		d = b.prod()
		if d.Images[0].Digest != b.testing().Images[0].Digest {
			b.Fatalf("%s, again: %+v", when, d)
		}
		b.whole(d, "again")
		b.settled(d.Images[0])
		if !killed {
			b.Logf("not killed at moment %d: the old document stood %d times, the new one %d times", at, kept, replaced)
			return kept, replaced
		}
	}
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
		if model.Digest(i.Digest) != model.Digest(b.testing().Images[0].Digest) {
			continue
		}
		if _, merged, err := index.Merged(b.Context(), b.client, &here, &here.Indexes[0]); err != nil || !merged {
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
