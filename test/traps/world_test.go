package traps

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// programs is a folder for what the tests compile.
var programs string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rootfsgen-traps-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// program is rootfsgen as the source is now, compiled once.
var program = sync.OnceValues(func() (string, error) { return compile("rootfsgen", "") })

// compile links rootfsgen under another name, as the release of that version
// where one is given. What it says of an error is what test/mutants looks for
// to tell a mutant that does not compile from one that was caught.
func compile(name, version string) (string, error) {
	flags := "-s -w"
	if version != "" {
		flags += " -X github.com/rootfsgen/rootfsgen/cmd/internal/app.released=" + version
	}
	file := filepath.Join(programs, name)
	cmd := tool.Command{Name: "go", Args: []string{"build", "-trimpath", "-ldflags", flags, "-o", file, "github.com/rootfsgen/rootfsgen/cmd/rootfsgen"}}
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
}

// desk is a repository, and who works in it.
type desk struct {
	*gittest.Repo
	t   *testing.T
	env []string // what the program sees beside PATH and the like
}

// newDesk commits files to a new repository, and settings where there are none.
func newDesk(t *testing.T, files map[string]string) *desk {
	t.Helper()
	d := &desk{Repo: gittest.New(t), t: t}
	d.Commit(withSettings(files))
	return d
}

// withSettings adds settings where there are none.
func withSettings(files map[string]string) map[string]string {
	out := map[string]string{"rootfsgen.yaml": "version: 1\n", ".gitignore": ".cache/\n"}
	maps.Copy(out, files)
	return out
}

// at is the same person in another repository.
func (d *desk) at(r *gittest.Repo) *desk { return &desk{Repo: r, t: d.t, env: d.env} }

// in is the same repository on a machine with further variables.
func (d *desk) in(env ...string) *desk {
	return &desk{Repo: d.Repo, t: d.t, env: append(slices.Clone(d.env), env...)}
}

// run starts rootfsgen in the repository.
func (d *desk) run(args ...string) (out, errs string, code int) {
	d.t.Helper()
	file, err := program()
	if err != nil {
		d.t.Fatal(err)
	}
	return d.runProgram(file, args...)
}

func (d *desk) runProgram(file string, args ...string) (out, errs string, code int) {
	d.t.Helper()
	var stderr bytes.Buffer
	cmd := tool.Command{Name: file, Args: args, Dir: d.Dir, Env: append([]string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}, d.env...), Stderr: &stderr}
	b, err := cmd.Output(d.t.Context())
	if exit, failed := errors.AsType[*tool.ExitError](err); failed {
		code = exit.Code
	} else if err != nil {
		d.t.Fatal(err)
	}
	return string(b), stderr.String(), code
}

// ok is run for what must succeed.
func (d *desk) ok(args ...string) string {
	d.t.Helper()
	out, errs, code := d.run(args...)
	if code != 0 {
		d.t.Fatalf("rootfsgen %s: exit code %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

// plan is what rootfsgen plan says. git alone answers, unless the arguments
// name a registry.
func (d *desk) plan(args ...string) *verdicts {
	d.t.Helper()
	v := &verdicts{t: d.t}
	if err := json.Unmarshal([]byte(d.ok(planning(args)...)), &v.Plan); err != nil {
		d.t.Fatal(err)
	}
	if v.Registry != "known" && v.From != nil && v.From.Commit != "" {
		d.agreesWithKeys(v)
	}
	return v
}

// agreesWithKeys shows that exactly those targets are built whose key is
// another than that of the older side read by itself: a plan takes short cuts
// where the sides are alike.
func (d *desk) agreesWithKeys(v *verdicts) {
	d.t.Helper()
	out, _, code := d.run("key", "--json", "--to", v.From.Commit)
	if code != 0 {
		return // it is wrong by itself, and nothing is compared with it
	}
	var keys []struct {
		Image, Tag, Variant string
		Platform            model.Platform
		Key                 model.Digest
	}
	if err := json.Unmarshal([]byte(out), &keys); err != nil {
		d.t.Fatal(err)
	}
	for i := range v.Entries {
		e := &v.Entries[i]
		for _, k := range keys {
			same := model.TargetID{Image: k.Image, Tag: k.Tag, Variant: k.Variant, Platform: k.Platform} == e.ID()
			if same && e.Action != model.ActionRetire && (e.Action == model.ActionBuild) != (e.Key != k.Key) {
				d.t.Errorf("%s: %s, though its key was %s and is %s", e.ID(), e.Action, k.Key.Short(), e.Key.Short())
			}
		}
	}
}

func planning(args []string) []string {
	full := []string{"plan", "--format", "json"}
	if !slices.Contains(args, "--registry") {
		full = append(full, "--registry-state", "off")
	}
	return append(full, args...)
}

// refuses shows that there is no plan, only an error that has these parts. A
// refusal must print no plan at all: an empty one would read as "no change".
func (d *desk) refuses(args []string, parts ...string) {
	d.t.Helper()
	d.fails(planning(args), parts...)
}

// fails shows that a call fails, prints nothing on standard output, and says
// these parts.
func (d *desk) fails(args []string, parts ...string) {
	d.t.Helper()
	out, errs, code := d.run(args...)
	if code == 0 || out != "" {
		d.t.Errorf("rootfsgen %s: exit code %d, printed %q", strings.Join(args, " "), code, out)
	}
	for _, part := range parts {
		if !strings.Contains(errs, part) {
			d.t.Errorf("rootfsgen %s: the error lacks %q:\n%s", strings.Join(args, " "), part, errs)
		}
	}
}

// symlink makes a link in the work tree.
func (d *desk) symlink(target, name string) {
	d.t.Helper()
	file := filepath.Join(d.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.t.Fatal(err)
	}
	_ = os.Remove(file) // it may not be there
	if err := os.Symlink(target, file); err != nil {
		d.t.Fatal(err)
	}
}

// remove takes files out of the work tree.
func (d *desk) remove(names ...string) {
	d.t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(d.Dir, filepath.FromSlash(name))); err != nil {
			d.t.Fatal(err)
		}
	}
}

// read is a file of the work tree.
func (d *desk) read(name string) string {
	d.t.Helper()
	b, err := os.ReadFile(filepath.Join(d.Dir, filepath.FromSlash(name)))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(b)
}

// elsewhere is a folder that need not be a repository.
func (d *desk) elsewhere(dir string) *gittest.Repo { return gittest.At(d.t, dir) }

// readIfThere is a file of the work tree, empty where there is none.
func (d *desk) readIfThere(name string) string {
	d.t.Helper()
	if _, err := os.Stat(filepath.Join(d.Dir, filepath.FromSlash(name))); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return d.read(name)
}
