package promote_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/rootfsgen/rootfsgen/generator/model"
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
)

func victim(ctx context.Context) error {
	store, err := channel.Open("s3://fleet/channels", channel.Options{Getenv: os.Getenv})
	if err != nil {
		return err
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
// registry or to the store: as many processes as a promotion has requests. What
// is read then is the old document, or the new one with everything that it
// names; and promoting again completes it.
func TestKill9LeavesTheOldManifestOrTheNewOne(t *testing.T) {
	t.Parallel()
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
	env := map[string]string{"AWS_ENDPOINT_URL_S3": server.URL, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}
	store, err := channel.Open("s3://fleet/channels", channel.Options{Getenv: func(n string) string { return env[n] }})
	if err != nil {
		t.Fatal(err)
	}
	one := plantest.Image{ID: "python", Platforms: []model.Platform{model.LinuxAMD64}}
	b, s := judging(t, one)
	b.store, s.Store = store, store
	b.server.OnRequest(func(*http.Request) { k.seen() })
	b.publish('1', one)
	if _, err := s.Run(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	kept, replaced := 0, 0
	for requests := 1; ; requests++ {
		old := b.prod()
		one.Content = strconv.Itoa(requests)
		b.publish('1', one)
		b.lists()
		killed := b.runVictim(k, env, requests)
		d := b.prod()
		switch d.Images[0].Digest {
		case old.Images[0].Digest:
			kept++
		case b.testing().Images[0].Digest:
			replaced++
		default:
			t.Fatalf("killed at request %d: prod has %+v", requests, d)
		}
		b.whole(d, "killed at request "+strconv.Itoa(requests))
		if _, err := s.Run(t.Context(), nil, nil); err != nil {
			t.Fatalf("killed at request %d, again: %v", requests, err)
		}
		d = b.prod()
		if d.Images[0].Digest != b.testing().Images[0].Digest {
			t.Fatalf("killed at request %d, again: %+v", requests, d)
		}
		b.whole(d, "again")
		b.settled(d.Images[0])
		if !killed {
			t.Logf("killed at %d requests: the old document stood %d times, the new one %d times", requests-1, kept, replaced)
			if kept < 20 || replaced < 3 {
				t.Error("the kills came all before or all after the document")
			}
			return
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
