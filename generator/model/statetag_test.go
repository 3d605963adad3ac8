package model

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawState(t *rapid.T) StateTag {
	digest := func(label string) Digest { return DigestOf(rapid.SliceOf(rapid.Byte()).Draw(t, label)) }
	return StateTag{
		Key: digest("key"), Generation: rapid.IntRange(0, MaxGeneration).Draw(t, "generation"),
		Step:   rapid.SampledFrom([]string{StepBuild, StepTest, StepMerge}).Draw(t, "step"),
		Digest: digest("digest"), StepKey: digest("step key"),
	}
}

func TestStateTagRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t)
		tag := s.String()
		if len(tag) > 128 {
			t.Fatalf("%s has %d characters", tag, len(tag))
		}
		got, ok := ParseStateTag(tag)
		if want := (ParsedState{s.Key, s.Generation, s.Digest, s.Mark()}); !ok || got != want {
			t.Fatalf("%s came back as %+v %v, want %+v", tag, got, ok, want)
		}
		if got.Of(StepBuild) != (s.Step == StepBuild) {
			t.Errorf("%s: build %v", tag, got.Of(StepBuild))
		}
	})
}

// All that is said about one target is contiguous in a sorted list, newer
// generations first, and between a target's prefix and its first tag is
// nothing.
func TestStateTagsAreContiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawState(t), drawState(t)
		if rapid.Bool().Draw(t, "same target") {
			b.Key = a.Key
		}
		tags := []string{a.String(), b.String(), StatePrefix(a.Key), ContentTag(a.Key, 0), ReceiptTag(a.Step, a.StepKey), IdentityTag(a.Key)}
		slices.Sort(tags)
		at := func(tag string) int { return slices.Index(tags, tag) }
		if at(a.String()) > at(ContentTag(a.Key, 0)) || at(a.String()) > at(ReceiptTag(a.Step, a.StepKey)) || at(a.String()) > at(IdentityTag(a.Key)) {
			t.Fatalf("a state tag is not first: %v", tags)
		}
		if at(StatePrefix(a.Key)) > at(a.String()) {
			t.Fatalf("the prefix is behind the tag: %v", tags)
		}
		if a.Key == b.Key && a.Generation != b.Generation && (a.Generation > b.Generation) != (at(a.String()) < at(b.String())) {
			t.Fatalf("the newer generation is behind the older: %v", tags)
		}
		if a.Key != b.Key && (a.Key < b.Key) != (a.String() < b.String()) {
			t.Fatalf("tags do not sort as their keys: %v", tags)
		}
		if !strings.HasPrefix(a.String(), StateGenerationPrefix(a.Key, a.Generation)) || !strings.HasPrefix(a.String(), StatePrefix(a.Key)+"-") {
			t.Fatalf("%s has not its own prefix", a)
		}
	})
}

func TestStateTagOfNothing(t *testing.T) {
	t.Parallel()
	d := DigestOf(nil)
	for _, s := range []StateTag{
		{}, {Key: d, Step: StepBuild, Digest: d}, {Key: d, Step: StepBuild, StepKey: d}, {Step: StepBuild, Digest: d, StepKey: d},
		{Key: d, Step: "scan", Digest: d, StepKey: d}, {Key: d, Step: StepBuild, Digest: d, StepKey: d, Generation: -1},
		{Key: d, Step: StepBuild, Digest: d, StepKey: d, Generation: MaxGeneration + 1},
	} {
		if tag := s.String(); tag != "" {
			t.Errorf("%+v is %s", s, tag)
		}
	}
	if (Content{Done: []string{""}}).Has("scan", d) {
		t.Error("a step that has no letter is finished")
	}
}

func FuzzStateTag(f *testing.F) {
	d := DigestOf(nil)
	valid := StateTag{Key: d, Generation: 3, Step: StepTest, Digest: d, StepKey: d}.String()
	for _, s := range []string{valid, "d-", StatePrefix(d), strings.ToUpper(valid), valid[:127], valid + "0", strings.Replace(valid, "-0", "-9", 1), "latest"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := ParseStateTag(s)
		if !ok {
			return
		}
		if !strings.HasPrefix(s, StateGenerationPrefix(p.Key, p.Generation)+p.Mark[:1]+p.Digest.ordered()+"-"+p.Mark[1:]) {
			t.Fatalf("%q is not canonical, yet it was read as %+v", s, p)
		}
	})
}
