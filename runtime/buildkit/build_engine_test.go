package buildkit_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// objects holds files by their content's digest.
type objects map[string]string

func (o objects) Size(_ context.Context, oid string) (int64, error) { return int64(len(o[oid])), nil }
func (o objects) Open(_ context.Context, oid string) (io.ReadCloser, error) {
	s, found := o[oid]
	if !found {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

// file is one file of a context.
type file struct {
	path, content string
	mode          uint32
}

func files(t *testing.T, list ...file) *gitcontext.FS {
	t.Helper()
	o := objects{}
	var entries []model.TreeEntry
	for _, f := range list {
		oid := model.DigestOf([]byte(f.content)).Hex()
		o[oid] = f.content
		if f.mode == 0 {
			f.mode = model.ModeFile
		}
		entries = append(entries, model.TreeEntry{Path: f.path, Mode: f.mode, OID: oid})
	}
	fs, err := gitcontext.New(t.Context(), o, entries)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// bench is the engines, the base and a repository of the test's own.
type bench struct {
	client *buildkit.Client
	reg    *registry.Client
	repo   string
	base   string // "host:port/library/busybox@sha256:..."
	host   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := enginetest.Services(t)
	client, err := buildkit.Dial(t.Context(), s.BuildkitAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	b := &bench{client: client, reg: registry.New(registry.Options{}), host: s.Registry}
	ref := enginetest.Busybox(t)
	colon := strings.LastIndexByte(ref, ':')
	d, _, err := b.reg.Resolve(t.Context(), ref[:colon], ref[colon+1:])
	if err != nil {
		t.Fatal(err)
	}
	b.base = ref[:colon] + "@" + d.Digest.String()
	b.repo = s.Registry + "/" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-"))
	return b
}

// request is a build of a Dockerfile that may read "base" and the given files.
func (b *bench) request(t *testing.T, dockerfile string, list ...file) buildkit.Request {
	t.Helper()
	return buildkit.Request{
		Name: t.Name(), Repository: b.repo, Platform: model.LinuxAMD64,
		Dockerfile: []byte(dockerfile), Path: "images/it/Dockerfile", Files: files(t, list...),
		Contexts: []buildkit.Context{{Ref: "base", Source: b.base}},
	}
}

func (b *bench) build(t *testing.T, r buildkit.Request) model.Digest {
	t.Helper()
	d, err := b.client.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run is what a command prints in a built image, and its exit code.
func (b *bench) run(t *testing.T, d model.Digest, p model.Platform, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	code, err := b.client.Run(t.Context(), buildkit.RunRequest{Ref: b.repo + "@" + d.String(), Platform: p, Args: args, Output: &out})
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String(), code
}

func TestBuildShowsExactlyTheFiles(t *testing.T) {
	b := newBench(t)
	r := b.request(t, "FROM base\nCOPY . /ctx\n",
		file{path: "run.sh", content: "#!/bin/sh\necho ran\n", mode: model.ModeExecutable},
		file{path: "dir/a b", content: "odd"},
		file{path: "dir/ünï \"q\" $x.txt", content: "odder"},
		file{path: "dir/link", content: "../run.sh", mode: model.ModeSymlink},
		file{path: "dir-2/z", content: ""},
		file{path: ".dockerignore", content: "dir-2\n"},
	)
	d := b.build(t, r)
	got, _ := b.run(t, d, model.LinuxAMD64, "sh", "-c",
		`cd /ctx && find . | sort | while read -r f; do stat -c '%n %A %u:%g %Y' "$f"; done; readlink dir/link; dir/link; cat "dir/a b"`)
	want := `. drwxr-xr-x 0:0 1767225600
./.dockerignore -rw-r--r-- 0:0 1767225600
./dir drwxr-xr-x 0:0 1767225600
./dir-2 drwxr-xr-x 0:0 1767225600
./dir-2/z -rw-r--r-- 0:0 1767225600
./dir/a b -rw-r--r-- 0:0 1767225600
./dir/link lrwxrwxrwx 0:0 1767225600
./dir/ünï "q" $x.txt -rw-r--r-- 0:0 1767225600
./run.sh -rwxr-xr-x 0:0 1767225600
../run.sh
ran
odd`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if tags, err := b.reg.Tags(t.Context(), b.repo); err != nil || len(tags) != 0 {
		t.Errorf("the build left tags: %v, %v", tags, err)
	}
}

// Two contexts that differ only in the content of a file, not in its size:
// BuildKit compares files that it kept from an earlier build by size and time.
func TestBuildSeesNewContentOfTheSameSize(t *testing.T) {
	b := newBench(t)
	for _, content := range []string{"one", "two", "one", "six"} {
		d := b.build(t, b.request(t, "FROM base\nCOPY f /f\n", file{path: "f", content: content}))
		if got, _ := b.run(t, d, model.LinuxAMD64, "cat", "/f"); got != content {
			t.Errorf("built %q, got %q", content, got)
		}
	}
}

func TestBuildIsReproducibleOnBothPlatforms(t *testing.T) {
	b := newBench(t)
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		t.Run(p.Arch, func(t *testing.T) {
			r := b.request(t, "FROM base\nARG WHO\nRUN uname -m > /arch && echo $WHO > /who\n")
			r.Platform, r.Args, r.NoCache = p, map[string]string{"WHO": "me"}, true
			first, second := b.build(t, r), b.build(t, r)
			if first != second {
				t.Errorf("two builds gave %s and %s", first, second)
			}
			want := map[string]string{"amd64": "x86_64\nme\n", "arm64": "aarch64\nme\n"}[p.Arch]
			if got, _ := b.run(t, first, p, "cat", "/arch", "/who"); got != want {
				t.Errorf("got %q", got)
			}
			if _, m, err := b.reg.Manifest(t.Context(), b.repo, first.String()); err != nil || m.IsIndex() {
				t.Errorf("the digest is not of a bare manifest: %+v, %v", m, err)
			}
		})
	}
}

func TestBuildReadsImagesByDigestOnly(t *testing.T) {
	b := newBench(t)
	tool := b.build(t, b.request(t, "FROM base\nRUN echo tool > /tool\n"))
	r := b.request(t, "FROM base AS first\nRUN --mount=from=registry.example.com/team/tool:3,target=/mnt cp /mnt/tool /mounted\n"+
		"FROM base\nCOPY --from=registry.example.com/team/tool:3 /tool /copied\nCOPY --from=first /mounted /mounted\n")
	r.Contexts = append(r.Contexts, buildkit.Context{Ref: "registry.example.com/team/tool:3", Source: b.repo + "@" + tool.String()})
	d := b.build(t, r)
	if got, _ := b.run(t, d, model.LinuxAMD64, "cat", "/copied", "/mounted"); got != "tool\ntool\n" {
		t.Errorf("got %q", got)
	}
}

func TestBuildStageWithTheNameOfAnImage(t *testing.T) {
	b := newBench(t)
	r := b.request(t, "FROM outside AS base\nRUN echo mine > /mine\nFROM base\nRUN cat /mine > /seen\n")
	r.Contexts = []buildkit.Context{{Ref: "outside", Source: b.base}}
	d := b.build(t, r)
	if got, _ := b.run(t, d, model.LinuxAMD64, "cat", "/seen"); got != "mine\n" {
		t.Errorf("got %q", got)
	}
}

func TestBuildUsesItsOwnFrontendAndStage(t *testing.T) {
	b := newBench(t)
	r := b.request(t, "# syntax=docker/dockerfile:1\nFROM base AS wanted\nRUN echo wanted > /stage\nFROM wanted\nRUN false\n")
	r.Stage = "wanted"
	if got, _ := b.run(t, b.build(t, r), model.LinuxAMD64, "cat", "/stage"); got != "wanted\n" {
		t.Errorf("got %q", got)
	}
}

func TestBuildFails(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		dockerfile string
		args       map[string]string
		want       []string
	}{
		"a failing instruction": {
			"FROM base\nRUN echo before && echo the reason >&2 && exit 3\n", nil,
			[]string{"exit code: 3", "images/it/Dockerfile:2", ">>> RUN echo before", "| before", "| the reason"},
		},
		"an image that was not planned": {
			"FROM base\nCOPY --from=busybox:latest /x /x\n", nil,
			[]string{"docker.io/library/busybox:latest", "denied by policy", "hint: only images that the plan knows"},
		},
		"a file outside of the hashed set": {"FROM base\nCOPY secret /\n", nil, []string{"secret", "images/it/Dockerfile:2"}},
		"an unknown instruction":           {"FROM base\nRUNN x\n", nil, []string{"RUNN", "images/it/Dockerfile:2"}},
		"a reserved argument":              {"FROM base\n", map[string]string{"BUILDKIT_SYNTAX": "evil"}, []string{"reserved"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request(t, c.dockerfile, file{path: "public", content: "x"})
			r.Args = c.args
			_, err := b.client.Build(t.Context(), r)
			if err == nil {
				t.Fatal("it was built")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			var coded interface{ ExitCode() int }
			if errors.As(err, &coded) {
				t.Errorf("a mistake has the exit code %d", coded.ExitCode())
			}
		})
	}
}

func TestBuildOfAContextThatCannotBeRead(t *testing.T) {
	b := newBench(t)
	r := b.request(t, "FROM base\nCOPY . /\n", file{path: "big.bin", content: "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"})
	_, err := b.client.Build(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "big.bin is kept in git LFS") {
		t.Errorf("got %v", err)
	}
}

func TestBuildShowsWhoseLinesTheyAre(t *testing.T) {
	b := newBench(t)
	var out bytes.Buffer
	r := b.request(t, "FROM base\nRUN echo hello there\n")
	r.NoCache, r.Progress = true, buildkit.Progress{Mode: "auto", Out: &out, Prefix: "it:1 linux/amd64 | "}
	b.build(t, r)
	if !strings.Contains(out.String(), "hello there") {
		t.Errorf("the output is missing: %s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "it:1 linux/amd64 | #") {
			t.Errorf("a line without its build: %q", line)
		}
	}
}

func TestBuildIsCancelled(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	tired := errors.New("tired")
	r := b.request(t, "FROM base\nRUN echo started && sleep 1000\n")
	r.NoCache, r.Progress = true, buildkit.Progress{Mode: "plain", Out: trigger{"started", func() { cancel(tired) }}}
	if _, err := b.client.Build(ctx, r); !errors.Is(err, tired) {
		t.Errorf("got %v", err)
	}
}

// trigger calls f when a text is written. The text is also in the step's name,
// so it looks for the line that the step printed.
type trigger struct {
	text string
	f    func()
}

func (t trigger) Write(b []byte) (int, error) {
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(strings.TrimSpace(line), " "+t.text) {
			t.f()
		}
	}
	return len(b), nil
}

func TestResolveAsksTheDaemon(t *testing.T) {
	b := newBench(t)
	repo, digest, _ := strings.Cut(b.base, "@")
	d, err := b.client.Resolve(t.Context(), repo+":1.35", model.LinuxARM64)
	if err != nil || d.String() != digest {
		t.Errorf("got %s, %v, want %s", d, err, digest)
	}
	if _, err := b.client.Resolve(t.Context(), b.host+"/not/there:1", model.LinuxAMD64); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("got %v", err)
	}
}

func TestDialAndPushWithoutAnybodyThere(t *testing.T) {
	_, err := buildkit.Dial(t.Context(), "unix://"+t.TempDir()+"/none.sock")
	var coded interface{ ExitCode() int }
	if !errors.As(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("got %v", err)
	}
	b := newBench(t)
	r := b.request(t, "FROM base\n")
	r.Repository = "127.0.0.1:1/nobody/listens"
	if _, err = b.client.Build(t.Context(), r); !errors.As(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("got %v", err)
	}
}
