package gitcontext_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

// memory is objects by id.
type memory map[string]string

func (m memory) Size(_ context.Context, oid string) (int64, error) {
	s, found := m[oid]
	if !found {
		return 0, fs.ErrNotExist
	}
	return int64(len(s)), nil
}

func (m memory) Open(_ context.Context, oid string) (io.ReadCloser, error) {
	s, found := m[oid]
	if !found || s == "broken" {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

func walk(t *testing.T, f fsutil.FS, target string) []string {
	t.Helper()
	var got []string
	err := f.Walk(t.Context(), target, func(_ string, d fs.DirEntry, _ error) error {
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*types.Stat)
		if !ok {
			return errors.New("no Stat")
		}
		got = append(got, fmt.Sprintf("%s %v %d %s %d %d", st.Path, os.FileMode(st.Mode), st.Size, st.Linkname, st.Uid, st.ModTime/1e9))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWalkShowsTheFilesAndTheirFolders(t *testing.T) {
	t.Parallel()
	f, err := gitcontext.New(t.Context(), memory{"1": "one", "2": "#!/bin/sh", "3": "../a"}, []model.TreeEntry{
		{Path: "a-b/z", Mode: model.ModeFile, OID: "1"},
		{Path: "a/b c\"\t/run.sh", Mode: model.ModeExecutable, OID: "2"},
		{Path: "a/link", Mode: model.ModeSymlink, OID: "3"},
		{Path: "empty/folder", Mode: model.ModeFolder},
		{Path: "emptied", Mode: model.ModeExecutable},
		{Path: "é", Mode: model.ModeFile, OID: "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a drwxr-xr-x 0  0 1767225600",
		"a/b c\"\t drwxr-xr-x 0  0 1767225600",
		"a/b c\"\t/run.sh -rwxr-xr-x 9  0 1767225600",
		"a/link Lrwxrwxrwx 4 ../a 0 1767225600",
		"a-b drwxr-xr-x 0  0 1767225600",
		"a-b/z -rw-r--r-- 3  0 1767225600",
		"emptied -rwxr-xr-x 0  0 1767225600",
		"empty drwxr-xr-x 0  0 1767225600",
		"empty/folder drwxr-xr-x 0  0 1767225600",
		"é -rw-r--r-- 3  0 1767225600",
	}
	want[3] = "a/link Lrwxrwxrwx 0 ../a 0 1767225600"
	if diff := cmp.Diff(want, walk(t, f, "/")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[:4], walk(t, f, "a")); diff != "" {
		t.Error(diff)
	}
	r, err := f.Open("emptied")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
		t.Errorf("an emptied file has %q, %v", b, err)
	}
}

// A link that is not sent, and a folder with nothing else in it, are seen only
// by who follows links.
func TestWalkShowsUnsentLinksToWhoFollowsThem(t *testing.T) {
	t.Parallel()
	files := []model.TreeEntry{
		{Path: "a/b/link", Mode: model.ModeUnsentLink, OID: "2"},
		{Path: "a/file", Mode: model.ModeFile, OID: "1"},
		{Path: "c/link", Mode: model.ModeUnsentLink, OID: "2"},
	}
	f, err := gitcontext.New(t.Context(), memory{"1": "one", "2": "../a"}, files)
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/": "a a/file", "": "a a/file", ".": "a a/b a/b/link a/file c c/link", "c": "c c/link", "a/b/link": "a/b/link"} {
		var got []string
		for _, line := range walk(t, f, target) {
			name, _, _ := strings.Cut(line, " ")
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q shows %q, want %q", target, got, want)
		}
	}
	filtered, err := fsutil.NewFilterFS(f, &fsutil.FilterOpt{FollowPaths: []string{"c/l*"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := walk(t, filtered, "/"); len(got) != 2 {
		t.Errorf("behind the link is %q", got)
	}
	files[0].Mode, files[2].Mode = model.ModeSymlink, model.ModeSymlink
	if sent, err := gitcontext.New(t.Context(), memory{"1": "one", "2": "../a"}, files); err != nil || sent.ID() == f.ID() {
		t.Error("the same ID with links that are sent", err)
	}
}

func TestWalkSkips(t *testing.T) {
	t.Parallel()
	files := []model.TreeEntry{}
	for _, p := range []string{"a/1", "a/2", "a/b/3", "c/4", "d"} {
		files = append(files, model.TreeEntry{Path: p, Mode: model.ModeFile, OID: "1"})
	}
	f, err := gitcontext.New(t.Context(), memory{"1": "one"}, files)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at   string
		err  error
		want []string
	}{
		"a folder":             {"a", fs.SkipDir, []string{"a", "c", "c/4", "d"}},
		"the rest of one":      {"a/1", fs.SkipDir, []string{"a", "a/1", "c", "c/4", "d"}},
		"the rest":             {"a/2", fs.SkipAll, []string{"a", "a/1", "a/2"}},
		"the rest of the root": {"d", fs.SkipDir, []string{"a", "a/1", "a/2", "a/b", "a/b/3", "c", "c/4", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := f.Walk(t.Context(), "/", func(p string, _ fs.DirEntry, _ error) error {
				got = append(got, p)
				if p == c.at {
					return c.err
				}
				return nil
			})
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func TestIDChangesWithContentNotWithOrder(t *testing.T) {
	t.Parallel()
	objects := memory{"1": "one", "2": "two"}
	id := func(files ...model.TreeEntry) string {
		f, err := gitcontext.New(t.Context(), objects, files)
		if err != nil {
			t.Fatal(err)
		}
		return f.ID()
	}
	a, b := model.TreeEntry{Path: "a", Mode: model.ModeFile, OID: "1"}, model.TreeEntry{Path: "b", Mode: model.ModeFile, OID: "1"}
	changed, executable := a, a
	changed.OID, executable.Mode = "2", model.ModeExecutable
	if id(a, b) != id(b, a) {
		t.Error("the order of files changes the id")
	}
	for _, other := range []string{id(changed, b), id(executable, b), id(a), id(b)} {
		if other == id(a, b) {
			t.Error("two contexts have one id")
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	objects := memory{
		"1": "one", "0": "", "big": strings.Repeat("x", 3<<20), "broken": "broken",
		"lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
	}
	for name, c := range map[string]struct {
		open    string
		want    string
		problem string
	}{
		"a file":       {"1", "one", ""},
		"an empty one": {"0", "", ""},
		"a large one":  {"big", objects["big"], ""},
		"an LFS one":   {"lfs", "", "lfs is kept in git LFS"},
		"a lost one":   {"broken", "", "reading broken from git: file does not exist"},
		"none at all":  {"else", "", "reading else: file does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var files []model.TreeEntry
			for oid := range objects {
				files = append(files, model.TreeEntry{Path: oid, Mode: model.ModeFile, OID: oid})
			}
			f, err := gitcontext.New(t.Context(), objects, files)
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.Open(c.open)
			if c.problem != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.problem) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err = errors.Join(err, r.Close()); err != nil || string(b) != c.want {
				t.Errorf("got %d bytes, %v", len(b), err)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files []model.TreeEntry
		want  string
	}{
		"leaving":         {[]model.TreeEntry{{Path: "../a", Mode: model.ModeFile, OID: "1"}}, "invalid path"},
		"submodule":       {[]model.TreeEntry{{Path: "a", Mode: model.ModeGitlink, OID: "1"}}, "submodule"},
		"unknown mode":    {[]model.TreeEntry{{Path: "a", Mode: 0o100600, OID: "1"}}, "unknown mode"},
		"twice":           {[]model.TreeEntry{{Path: "a", Mode: model.ModeFile, OID: "1"}, {Path: "a", Mode: model.ModeFile, OID: "1"}}, "twice"},
		"file and folder": {[]model.TreeEntry{{Path: "a", Mode: model.ModeFile, OID: "1"}, {Path: "a/b", Mode: model.ModeFile, OID: "1"}}, "both a file and a folder"},
		"missing object":  {[]model.TreeEntry{{Path: "a", Mode: model.ModeFile, OID: "9"}}, "reading a from git: file does not exist"},
		"endless link":    {[]model.TreeEntry{{Path: "a", Mode: model.ModeSymlink, OID: "2"}}, "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := gitcontext.New(t.Context(), memory{"1": "one", "2": strings.Repeat("x", 5000)}, c.files)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func git(t *testing.T, dir string, env []string, stdin string, args ...string) string {
	t.Helper()
	out, err := tool.Command{Name: "git", Args: args, Dir: dir, Env: env, Stdin: strings.NewReader(stdin)}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestRepository(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	git(t, dir, nil, "", "init", "-q", ".")
	small := git(t, dir, nil, "small\n", "hash-object", "-w", "--stdin")
	large := git(t, dir, nil, strings.Repeat("0123456789abcdef", 1<<17), "hash-object", "-w", "--stdin")
	objects := filepath.Join(dir, ".cache", "objects")
	if err := os.MkdirAll(objects, 0o755); err != nil {
		t.Fatal(err)
	}
	uncommitted := git(t, dir, []string{"GIT_OBJECT_DIRECTORY=" + objects}, "not committed", "hash-object", "-w", "--stdin")
	tree := git(t, dir, nil, "100644 blob "+small+"\ta\n", "mktree")

	sub := filepath.Join(dir, "images", "python")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := gitcontext.OpenRepository(t.Context(), sub)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	ctx := t.Context()

	for oid, want := range map[string]string{small: "small\n", uncommitted: "not committed"} {
		if b, err := gitcontext.ReadAll(ctx, r, oid); err != nil || string(b) != want {
			t.Errorf("got %q, %v", b, err)
		}
	}
	absent := strings.Repeat("1", 40)
	if _, err := r.Size(ctx, absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Open(ctx, absent); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Size(ctx, "--help"); err == nil {
		t.Error("an option passes as an object")
	}
	if _, err := r.Size(ctx, tree); err == nil {
		t.Error("a tree passes as a file")
	}

	stream, err := r.Open(ctx, large)
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 16)
	if _, err := io.ReadFull(stream, head); err != nil || !bytes.Equal(head, []byte("0123456789abcdef")) {
		t.Errorf("got %q, %v", head, err)
	}
	waiting, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("tired"))
	if _, err := r.Size(waiting, small); err == nil || err.Error() != "tired" {
		t.Errorf("who waits for its turn does not hear of the end: %v", err)
	}
	if err := errors.Join(stream.Close(), stream.Close()); err != nil {
		t.Error(err)
	}
	if n, err := r.Size(ctx, large); err != nil || n != 16<<17 {
		t.Errorf("after a half-read object: %d, %v", n, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Size(ctx, small); err == nil {
		t.Error("a closed repository answers")
	}
}

func TestOpenRepositoryOutsideOfOne(t *testing.T) {
	t.Parallel()
	if _, err := gitcontext.OpenRepository(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without git opens")
	}
}

// What surrounds the program tells git which folders to trust and how to reach
// a remote; git is told here, too, as it is when a plan is made.
func TestOpenRepositoryHeedsGitsEnvironment(t *testing.T) {
	dir := t.TempDir()
	if err := (tool.Command{Name: "git", Args: []string{"init", "-q", dir}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "core.bigFileThreshold")
	t.Setenv("GIT_CONFIG_VALUE_0", "nonsense")
	if r, err := gitcontext.OpenRepository(t.Context(), dir); err == nil {
		_ = r.Close()
		t.Error("a setting of the environment was not seen")
	}
}
