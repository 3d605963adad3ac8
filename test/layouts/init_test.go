package layouts

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// folder holds the program while the tests run.
var folder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rootfsgen-layouts-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	folder = dir
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// program is rootfsgen as the source is now, compiled once.
var program = sync.OnceValues(func() (string, error) {
	file := filepath.Join(folder, "rootfsgen")
	cmd := tool.Command{Name: "go", Args: []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/rootfsgen/rootfsgen/cmd/rootfsgen"}}
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GO") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if _, err := cmd.Output(context.Background()); err != nil {
		return "", fmt.Errorf("compiling rootfsgen: %w", err)
	}
	return file, nil
})

// TestInit compares what "rootfsgen init" finds without rules with what is
// there.
func TestInit(t *testing.T) {
	t.Parallel()
	eachLayout(t, func(t *testing.T, l layout) {
		proposed := initialise(t, l)
		tree := maps.Clone(l.tree)
		tree[source.DefaultConfig] = history.File{Content: proposed}
		s, list := snapshot(t, tree)
		got, written := edges(s), l.lines(t, "edges.txt")
		var want, missing []string
		for _, e := range written {
			if !strings.Contains(e, " <- ") {
				continue
			}
			want = append(want, e)
			if !slices.Contains(got, e) {
				missing = append(missing, e)
			}
		}
		share := float64(len(want)-len(missing)) / float64(max(1, len(want)))
		if share < l.share(t) {
			t.Errorf("init finds %.2f of the edges, want %.2f; not these:\n%s\nwith\n%s\n%v",
				share, l.share(t), strings.Join(missing, "\n"), proposed, list.Err())
		}
		for _, e := range got {
			if strings.Contains(e, " <- ") && !slices.Contains(want, e) && !beyond(e, written) {
				t.Errorf("init finds an edge that is none: %s", e)
			}
		}
	})
}

// share is how much of the edges init must find.
func (l layout) share(t *testing.T) float64 {
	t.Helper()
	least := 0.0
	for _, line := range l.lines(t, "init.txt") {
		n, err := strconv.ParseFloat(strings.TrimPrefix(line, "edges "), 64)
		if err != nil {
			t.Fatal(err)
		}
		least = n
	}
	return least
}

// initialise commits the layout without its rules, and returns those that init
// writes.
func initialise(t *testing.T, l layout) string {
	t.Helper()
	repo := gittest.New(t)
	for path, f := range l.tree {
		if path != source.DefaultConfig && f.Mode != model.ModeGitlink {
			write(t, filepath.Join(repo.Dir, filepath.FromSlash(path)), f)
		}
	}
	repo.Commit(nil)
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (tool.Command{Name: file, Args: []string{"init", "--no-lock"}, Dir: repo.Dir}).Output(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(repo.Dir, source.DefaultConfig))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, file string, f history.File) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	switch f.Mode {
	case model.ModeSymlink:
		err = os.Symlink(f.Content, file)
	case model.ModeExecutable:
		err = os.WriteFile(file, []byte(f.Content), 0o755) //nolint:gosec // a program
	default:
		err = os.WriteFile(file, []byte(f.Content), 0o644) //nolint:gosec // to be read
	}
	if err != nil {
		t.Fatal(err)
	}
}

// beyond tells whether an edge begins at an image that the layout's rules
// leave out: nobody has written down what it is built from.
func beyond(edge string, written []string) bool {
	child, _, _ := strings.Cut(edge, " <- ")
	return !slices.ContainsFunc(written, func(w string) bool { return strings.HasPrefix(w, child+" <") })
}
