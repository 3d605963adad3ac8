package model

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParsePlatform(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Platform{
		"linux/amd64": LinuxAMD64, "amd64": LinuxAMD64, "linux/arm64": LinuxARM64, "arm64": LinuxARM64,
	} {
		got, err := ParsePlatform(in)
		if err != nil || got != want {
			t.Errorf("ParsePlatform(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "/", "linux/", "linux/386", "windows/amd64", "linux/arm64/v8", "AMD64", "amd64 "} {
		if got, err := ParsePlatform(in); err == nil {
			t.Errorf("ParsePlatform(%q) = %v; want an error", in, got)
		}
	}
}

func TestPlatformAsJSONKeyAndValue(t *testing.T) {
	t.Parallel()
	in := map[Platform][]Platform{LinuxARM64: {LinuxAMD64}}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"linux/arm64":["linux/amd64"]}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var out map[Platform][]Platform
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, out); d != "" {
		t.Error(d)
	}
	if err := json.Unmarshal([]byte(`{"linux/s390x":[]}`), &out); err == nil {
		t.Error("an unknown platform was read")
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	d := DigestOf([]byte("x"))
	if !d.Valid() || len(d.Hex()) != 64 || len(d.Short()) != 12 {
		t.Errorf("DigestOf gave %q", d)
	}
	for _, s := range []string{"", "sha256:", "sha256:" + strings.Repeat("A", 64), "sha512:" + strings.Repeat("a", 64), strings.Repeat("a", 64), d.String() + "0"} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("ParseDigest(%q) took it", s)
		}
		if Digest(s).Hex() != "" || Digest(s).Short() != "" {
			t.Errorf("%q has digits", s)
		}
	}
}

func TestNamesThatMustNotPass(t *testing.T) {
	t.Parallel()
	checks := map[string]struct {
		check func(string) error
		good  []string
		bad   []string
	}{
		"image":      {CheckImageName, []string{"a", "debian-base", "python3.13", "a_b"}, []string{"", "A", "-a", "a-", "a--b", "a/b", "a b", "../a", "a\n", "${{x}}", "$(x)", strings.Repeat("a", 65)}},
		"repository": {CheckRepository, []string{"a", "team/python", "a__b", "a--b"}, []string{"", "/a", "a/", "a//b", "A", "a/../b", "a:b", "a@b"}},
		"tag":        {CheckTag, []string{"1", "v1.2.3", "_x", "2024-09"}, []string{"", ".1", "-1", "a/b", "a:b", "a b", "é", strings.Repeat("1", 65)}},
		"label":      {CheckRunnerLabel, []string{"linux", "ubuntu-24.04-16", "group=arm", "X64", "a/b:c@d+e"}, []string{"", "our machine", "-a", "$TAG", "${{x}}", "a,b", "é", strings.Repeat("a", 101)}},
		"snapshot":   {CheckSnapshotID, []string{"pr-1", "mr-123"}, []string{"", "PR-1", "pr_1", "-1", "pr-", "pr--1"}},
		"prefix":     {CheckPrefix, []string{"ghcr.io/acme", "127.0.0.1:5005/testing", "localhost:5000", "us-docker.pkg.dev/p/r"}, []string{"", "https://x", "x:y/z", "/a", "x/", "x/A", "user@host/a", "host:123456/a"}},
		"path":       {CheckPath, []string{"a", "a/b.c", "a b", "é/ü"}, []string{"", "/a", "..", "a/../b", "a//b", "a\\b", "a\x00", "a\nb", "a/"}},
	}
	for name, c := range checks {
		for _, s := range c.good {
			if err := c.check(s); err != nil {
				t.Errorf("%s %q: %v", name, s, err)
			}
		}
		for _, s := range c.bad {
			if c.check(s) == nil {
				t.Errorf("%s %q passed", name, s)
			}
		}
	}
}

func TestContentTagRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := DigestOf(rapid.SliceOf(rapid.Byte()).Draw(t, "content"))
		n := rapid.IntRange(0, MaxGeneration).Draw(t, "generation")
		k, g, ok := ParseContentTag(ContentTag(key, n))
		if !ok || k != key || g != n {
			t.Fatalf("%s came back as %s %d %v", ContentTag(key, n), k, g, ok)
		}
	})
}

func TestContentTagFarOff(t *testing.T) {
	t.Parallel()
	if _, g, ok := ParseContentTag(ContentTag(DigestOf(nil), math.MaxInt)); ok {
		t.Errorf("generation %d is believed", g)
	}
}

func TestStepKeyDependsOnEveryPart(t *testing.T) {
	t.Parallel()
	a, b := DigestOf([]byte("a")), DigestOf([]byte("b"))
	keys := map[Digest]string{}
	for name, k := range map[string]Digest{
		"base": StepKey(StepTest, a, "x"), "step": StepKey(StepMerge, a, "x"), "subject": StepKey(StepTest, b, "x"),
		"input": StepKey(StepTest, a, "y"), "split": StepKey(StepTest, a, "x", ""), "none": StepKey(StepTest, a),
	} {
		if other, taken := keys[k]; taken {
			t.Errorf("%s and %s have one key", name, other)
		}
		keys[k] = name
	}
}

func TestFleetNode(t *testing.T) {
	t.Parallel()
	f := Fleet{Images: []Image{{ID: "a", Tag: "1"}, {ID: "b", ComponentVersion: "1"}, {ID: "b", Tag: "2"}, {ID: "b", Tag: "2", Variant: "slim"}}}
	for i := range f.Images {
		want := &f.Images[i]
		id := want.Node()
		id.Platform = LinuxARM64
		if got, found := f.Node(id); !found || got != want {
			t.Errorf("%s was not found", id)
		}
	}
	for _, id := range []TargetID{{Image: "a", Tag: "2"}, {Image: "c", Tag: "1"}, {Image: "b", Tag: "2", Variant: "fat"}} {
		if _, found := f.Node(id); found {
			t.Errorf("%s was found", id.Node())
		}
	}
	if got := len(f.Tags("b")); got != 3 {
		t.Errorf("b has 3 nodes, got %d", got)
	}
	if got := len(f.Tags("c")); got != 0 {
		t.Errorf("c has no nodes, got %d", got)
	}
}
