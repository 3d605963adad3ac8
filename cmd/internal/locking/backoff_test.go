package locking

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestFailedUpdatesWait moves a base with which images failed, and asks at
// several times.
func TestFailedUpdatesWait(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const hour = time.Hour
	for name, c := range map[string]struct {
		failures   int
		after      time.Duration
		backoff    time.Duration
		quarantine int
		another    bool // it has moved on since
		named      bool
		rule       string // why it is held, empty where it is taken
		noted      bool
	}{
		"the first time, too early":       {failures: 1, after: hour - 1, backoff: hour, rule: RuleBaseWaits, noted: true},
		"the first time, waited":          {failures: 1, after: hour, backoff: hour, noted: true},
		"the second time, too early":      {failures: 2, after: 2*hour - 1, backoff: hour, rule: RuleBaseWaits, noted: true},
		"the second time, waited":         {failures: 2, after: 2 * hour, backoff: hour, noted: true},
		"the fifth time, too early":       {failures: 5, after: 16*hour - 1, backoff: hour, rule: RuleBaseWaits, noted: true},
		"the fifth time, waited":          {failures: 5, after: 16 * hour, backoff: hour, noted: true},
		"no wait grows for ever":          {failures: 900, after: 90 * 24 * hour, backoff: hour, noted: true},
		"no back-off":                     {failures: 5, noted: true},
		"not yet in quarantine":           {failures: 4, after: 8 * hour, backoff: hour, quarantine: 5, noted: true},
		"in quarantine, whatever waited":  {failures: 5, after: 1000 * hour, backoff: hour, quarantine: 5, rule: RuleBaseQuarantine, noted: true},
		"another update":                  {failures: 5, backoff: hour, quarantine: 5, another: true},
		"in quarantine and named":         {failures: 5, backoff: hour, quarantine: 5, named: true, noted: true},
		"a quarantine without a back-off": {failures: 1, quarantine: 1, rule: RuleBaseQuarantine, noted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			base := s.Prefix("base")
			fleet, g := load(t, map[string]string{"images/child/Dockerfile": "FROM " + base + ":1\n", "images/child/image.yaml": "arch: amd64\n"})
			pushMade(t, base, noon.Add(-1000*time.Hour))
			l := locker(t, true)
			l.Now, l.Backoff, l.Quarantine = noon.Add(c.after), c.backoff, c.quarantine
			first, _, err := l.Lock(t.Context(), fleet, g, model.Lock{})
			if err != nil {
				t.Fatal(err)
			}
			pushMade(t, base, noon)
			moved, _, err := l.Lock(t.Context(), fleet, g, first)
			if err != nil {
				t.Fatal(err)
			}
			if c.another {
				pushMade(t, base, noon.Add(time.Hour))
			}
			if c.named {
				l.Only = func(ref string, _ model.TargetID) bool { return ref == base+":1" }
			}
			l.Failed = map[string]model.FailedBase{base + ":1": {Digest: moved.Bases[base+":1"].Digest, Failures: c.failures, Last: noon.Format(time.RFC3339)}}
			now, list, err := l.Lock(t.Context(), fleet, g, first)
			if err != nil || list.HasErrors() {
				t.Fatal(list, err)
			}
			rule := ""
			if len(list) > 0 {
				rule = list[0].Rule
			}
			if held := len(Changes(first, now)) == 0; held != (c.rule != "") || rule != c.rule {
				t.Errorf("held back: %v, %v", held, list)
			}
			if _, noted := now.Failed[base+":1"]; noted != c.noted {
				t.Errorf("noted: %v", now.Failed)
			}
			if c.rule != "" && !strings.Contains(list[0].Message, "what is locked stays") {
				t.Errorf("it says %v", list)
			}
			l.Failed, l.Only = now.Failed, nil
			if merged, _, err := l.Lock(t.Context(), fleet, g, now); err != nil || c.rule == "" && len(merged.Failed) > 0 {
				t.Errorf("what was taken in the end is noted: %v, %v", merged.Failed, err)
			}
		})
	}
}

// TestWhoFailed says it for people.
func TestWhoFailed(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]model.FailedBase{
		"images failed 3 times":                         {Failures: 3},
		"python:3.13 failed once":                       {Failures: 1, Images: map[string]int{"python:3.13": 1}},
		"b:0, a:0 failed up to 3 times":                 {Failures: 3, Images: map[string]int{"a:0": 1, "b:0": 3}},
		"e:0, a:0, b:0 and 2 more failed up to 4 times": {Failures: 4, Images: map[string]int{"a:0": 1, "b:0": 1, "c:0": 1, "d:0": 1, "e:0": 4}},
	} {
		if got := With(f) + " failed " + Times(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestBlame lets images fail with a lock that was offered.
func TestBlame(t *testing.T) {
	t.Parallel()
	_, g := load(t, map[string]string{
		"images/a/Dockerfile": "FROM example.com/one:1\n", "images/a/image.yaml": "arch: amd64\n",
		"images/b/Dockerfile": "FROM a\nCOPY --from=example.com/two:1 / /\n", "images/b/image.yaml": "arch: amd64\n",
		"images/c/Dockerfile": "FROM example.com/three:1\n", "images/c/image.yaml": "arch: amd64\n",
	})
	digest := func(s string) model.Digest { return model.DigestOf([]byte(s)) }
	lock := func(one, two, three string) model.Lock {
		return model.Lock{Bases: map[string]model.LockedBase{
			"example.com/one:1": {Digest: digest(one)}, "example.com/two:1": {Digest: digest(two)}, "example.com/three:1": {Digest: digest(three)},
		}}
	}
	const now, before = "2026-11-21T12:00:00Z", "2026-11-20T12:00:00Z"
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	old := lock("1", "1", "1")
	for name, c := range map[string]struct {
		offered model.Lock
		noted   map[string]model.FailedBase
		failed  string
		want    map[string]model.FailedBase
	}{
		"nothing failed":           {offered: lock("2", "2", "2"), want: map[string]model.FailedBase{}},
		"what the image is of":     {offered: lock("2", "2", "2"), failed: "c", want: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 1, Last: now, Images: map[string]int{"c:0": 1}}}},
		"what its parent is of":    {offered: lock("2", "1", "2"), failed: "b", want: map[string]model.FailedBase{"example.com/one:1": {Digest: digest("2"), Failures: 1, Last: now, Images: map[string]int{"b:0": 1}}}},
		"only what moved":          {offered: lock("1", "1", "2"), failed: "b", want: map[string]model.FailedBase{}},
		"once more":                {offered: lock("1", "1", "2"), noted: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 3, Last: before}}, failed: "c", want: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 4, Last: now, Images: map[string]int{"c:0": 4}}}},
		"another update than then": {offered: lock("1", "1", "3"), noted: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 3, Last: before}}, failed: "c", want: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("3"), Failures: 1, Last: now, Images: map[string]int{"c:0": 1}}}},
		"each by itself":           {offered: lock("2", "1", "1"), noted: map[string]model.FailedBase{"example.com/one:1": {Digest: digest("2"), Failures: 2, Last: before, Images: map[string]int{"a:0": 2}}}, failed: "b", want: map[string]model.FailedBase{"example.com/one:1": {Digest: digest("2"), Failures: 2, Last: now, Images: map[string]int{"a:0": 2, "b:0": 1}}}},
		"the worst of them":        {offered: lock("2", "1", "1"), noted: map[string]model.FailedBase{"example.com/one:1": {Digest: digest("2"), Failures: 2, Last: before, Images: map[string]int{"a:0": 1, "b:0": 2}}}, failed: "b", want: map[string]model.FailedBase{"example.com/one:1": {Digest: digest("2"), Failures: 3, Last: now, Images: map[string]int{"a:0": 1, "b:0": 3}}}},
		"held back, and another":   {offered: lock("1", "1", "1"), noted: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 3, Last: before}}, failed: "c", want: map[string]model.FailedBase{"example.com/three:1": {Digest: digest("2"), Failures: 3, Last: before}}},
	} {
		c.offered.Failed = c.noted
		failed := map[model.TargetID]bool{}
		for _, id := range g.Targets() {
			failed[id] = id.Image == c.failed
		}
		if d := cmp.Diff(c.want, Blame(g, old, c.offered, failed, at)); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}
