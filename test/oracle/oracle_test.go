package oracle

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

var (
	count   = flag.Int("oracle.n", 100, "how many fleets are judged")
	base    = flag.Int64("oracle.seed", 1, "seed of the first fleet; each further one has the next")
	first   = flag.Int("oracle.from", 0, "index of the fleet to begin with")
	state   = flag.String("oracle.state", "", "`file` that keeps how far a long run is; it goes on from there")
	workers = flag.Int("oracle.workers", 4, "how many fleets are judged at a time")
)

// enough is how many fleets show every construct.
const enough = 100

// TestOracle draws fleets and lets BuildKit judge their keys.
func TestOracle(t *testing.T) {
	w := newWorld(t)
	r := &run{world: w, counts: newCounts()}
	from := max(*first, r.resume(t, *state, *base))
	for begin := from; begin < *count; begin += enough {
		r.batch(t, begin, min(begin+enough, *count))
		if t.Failed() {
			break // what is kept ends before this batch, which is judged again when the fault is mended
		}
		if *state != "" {
			r.keep(t, *state, *base, min(begin+enough, *count))
		}
	}
	t.Log(r.counts.report())
	if r.counts.Fleets >= enough {
		for _, name := range r.counts.missing() {
			t.Errorf("%s was never drawn", name)
		}
	}
	if r.counts.Refused*4 > r.counts.Fleets {
		t.Errorf("%d of %d fleets cannot be planned: the test says little", r.counts.Refused, r.counts.Fleets)
	}
}

// run is one run of the oracle.
type run struct {
	*world
	mu     sync.Mutex
	counts *counts
	shrunk atomic.Int32
}

// batch judges some fleets. Where BuildKit's daemon dies under several at a
// time, it is started again and these are judged one by one: what kills it then
// is known.
func (r *run) batch(t *testing.T, from, to int) {
	for next := from; next < to; {
		var mu sync.Mutex
		var died []int
		var gone atomic.Bool
		g, ctx := errgroup.WithContext(t.Context())
		g.SetLimit(*workers)
		for ; next < to && ctx.Err() == nil && !gone.Load(); next++ {
			i := next
			g.Go(func() error {
				err := r.one(ctx, t, *base+int64(i), false)
				if !daemonDied(err) {
					return err
				}
				gone.Store(true)
				mu.Lock()
				defer mu.Unlock()
				died = append(died, i)
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(died) > 0 && r.gone(t.Context()) {
			if err := r.revive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range died {
			if err := r.one(t.Context(), t, *base+int64(i), true); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// one judges one fleet. While it is alone, a build that kills the daemon is one
// that fails.
func (r *run) one(ctx context.Context, t *testing.T, seed int64, alone bool) error {
	s := samples().Example(int(seed))
	s.seed = seed
	v, err := r.try(ctx, s, how{again: seed%8 == 0, alone: alone})
	if err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	r.mu.Lock()
	r.counts.add(s, v)
	r.mu.Unlock()
	if testing.Verbose() {
		for _, said := range v.said {
			line, _, _ := strings.Cut(said, "\n")
			t.Logf("seed %d: %s", seed, line)
		}
	}
	if len(v.faults) == 0 {
		return nil
	}
	small, faults := s, v.faults
	if r.shrunk.Add(1) <= 3 { // the rest are likely of the same cause
		small, faults = r.shrink(ctx, s, v.faults)
	}
	t.Errorf("seed %d: %s\nThe same with less (put it into testdata/misses, named after its cause):\n%s\n%s", seed, v.faults[0], small.archive(), faults[0])
	return nil
}

// resume is how far the run of a state file was, when it had the same seed.
func (r *run) resume(t *testing.T, file string, seed int64) int {
	b, err := os.ReadFile(file)
	if file == "" || os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	kept, err := parseCounts(b)
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	if kept.Seed != seed {
		t.Fatalf("%s is of a run with -oracle.seed %d: give that, or another file", file, kept.Seed)
	}
	r.counts = kept
	return kept.Next
}

// keep writes how far the run is.
func (r *run) keep(t *testing.T, file string, seed int64, next int) {
	r.counts.Seed, r.counts.Next = seed, next
	if err := os.WriteFile(file+".new", r.counts.encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// TestMisses judges what went wrong once.
func TestMisses(t *testing.T) {
	all, err := filepath.Glob("testdata/misses/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatalf("%d samples, %v", len(all), err)
	}
	w := newWorld(t)
	for _, file := range all {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := parseArchive(data)
			if err != nil {
				t.Fatal(err)
			}
			v, err := w.try(t.Context(), s, how{})
			if err != nil {
				t.Fatal(err)
			}
			if len(v.refused) > 0 {
				t.Errorf("it cannot be planned: %s", strings.Join(v.said, "\n"))
			}
			for _, f := range v.faults {
				t.Error(f)
			}
		})
	}
}

// sorted is a table of counts, the largest first.
func sorted(m map[string]int) string {
	keys := slices.Collect(maps.Keys(m))
	slices.SortFunc(keys, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, k := range keys {
		out = append(out, k+" "+strconv.Itoa(m[k]))
	}
	return strings.Join(out, ", ")
}
