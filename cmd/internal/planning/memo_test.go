package planning

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

const (
	memoMine   = "this program"
	memoForged = "a forged answer\n"
)

// oneImage has a release, and an edit after it.
func oneImage(t *testing.T) *memoWorld {
	t.Helper()
	w := &memoWorld{Repo: gittest.New(t), outside: filepath.Join(t.TempDir(), "outside.yaml")}
	w.files = map[string]history.File{"images.lock": {Content: "version: 1\n"}}
	w.Commit(map[string]string{
		"rootfsgen.yaml": "version: 1\n", "images.lock": "version: 1\n", "images/a/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/a/motd": "1",
	})
	w.Git("tag", "v1")
	w.Commit(map[string]string{"images/a/motd": "2"})
	if err := os.WriteFile(w.outside, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *memoWorld) asking(format string) asking {
	return asking{format: format, app: app.App{
		Streams: term.Streams{In: &bytes.Buffer{}, Out: io.Discard, Err: io.Discard}, Dir: w.Dir, Config: "rootfsgen.yaml", Diagnostics: "text",
		Env: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler),
	}}
}

// forge makes every memo say something else, as if a plan had been that.
func (w *memoWorld) forge(t *testing.T) {
	t.Helper()
	repo, err := history.Open(t.Context(), w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = repo.Close() }()
	names := w.remembered()
	for _, name := range names {
		keep(t, newMemory(repo), name, "", memoForged, "")
	}
	if len(names) == 0 {
		t.Fatal("nothing was remembered")
	}
}

func keep(t *testing.T, m *memory, name, before, out, after string) {
	t.Helper()
	n := m.begin(name, []byte(before))
	defer n.drop()
	if _, err := io.WriteString(n, out); err != nil || n.err != nil {
		t.Fatal(err, n.err)
	}
	n.keep([]byte(after))
}

// TestMemoIsAsked changes one thing at a time that the answer depends on: what
// is remembered of the world before must not be found.
func TestMemoIsAsked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(w *memoWorld, q *asking) // after the answer was remembered
		first  func(w *memoWorld, q *asking) // before it
		found  bool
	}{
		"nothing":              {found: true},
		"who asks":             {found: true, change: func(w *memoWorld, _ *asking) { w.Git("config", "user.name", "Grace") }},
		"another program":      {change: func(_ *memoWorld, q *asking) { q.o.program = "another" }},
		"a tag":                {change: func(w *memoWorld, _ *asking) { w.Git("tag", "v2") }},
		"a moved tag":          {change: func(w *memoWorld, _ *asking) { w.Git("tag", "-f", "v1", "HEAD") }},
		"a tag of another":     {found: true, change: func(w *memoWorld, _ *asking) { w.Git("tag", "other") }},
		"a dirty work tree":    {change: func(w *memoWorld, _ *asking) { w.Write(map[string]string{"images/a/motd": "3"}) }},
		"what is ignored":      {found: true, change: func(w *memoWorld, _ *asking) { w.Write(map[string]string{".cache/x": "3"}) }},
		"the work tree, named": {change: func(_ *memoWorld, q *asking) { q.o.To = "worktree" }},
		"a commit":             {change: func(w *memoWorld, _ *asking) { w.Commit(nil) }},
		"the desk's own lock":  {change: func(w *memoWorld, _ *asking) { w.overlay(t, lockOf[1]) }},
		"another of these": {
			first:  func(w *memoWorld, _ *asking) { w.overlay(t, lockOf[1]) },
			change: func(w *memoWorld, _ *asking) { w.overlay(t, lockOf[2]) },
		},
		"settings outside": {change: func(w *memoWorld, q *asking) { q.app.Config = w.outside }},
		"changed settings outside": {
			first:  func(w *memoWorld, q *asking) { q.app.Config = w.outside },
			change: func(w *memoWorld, _ *asking) { mustWrite(t, w.outside, "version: 1\nargs: {A: b}\n") },
		},
		"another fleet of the repository": {
			first:  func(w *memoWorld, _ *asking) { w.Commit(map[string]string{"sub/rootfsgen.yaml": "version: 1\n"}) },
			change: func(w *memoWorld, q *asking) { q.app.Dir = filepath.Join(w.Dir, "sub") },
		},
		"the format":      {change: func(_ *memoWorld, q *asking) { q.format = "json" }},
		"a person":        {change: func(_ *memoWorld, q *asking) { q.app.OutTTY = true }},
		"all":             {change: func(_ *memoWorld, q *asking) { q.o.All = true }},
		"an image":        {change: func(_ *memoWorld, q *asking) { q.o.Images = []string{"a"} }},
		"a forced image":  {change: func(_ *memoWorld, q *asking) { q.o.Force = []string{"a"} }},
		"an image less":   {change: func(_ *memoWorld, q *asking) { q.o.Except = []string{"a"} }},
		"the scope":       {change: func(_ *memoWorld, q *asking) { q.o.Scope = model.ScopeProd }},
		"the snapshot":    {change: func(_ *memoWorld, q *asking) { q.o.SnapshotID = "pr-1" }},
		"which files":     {change: func(_ *memoWorld, q *asking) { q.o.Detect = model.DetectFolder }},
		"being strict":    {change: func(_ *memoWorld, q *asking) { q.o.Strict = true }},
		"saying more":     {change: func(_ *memoWorld, q *asking) { q.app.Verbose = true }},
		"saying less":     {change: func(_ *memoWorld, q *asking) { q.app.Quiet = true }},
		"how it is said":  {change: func(_ *memoWorld, q *asking) { q.app.Diagnostics = "json" }},
		"in which colour": {change: func(_ *memoWorld, q *asking) { q.app.Color = true }},
		"where from":      {change: func(_ *memoWorld, q *asking) { q.o.From = "main" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := oneImage(t)
			q := w.asking("text")
			if c.first != nil {
				c.first(w, &q)
			}
			if said := q.answer(t.Context(), memoMine); !strings.Contains(said, "[out]") {
				t.Fatal(said)
			}
			w.forge(t)
			q.o.program = memoMine
			if c.change != nil {
				c.change(w, &q)
			}
			said := q.answer(t.Context(), q.o.program)
			if found := strings.Contains(said, memoForged); found != c.found {
				t.Errorf("found: %v, want %v: %s", found, c.found, said)
			}
		})
	}
}

func mustWrite(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestMemoIsRebuilt harms what is remembered: the plan is made anew, and is
// remembered again.
func TestMemoIsRebuilt(t *testing.T) {
	t.Parallel()
	w := oneImage(t)
	q := w.asking("json")
	want := q.answer(t.Context(), memoMine)
	file := filepath.Join(w.Dir, ".cache", memoDir, w.remembered()[0])
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	newer := slices.Replace(slices.Clone(whole), 20, 21, '2')
	for name, content := range map[string][]byte{
		"empty": {}, "torn": whole[:len(whole)/2], "longer": append(slices.Clone(whole), 0), "of a later version": newer, "something else": []byte("plan\n"),
	} {
		mustWrite(t, file, string(content))
		if got := q.answer(t.Context(), memoMine); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, whole) {
			t.Errorf("%s: it is not remembered anew: %v", name, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// TestMemoOfEveryByte parses every memo that differs from a whole one in one
// byte, or ends too early.
func TestMemoOfEveryByte(t *testing.T) {
	t.Parallel()
	whole, name := aMemo("before\n", "a plan\n", "after\n")
	if k, err := parseMemo(whole, name); err != nil || string(k.before) != "before\n" || string(k.after) != "after\n" {
		t.Fatalf("%+v, %v", k, err)
	}
	if _, err := parseMemo(whole, strings.Repeat("0", memoName)); err == nil {
		t.Error("a memo of something else is taken")
	}
	for i := range whole {
		for _, flip := range []byte{1, 0x80, 0xff} {
			harmed := slices.Clone(whole)
			harmed[i] ^= flip
			if _, err := parseMemo(harmed, name); err == nil {
				t.Errorf("byte %d may be another", i)
			}
		}
		if _, err := parseMemo(whole[:i], name); err == nil {
			t.Errorf("it may end after %d bytes", i)
		}
	}
}

// TestMemoCannotBeKept plans where nothing can be written.
func TestMemoCannotBeKept(t *testing.T) {
	t.Parallel()
	const blocked = ".cache/plans"
	w := oneImage(t)
	q := w.asking("text")
	want := q.answer(t.Context(), memoMine)
	if err := os.RemoveAll(filepath.Join(w.Dir, blocked)); err != nil {
		t.Fatal(err)
	}
	w.Write(map[string]string{blocked: "a file"})
	for range 2 {
		if got := q.answer(t.Context(), memoMine); got != want {
			t.Errorf("got %s", got)
		}
	}
}

// TestMemoOnlyOfTrees asks where something else has a say: nothing is
// remembered.
func TestMemoOnlyOfTrees(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *memoWorld, q *asking){
		"CI": func(_ *memoWorld, q *asking) {
			q.app.Env = func(name string) string { return map[string]string{"CI": "true"}[name] }
		},
		"a registry": func(_ *memoWorld, q *asking) { q.o.Registry = registrytest.New(t).Prefix("fleet") },
		"a registry that denies": func(_ *memoWorld, q *asking) {
			s := registrytest.New(t)
			s.Fail(registrytest.Fault{Status: 401})
			q.o.Registry = s.Prefix("x")
		},
		"what git hides": func(w *memoWorld, _ *asking) {
			w.Commit(map[string]string{"images/a/Dockerfile": "FROM scratch\nCOPY none /\n"})
		},
		"a mistake": func(w *memoWorld, _ *asking) {
			w.Commit(map[string]string{"rootfsgen.yaml": "version: 1\ncolour: blue\n"})
		},
		"no such image": func(_ *memoWorld, q *asking) { q.o.Images = []string{"x"} },
	} {
		w := oneImage(t)
		q := w.asking("text")
		change(w, &q)
		first, second := q.answer(t.Context(), memoMine), q.answer(t.Context(), memoMine)
		if first != second || len(w.remembered()) > 0 {
			t.Errorf("%s: remembered %v\n%s\n%s", name, w.remembered(), first, second)
		}
	}
}

// TestMemoIsBounded keeps more, and larger, files than there is room for.
func TestMemoIsBounded(t *testing.T) {
	t.Parallel()
	w := oneImage(t)
	repo, err := history.Open(t.Context(), w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = repo.Close() }()
	m := newMemory(repo)
	for i := range 3 * memoFiles {
		keep(t, m, fmt.Sprintf("%064d", i), "", "a plan\n", "")
	}
	if n := len(w.remembered()); n != memoFiles {
		t.Errorf("%d are kept", n)
	}
	for _, name := range w.remembered() {
		if err := os.Truncate(filepath.Join(m.dir, name), memoBytes/4); err != nil {
			t.Fatal(err)
		}
		if m.recall(name) != nil {
			t.Errorf("%s is trusted", name)
		}
	}
	last := fmt.Sprintf("%064d", 99)
	keep(t, m, last, "", "a plan\n", "")
	if n := len(w.remembered()); n != 4 || m.recall(last) == nil {
		t.Errorf("%d are kept: %v", n, w.remembered())
	}
	n := m.begin(last, nil)
	for range memoLargest/len(noise) + 1 {
		_, _ = n.Write(noise) // never fails
	}
	n.keep(nil)
	n.drop()
	if len(w.remembered()) != 4 {
		t.Errorf("what is too large is kept: %v", w.remembered())
	}
}

// noise cannot be compressed.
var noise = func() []byte {
	var b []byte
	for i := range 1 << 15 {
		sum := sha256.Sum256(fmt.Append(nil, i))
		b = append(b, sum[:]...)
	}
	return b
}()
