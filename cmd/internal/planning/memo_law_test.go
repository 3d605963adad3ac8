package planning

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// asking is a call of Print.
type asking struct {
	app    app.App
	o      Options
	format string
}

// answer is all that a call says, in the order in which it says it.
func (q asking) answer(ctx context.Context, program string) string {
	a := q.app
	var said transcript
	a.Streams.Out, a.Streams.Err = said.stream("out"), said.stream("err")
	q.o.program = program
	if err := Print(ctx, &a, q.o, q.format, func(*model.Settings) error { return nil }); err != nil {
		fmt.Fprintf(said.stream("error"), "%+v", err)
	}
	return said.text.String()
}

// transcript is what several streams say, in order, however the writing is
// parted.
type transcript struct {
	text bytes.Buffer
	last string
}

func (t *transcript) stream(name string) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if t.last != name && len(p) > 0 {
			t.last = name
			fmt.Fprintf(&t.text, "\n[%s]\n", name)
		}
		return t.text.Write(p)
	})
}

// TestRememberedIsPlanned changes all that a plan depends on, again and again,
// and asks: what is said with a memory of earlier plans is what is said
// without one.
func TestRememberedIsPlanned(t *testing.T) {
	t.Parallel()
	calls, known := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := newMemoWorld(t, rt)
		for range 2 {
			w.change(rt)
			q := w.ask(rt)
			calls++
			want := q.answer(t.Context(), fmt.Sprint("knows nothing ", calls))
			before := len(w.remembered())
			first := q.answer(t.Context(), "remembers")
			second := q.answer(t.Context(), "remembers")
			if diff := cmp.Diff(want, first); diff != "" {
				rt.Fatalf("%+v %s: a memory of others changes what is said (-without +with):\n%s", q.o, q.format, diff)
			}
			if diff := cmp.Diff(want, second); diff != "" {
				rt.Fatalf("%+v %s: again (-without +with):\n%s", q.o, q.format, diff)
			}
			if len(w.remembered()) > before {
				known++
			}
		}
	})
	if known < calls/8 {
		t.Errorf("of %d plans only %d were remembered", calls, known)
	} else {
		t.Logf("of %d plans %d were remembered", calls, known)
	}
}

// memoWorld is a repository, and what lies around it.
type memoWorld struct {
	*gittest.Repo
	outside string
	files   map[string]history.File
	tags    int
}

func newMemoWorld(t *testing.T, rt *rapid.T) *memoWorld {
	w := &memoWorld{Repo: gittest.New(t), outside: filepath.Join(t.TempDir(), "outside.yaml"), files: drawFleet(rt)}
	if rapid.IntRange(0, 3).Draw(rt, "whole") > 0 { // else git is asked what it hides, and nothing is remembered
		for _, dir := range []string{"", "shared/", "images/a/", "images/b/", "images/c/", "images/d/", "images/e/", "images/f/"} {
			for _, name := range []string{"link.txt", "none", "motd", "motd-", "motd-amd64", "motd-arm64", "files/more.txt", "shared"} {
				if _, there := w.files[dir+name]; !there && dir+name != "shared" {
					w.files[dir+name] = history.File{Content: name}
				}
			}
		}
	}
	w.write(rt)
	w.Commit(nil)
	if err := os.WriteFile(w.outside, []byte("version: 1\n"), 0o600); err != nil {
		rt.Fatal(err)
	}
	return w
}

// write makes the work tree hold the files, and no others.
func (w *memoWorld) write(t *rapid.T) {
	for _, dir := range []string{"images", "shared", "docs", "files"} {
		if err := os.RemoveAll(filepath.Join(w.Dir, dir)); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range w.files {
		p := filepath.Join(w.Dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case err != nil:
		case f.Mode == model.ModeSymlink:
			err = os.Symlink(f.Content, p)
		case f.Mode == model.ModeExecutable:
			err = os.WriteFile(p, []byte(f.Content), 0o755) //nolint:gosec // it must be one
		default:
			err = os.WriteFile(p, []byte(f.Content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// change changes one thing that a plan may depend on.
func (w *memoWorld) change(t *rapid.T) {
	switch rapid.IntRange(0, 6).Draw(t, "change") {
	case 0, 1:
		edit(t, w.files)
		w.write(t)
	case 2:
		edit(t, w.files)
		w.write(t)
		w.Commit(nil)
	case 3:
		w.tags++
		w.Git("tag", fmt.Sprintf("v%d%s", w.tags, rapid.SampledFrom([]string{"", "a"}).Draw(t, "rebuild")))
	case 4:
		w.Git("tag", "-f", "base")
	case 5:
		w.overlay(t, rapid.SampledFrom(lockOf).Draw(t, "overlay"))
	case 6:
		settings := rapid.SampledFrom(settingsOf).Draw(t, "outside")
		if err := os.WriteFile(w.outside, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// overlay writes a desk's own lock.
func (w *memoWorld) overlay(t interface{ Fatal(args ...any) }, lock string) {
	committed := []byte(w.files["images.lock"].Content)
	text := "# Goes before images.lock with " + model.DigestOf(committed).String() + ".\n" + lock
	err := os.MkdirAll(filepath.Join(w.Dir, ".cache"), 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.Dir, ".cache", "images.lock.local"), []byte(text), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *memoWorld) ask(t *rapid.T) asking {
	env := map[string]string{}
	if rapid.IntRange(0, 5).Draw(t, "CI") == 0 {
		env["CI"] = "true"
	}
	flag := func(name string, outOf int) bool { return rapid.IntRange(1, outOf).Draw(t, name) == 1 }
	q := asking{
		app: app.App{
			Dir: w.Dir, Config: "rootfsgen.yaml", Env: func(name string) string { return env[name] }, Log: slog.New(slog.DiscardHandler),
			Verbose: flag("verbose", 4), Quiet: flag("quiet", 6), Diagnostics: rapid.SampledFrom([]string{"text", "json", "github"}).Draw(t, "diagnostics"),
		},
		o: Options{
			To: rapid.SampledFrom([]string{"", "", "HEAD", "main", "worktree"}).Draw(t, "to"), From: rapid.SampledFrom([]string{"", "", "HEAD", "main~0"}).Draw(t, "from"),
			All: flag("all", 6), Strict: flag("strict", 8), State: StateOff,
			Scope:  rapid.SampledFrom([]string{"", "", model.ScopePR, model.ScopeProd}).Draw(t, "scope"),
			Detect: rapid.SampledFrom([]string{"", "", "", model.DetectExact, model.DetectFolder}).Draw(t, "detect"),
		},
		format: rapid.SampledFrom(Formats()).Draw(t, "format"),
	}
	q.app.Streams = term.Streams{In: &bytes.Buffer{}, Out: io.Discard, Err: io.Discard, OutTTY: flag("person", 2), Color: flag("colour", 4)}
	if flag("outside", 5) {
		q.app.Config = w.outside
	}
	if flag("below", 6) {
		q.app.Dir = filepath.Join(w.Dir, "shared")
	}
	for i, list := range []*[]string{&q.o.Force, &q.o.Images, &q.o.Except} {
		name := []string{"force", "images", "except"}[i]
		if flag(name, 6) {
			*list = []string{rapid.SampledFrom(imageNames).Draw(t, name+" of")}
		}
	}
	return q
}

// remembered are the names of the memos and how new they are.
func (w *memoWorld) remembered() []string {
	entries, err := os.ReadDir(filepath.Join(w.Dir, ".cache", memoDir))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
