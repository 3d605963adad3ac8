package bench

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

var (
	sizes = flag.String("bench.sizes", "1000,10000,100000", "images of the fleets that BenchmarkFleet plans")
	turbo = flag.Bool("bench.turbo", true, "measure turborepo beside it, on fleets of at most ten thousand images")
)

// largestTurbo is the largest fleet on which turborepo is measured: on a
// hundred thousand packages it takes minutes.
const largestTurbo = 10_000

// BenchmarkFleet plans one edit in fleets of every size. What is compared is
// done in turn, so that what else the machine does meets all of it alike.
func BenchmarkFleet(b *testing.B) {
	var table bytes.Buffer
	table.WriteString("| images | git | text, cold | json, cold | text, warm | json, warm | turborepo | memory |\n|---|---|---|---|---|---|---|---|\n")
	cold := map[int]time.Duration{}
	var counts []int
	for size := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		f := newFleet(b, n)
		f.measure()
		counts, cold[n] = append(counts, n), median(f.took["text"])
		table.WriteString(f.row())
		for _, what := range []string{"text", "json", "text-warm", "json-warm"} {
			b.ReportMetric(f.ratio(what), fmt.Sprintf("%s-%d-ratio", what, n))
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing here
	if len(counts) == 3 {
		growth := float64(cold[counts[2]]-cold[counts[1]]) / float64(cold[counts[1]]-cold[counts[0]])
		b.ReportMetric(growth, "growth")
	}
	b.Logf("medians of %d; times git in brackets\n%s", *rounds, table.String())
}

// fleet is a generated repository, and how long each program took in it.
type fleet struct {
	b      *testing.B
	wide   fleetgen.Wide
	dir    string
	npm    string // the same as npm workspaces; empty where turborepo is not measured
	took   map[string][]time.Duration
	memory int64 // largest resident set of ours, in bytes
}

func newFleet(b *testing.B, n int) *fleet {
	b.Helper()
	f := &fleet{b: b, wide: fleetgen.Wide{Images: n}, took: map[string][]time.Duration{}}
	f.dir = f.repository(f.wide.Each)
	if *turbo && n <= largestTurbo {
		f.npm = f.repository(f.wide.Packages)
		gittest.At(b, f.npm).Git("reset", "-q", "--hard")
	}
	return f
}

// repository has the tree in its history. Only what turborepo reads from the
// disk is checked out.
func (f *fleet) repository(tree func(func(path, content string))) string {
	f.b.Helper()
	r := gittest.New(f.b)
	in, out := io.Pipe()
	go func() { _ = out.CloseWithError(f.wide.Import(out, tree)) }() // never fails
	cmd := exec.CommandContext(f.b.Context(), "git", "-C", r.Dir, "fast-import", "--quiet", "--done")
	cmd.Stdin = in
	if said, err := cmd.CombinedOutput(); err != nil {
		f.b.Fatalf("git fast-import: %v\n%s", err, said)
	}
	return r.Dir
}

func (f *fleet) measure() {
	ours := filepath.Join(enginetest.Programs(f.b), "rootfsgen")
	for range *rounds {
		f.run("git", f.dir, "git", "diff", "--name-only", "v1", "main")
		last := len(f.took["git"]) - 1
		f.run("git", f.dir, "git", "ls-tree", "-r", "main")
		f.took["git"][last] += f.took["git"][last+1]
		f.took["git"] = f.took["git"][:last+1]
		for _, format := range []string{"text", "json"} {
			if err := os.RemoveAll(filepath.Join(f.dir, ".cache")); err != nil {
				f.b.Fatal(err)
			}
			for _, what := range []string{format, format + "-warm"} {
				f.run(what, f.dir, ours, "plan", "--from", "v1", "--to", "main", "--format", format)
			}
		}
		if f.npm != "" {
			f.run("turborepo", f.npm, filepath.Join(enginetest.Root(f.b), ".cache", "turbo", "turbo"), "run", "build", "--dry=json", "--filter=...[v1]")
		}
	}
}

// run notes how long a program took. What it prints is thrown away.
func (f *fleet) run(what, dir, name string, args ...string) {
	f.b.Helper()
	cmd := exec.CommandContext(f.b.Context(), name, args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Stderr = dir, &said
	cmd.Env = append(os.Environ(), "TURBO_TELEMETRY_DISABLED=1", "DO_NOT_TRACK=1", "CI=") // as on a desk, where plans are remembered
	start := time.Now()
	if err := cmd.Run(); err != nil {
		f.b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said.String())
	}
	f.took[what] = append(f.took[what], time.Since(start))
	if usage, known := cmd.ProcessState.SysUsage().(*syscall.Rusage); known && filepath.Base(name) == "rootfsgen" {
		f.memory = max(f.memory, usage.Maxrss<<10)
	}
}

func (f *fleet) ratio(what string) float64 {
	return median(f.took[what]).Seconds() / median(f.took["git"]).Seconds()
}

func (f *fleet) row() string {
	cell := func(what string) string {
		if len(f.took[what]) == 0 {
			return "not measured"
		}
		return fmt.Sprintf("%s (%.1f)", rounded(median(f.took[what])), f.ratio(what))
	}
	return fmt.Sprintf("| %d | %s | %s | %s | %s | %s | %s | %d MB |\n", f.wide.Images, rounded(median(f.took["git"])),
		cell("text"), cell("json"), cell("text-warm"), cell("json-warm"), cell("turborepo"), f.memory/1e6)
}
