package index_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// judging is a plan whose images must pass a policy.
func judging(s *registrytest.Server, policy string) *model.Plan {
	p := plantest.Plan(s.Prefix("testing"), '1', plantest.Image{ID: "base"}, plantest.Image{ID: "python", Parents: []string{"base"}})
	p.Policy = model.DigestOf([]byte(policy))
	for n := range p.Entries {
		p.Entries[n].Steps[model.StepGate] = model.StepRun
	}
	return p
}

// TestNothingIsMergedThatDidNotPass merges what has passed the policy of the
// plan, on each platform, and of which the same is true of all that it is
// built from.
func TestNothingIsMergedThatDidNotPass(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p, c := judging(s, "strict"), client()
	plantest.All(t, c, p)
	merge := func(n int) error {
		_, err := index.Step{Registry: c}.Run(t.Context(), p, &p.Indexes[n])
		return err
	}
	refused := func(n int, want ...string) {
		t.Helper()
		err := merge(n)
		if _, is := errors.AsType[*index.Incomplete](err); !is {
			t.Fatalf("%s: %v", p.Indexes[n].Image, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v does not say %q", p.Indexes[n].Image, err, w)
			}
		}
		if got := versions(t, &model.Plan{Prefix: p.Prefix, Entries: p.Entries, Indexes: p.Indexes[n : n+1]}); len(got) > 0 && p.Indexes[n].Image == "python" {
			t.Errorf("%s was published: %v", p.Indexes[n].Image, got)
		}
	}
	pass := func(image string, platform model.Platform, policy model.Digest) {
		t.Helper()
		for n := range p.Entries {
			if e := &p.Entries[n]; e.Image == image && e.Platform == platform {
				q := *p
				q.Policy = policy
				plantest.Gate(t, c, &q, e, plantest.Build(t, c, p, e))
			}
		}
	}
	refused(0, "linux/amd64: it has not passed the scan policy", "linux/arm64: it has not passed the scan policy")
	pass("base", model.LinuxAMD64, p.Policy)
	pass("base", model.LinuxARM64, model.DigestOf([]byte("lenient")))
	refused(0, "linux/arm64: it has not passed the scan policy")
	pass("python", model.LinuxAMD64, p.Policy)
	pass("python", model.LinuxARM64, p.Policy)
	refused(1, "base:1 linux/arm64, which it is built from: it has not passed the scan policy")
	pass("base", model.LinuxARM64, p.Policy)
	for n := range p.Indexes {
		if err := merge(n); err != nil {
			t.Errorf("%s has passed: %v", p.Indexes[n].Image, err)
		}
	}
}

// TestAnotherPolicyMergesAgain takes what was merged under one policy for done
// under another only when it has passed that, too; nothing is published anew,
// and asking costs what it cost without a policy.
func TestAnotherPolicyMergesAgain(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p, c := judging(s, "first"), client()
	requests := func(do func()) int {
		n := 0
		s.OnRequest(func(*http.Request) { n++ })
		do()
		s.OnRequest(nil)
		return n
	}
	done := func() bool {
		_, merged, err := index.Merged(t.Context(), c, p, &p.Indexes[0])
		if err != nil {
			t.Fatal(err)
		}
		return merged
	}
	var digest model.Digest
	policies := []string{"first", "second", "third"}
	for _, policy := range policies {
		p.Policy = model.DigestOf([]byte(policy))
		plantest.All(t, c, p)
		if policy != "first" && done() {
			t.Errorf("it counts as merged under the policy %s", policy)
		}
		for n := range p.Entries {
			plantest.Gate(t, c, p, &p.Entries[n], plantest.Build(t, c, p, &p.Entries[n]))
		}
		r, err := index.Step{Registry: c}.Run(t.Context(), p, &p.Indexes[0])
		if _, again := step.Skipped(err); err != nil && !again || again == (policy == "first") {
			t.Fatalf("%s: %v", policy, err)
		}
		if digest == "" {
			digest = r.Digest
		}
		if r.Digest != digest || !done() {
			t.Errorf("%s: %s is another index than %s, or not merged", policy, r.Digest, digest)
		}
	}
	with := requests(func() { done() })
	p.Policy = ""
	if without := requests(func() { done() }); with != without {
		t.Errorf("%d requests with a policy, %d without", with, without)
	}
}
