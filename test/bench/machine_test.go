package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// machine is a repository and what its programs see of the world.
type machine struct {
	*gittest.Repo
	b        *testing.B
	env      []string
	registry string
	buildkit string
}

// newMachine makes a repository of files, committed, beside running engines.
// @BUSYBOX@ in them becomes the reference of a base in the local registry.
func newMachine(b *testing.B, files map[string]string) *machine {
	b.Helper()
	s, busybox := enginetest.Services(b), enginetest.Busybox(b)
	m := &machine{Repo: gittest.New(b), b: b, registry: s.Registry, buildkit: s.BuildkitAddr}
	m.env = []string{
		"PATH=" + strings.Join([]string{enginetest.Programs(b), enginetest.Bin(b), os.Getenv("PATH"), "/usr/sbin:/sbin"}, ":"),
		"HOME=" + b.TempDir(), "LANG=C.UTF-8", "BUILDKIT_HOST=" + s.BuildkitAddr,
	}
	for name, text := range files {
		files[name] = strings.ReplaceAll(text, "@BUSYBOX@", busybox)
	}
	m.Commit(files)
	return m
}

// run starts a program in the repository and returns what it printed and how
// long it took.
func (m *machine) run(name string, args ...string) (string, time.Duration) {
	m.b.Helper()
	return m.runIn(m.Dir, name, args...)
}

func (m *machine) runIn(dir, name string, args ...string) (string, time.Duration) {
	m.b.Helper()
	ctx, cancel := context.WithTimeout(m.b.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.path(name), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, m.env, &out, &errs
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		m.b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), took
}

// path finds one of our programs, or one that "make tools" compiled.
func (m *machine) path(name string) string {
	m.b.Helper()
	for _, dir := range []string{enginetest.Programs(m.b), enginetest.Bin(m.b)} {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	m.b.Fatalf("%s is not there: run make tools", name)
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// plan writes the plan of HEAD for a registry prefix and returns its path.
func (m *machine) plan(prefix string) string {
	m.b.Helper()
	return m.planIn(m.Dir, prefix)
}

// clone checks the repository out into a new folder, over git's protocol, as a
// job's checkout does, and says how long that took.
func (m *machine) clone() (dir string, took time.Duration) {
	m.b.Helper()
	dir = filepath.Join(m.b.TempDir(), "checkout")
	start := time.Now()
	m.Git("clone", "--quiet", "--filter=blob:none", "file://"+m.Dir, dir)
	return dir, time.Since(start)
}

// planIn is plan in a checkout.
func (m *machine) planIn(dir, prefix string) string {
	m.b.Helper()
	text, _ := m.runIn(dir, "rootfsgen", "plan", "--to", "HEAD", "--registry", prefix, "--format", "json")
	path := filepath.Join(m.b.TempDir(), "plan.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.b.Fatal(err)
	}
	return path
}

// median is the middle of an odd number of times.
func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}

// ratio reports how two medians compare.
func ratio(b *testing.B, ours, theirs []time.Duration) {
	b.Helper()
	mine, other := median(ours), median(theirs)
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric(mine.Seconds(), "ours-s")
	b.ReportMetric(other.Seconds(), "buildctl-s")
	b.ReportMetric(mine.Seconds()/other.Seconds(), "ratio")
	b.Logf("ours %v, buildctl %v", ours, theirs)
}

// rounded is a duration for a person.
func rounded(d time.Duration) string { return fmt.Sprint(d.Round(time.Millisecond)) }
