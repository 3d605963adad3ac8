package oracle

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	bk "github.com/moby/buildkit/client"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// world is what all samples share: the engines, and what lies outside of every
// fleet.
type world struct {
	ours     *buildkit.Client // the product's way to build
	plain    *bk.Client       // a way that knows nothing of this project
	address  string           // of the daemon
	registry string           // "host:port"
	marks    *strings.Replacer
	locks    map[string]string // images.lock by its mark
}

// The marks in a sample's files, each of which stands for what only the
// running engines know.
const (
	markBase    = "@BASE@"    // an outside repository: the tags plain, env and trigger
	markBusybox = "@BUSYBOX@" // an outside image with a shell
	markURL     = "@URL@"     // a server of one/NAME, whose content is NAME
	markGit     = "@GIT@"     // a git repository, with the commits
	markCommit1 = "@COMMIT1@"
	markCommit2 = "@COMMIT2@"
	markTar     = "@TAR@" // at the beginning of a file: an archive with the rest in it
	lockBefore  = "@LOCK before@\n"
	lockAfter   = "@LOCK after@\n" // every base has moved
)

func newWorld(t *testing.T) *world {
	t.Helper()
	s := enginetest.Services(t)
	w := &world{address: s.BuildkitAddr, registry: s.Registry, locks: map[string]string{}}
	var err error
	if w.ours, err = buildkit.Dial(t.Context(), s.BuildkitAddr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ours.Close() })
	if w.plain, err = bk.New(t.Context(), s.BuildkitAddr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.plain.Close() })
	busybox := enginetest.Busybox(t)
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, r.URL.Path[1:]) // a client that hangs up has failed already
	}))
	t.Cleanup(web.Close)
	git, commits := serveGit(t)
	base := s.Registry + "/outside/base"
	w.marks = strings.NewReplacer(markBase, base, markBusybox, busybox, markURL, web.URL, markGit, git, markCommit1, commits[0], markCommit2, commits[1])
	c := registry.New(registry.Options{})
	for _, mark := range []string{lockBefore, lockAfter} {
		lock := model.Lock{Bases: map[string]model.LockedBase{busybox: w.lockBusybox(t, c, busybox)}}
		for _, tag := range []string{"plain", "env", "trigger"} {
			lock.Bases[base+":"+tag] = pushBase(t, c, base, tag, mark)
		}
		w.locks[mark] = string(source.FormatLock(lock))
	}
	return w
}

// paper is a world without engines: what the marks stand for is there, but
// nothing can be built.
func paper() *world {
	const base, busybox = "registry.example.com/base", "registry.example.com/busybox:1"
	w := &world{registry: "registry.example.com", locks: map[string]string{}}
	w.marks = strings.NewReplacer(markBase, base, markBusybox, busybox, markURL, "https://example.com", markGit, "https://example.com/tools.git",
		markCommit1, strings.Repeat("1", 40), markCommit2, strings.Repeat("2", 40))
	for _, mark := range []string{lockBefore, lockAfter} {
		lock := model.Lock{Bases: map[string]model.LockedBase{}}
		for _, tag := range []string{"plain", "env", "trigger"} {
			lock.Bases[base+":"+tag] = lockedAs(tag+mark, outsideConfig(tag, mark))
		}
		lock.Bases[busybox] = lockedAs("busybox", model.BaseConfig{})
		w.locks[mark] = string(source.FormatLock(lock))
	}
	return w
}

func lockedAs(content string, gives model.BaseConfig) model.LockedBase {
	l := model.LockedBase{Digest: model.DigestOf([]byte(content)), Platforms: map[string]model.LockedVariant{}}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		l.Platforms[p.String()] = model.LockedVariant{Digest: model.DigestOf([]byte(content + p.String())), Config: gives}
	}
	return l
}

// fill puts in what the marks of a sample's files stand for.
func (w *world) fill(f files) model.Tree {
	out := make(map[string]history.File, len(f))
	for p, file := range f {
		switch rest, isTar := strings.CutPrefix(file.Content, markTar); {
		case w.locks[file.Content] != "":
			file.Content = w.locks[file.Content]
		case isTar && file.Mode != model.ModeSymlink:
			file.Content = archiveOf(rest)
		default:
			file.Content = sums(w.marks.Replace(file.Content))
		}
		out[p] = file
	}
	return history.MemoryFiles(out)
}

// triggers and variables of the outside bases.
var (
	outsideTriggers = []string{"COPY on* /triggered/", "ENV TRIGGERED=$FOLDER"}
	outsideEnv      = []string{"PATH=/bin", "FOLDER=d", "SUFFIX=txt"}
)

// outsideConfig is what an outside base gives to its children.
func outsideConfig(tag, mark string) model.BaseConfig {
	c := model.BaseConfig{Env: []string{"PATH=/bin"}}
	if tag != "plain" {
		c.Env, c.WorkingDir = slices.Clone(outsideEnv), "/work"
		if mark == lockAfter {
			c.Env[1] = "FOLDER=sub"
		}
	}
	if tag == "trigger" {
		c.OnBuild = outsideTriggers
	}
	return c
}

// pushBase makes one outside base for both platforms. Another mark gives other
// bytes; the one with variables gets another variable, too.
func pushBase(t *testing.T, c *registry.Client, repo, tag, mark string) model.LockedBase {
	t.Helper()
	gives := outsideConfig(tag, mark)
	config := v1.Config{Env: gives.Env, WorkingDir: gives.WorkingDir, OnBuild: gives.OnBuild}
	locked := model.LockedBase{Platforms: map[string]model.LockedVariant{}}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		content := archiveOf(tag + " " + mark + " " + p.String())
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(content)), nil
		}, tarball.WithMediaType(types.OCILayer))
		img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
		if err == nil {
			img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: p.OS, Architecture: p.Arch, Config: config, RootFS: v1.RootFS{Type: "layers"}})
		}
		if err == nil {
			img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer})
		}
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.PushImage(t.Context(), repo, img)
		if err != nil {
			t.Fatal(err)
		}
		locked.Platforms[p.String()] = model.LockedVariant{Digest: d, Config: gives}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.OS, Architecture: p.Arch}}})
	}
	d, err := c.PushIndex(t.Context(), repo, index)
	if err == nil {
		err = c.MoveTag(t.Context(), repo, d, tag)
	}
	if err != nil {
		t.Fatal(err)
	}
	locked.Digest = d
	return locked
}

func (w *world) lockBusybox(t *testing.T, c *registry.Client, ref string) model.LockedBase {
	t.Helper()
	colon := strings.LastIndexByte(ref, ':')
	d, found, err := c.Resolve(t.Context(), ref[:colon], ref[colon+1:])
	if err != nil || !found {
		t.Fatal(found, err)
	}
	locked := model.LockedBase{Digest: d.Digest, Platforms: map[string]model.LockedVariant{}}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		h, err := enginetest.BusyboxImage(t, p).Digest()
		if err != nil {
			t.Fatal(err)
		}
		locked.Platforms[p.String()] = model.LockedVariant{Digest: model.Digest(h.String()), Config: model.BaseConfig{Env: []string{"PATH=/usr/bin:/bin"}}}
	}
	return locked
}

// archiveOf is a tar archive with two files.
func archiveOf(content string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var err error
	for _, name := range []string{"packed", "tar/deep"} {
		if err == nil {
			err = w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(1e9, 0), Format: tar.FormatPAX})
		}
		if err == nil {
			_, err = io.WriteString(w, content)
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // nothing can go wrong in memory
	}
	return b.String()
}

// serveGit serves a repository over HTTP, and returns its address and two
// commits.
func serveGit(t *testing.T) (string, [2]string) {
	t.Helper()
	r := gittest.New(t)
	var commits [2]string
	for i := range commits {
		commits[i] = r.Commit(map[string]string{"README": fmt.Sprintf("commit %d\n", i), "sub/tool": fmt.Sprintf("tool %d\n", i)})
	}
	r.Git("config", "uploadpack.allowAnySHA1InWant", "true")
	program, err := tool.Command{Name: "git", Args: []string{"--exec-path"}}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(&cgi.Handler{
		Path: strings.TrimSpace(string(program)) + "/git-http-backend", Root: "/tools.git",
		Env: []string{"GIT_PROJECT_ROOT=" + r.Dir + "/.git", "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(s.Close)
	return s.URL + "/tools.git", commits
}

var sum = regexp.MustCompile(`@SUM:([^@]*)@`)

// sums replaces @SUM:NAME@ by the digest of what the server of URLs answers.
func sums(text string) string {
	return sum.ReplaceAllStringFunc(text, func(m string) string {
		return model.DigestOf([]byte(sum.FindStringSubmatch(m)[1])).String()
	})
}

// push is where the samples' images go: nothing but their digests counts.
func (w *world) push(image string) string { return w.registry + "/oracle/" + image }

// wait is how long one build may take: something hangs when it is over.
func wait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 2*time.Minute)
}
