package oracle

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// attempts bounds how often a sample is made smaller.
const attempts = 120

// shrink leaves out of a sample whatever the fault does not need: edits, whole
// images, files, lines. A smaller sample counts when the same kind of fault
// comes of it.
func (w *world) shrink(ctx context.Context, s *sample, faults []fault) (*sample, []fault) {
	kind := faults[0].kind
	left := attempts
	for again := true; again; {
		again = false
		for _, smaller := range s.smaller() {
			if left--; left < 0 || ctx.Err() != nil {
				return s, faults
			}
			v, err := w.try(ctx, smaller, how{})
			if err != nil || len(v.refused) > 0 {
				continue
			}
			if i := slices.IndexFunc(v.faults, func(f fault) bool { return f.kind == kind }); i >= 0 {
				s, faults, again = smaller, v.faults[i:], true
				break
			}
		}
	}
	return s, faults
}

// smaller are samples with one thing less, the largest things first.
func (s *sample) smaller() []*sample {
	var out []*sample
	with := func(change func(*sample)) {
		c := &sample{seed: s.seed, then: maps.Clone(s.then), now: maps.Clone(s.now), uses: s.uses, edits: s.edits}
		change(c)
		out = append(out, c)
	}
	all := maps.Clone(s.then)
	maps.Copy(all, s.now)
	dirs := map[string]bool{}
	for p := range all {
		if parts := strings.Split(p, "/"); parts[0] == "images" && len(parts) > 2 {
			dirs[parts[0]+"/"+parts[1]] = true
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		with(func(c *sample) { c.drop(dir) })
	}
	paths := slices.Sorted(maps.Keys(all))
	for _, p := range paths {
		old, before := s.then[p]
		if now, after := s.now[p]; before != after || old != now {
			with(func(c *sample) {
				delete(c.now, p)
				if before {
					c.now[p] = old
				}
			})
		}
	}
	for _, p := range paths {
		if p != "rootfsgen.yaml" {
			with(func(c *sample) { delete(c.then, p); delete(c.now, p) })
		}
	}
	for _, p := range paths {
		name := path.Base(p)
		if strings.HasSuffix(name, "file") || strings.HasSuffix(name, "ignore") || name == "image.yaml" {
			for _, line := range s.lines(p) {
				with(func(c *sample) { c.cut(p, line) })
			}
		}
	}
	return out
}

func (s *sample) drop(dir string) {
	for _, f := range []files{s.then, s.now} {
		for _, p := range f.below(dir) {
			delete(f, dir+"/"+p)
		}
	}
}

// lines are those of a file on either side, without repetitions.
func (s *sample) lines(p string) []string {
	var out []string
	for _, f := range []files{s.then, s.now} {
		if f[p].Mode == model.ModeSymlink {
			continue
		}
		for line := range strings.Lines(f[p].Content) {
			if !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

// cut takes a line out of a file, on both sides.
func (s *sample) cut(p, line string) {
	for _, f := range []files{s.then, s.now} {
		file, found := f[p]
		if !found {
			continue
		}
		var kept strings.Builder
		for l := range strings.Lines(file.Content) {
			if l != line {
				kept.WriteString(l)
			}
		}
		file.Content = kept.String()
		f[p] = file
	}
}
