package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

var both = []model.Platform{model.LinuxAMD64, model.LinuxARM64}

// image is one with its Dockerfile in images/<id>.
func image(id string, change ...func(*model.Image)) model.Image {
	i := model.Image{
		ID: id, ImageName: id, ComponentVersion: "1", Dir: "images/" + id, Context: "images/" + id,
		Dockerfile: "images/" + id + "/Dockerfile", Builder: model.BuilderDockerfile, Platforms: both,
	}
	for _, c := range change {
		c(&i)
	}
	return i
}

func fleet(images ...model.Image) *model.Fleet {
	slices.SortFunc(images, func(a, b model.Image) int { return cmp.Compare(a.ID, b.ID) })
	return &model.Fleet{
		Images:   images,
		Settings: model.Settings{Repositories: []string{"", "registry.test/team/testing", "acme"}},
		Lock: model.Lock{Bases: map[string]model.LockedBase{
			"docker.io/library/busybox:1.36": locked("b"), "docker.io/docker/dockerfile:1": locked("d"),
			"docker.io/library/python:3.12": locked("c"), "docker.io/library/half:latest": {Digest: digest("e"), Platforms: map[string]model.LockedVariant{"linux/amd64": {Digest: digest("e")}}},
		}},
	}
}

func digest(c string) model.Digest { return model.Digest("sha256:" + strings.Repeat(c, 64)) }

func locked(c string) model.LockedBase {
	return model.LockedBase{Digest: digest(c), Platforms: map[string]model.LockedVariant{
		"linux/amd64": {Digest: digest(c), Config: model.BaseConfig{Env: []string{"DIR=" + c}, OnBuild: []string{"COPY onbuild" + c + " /"}}},
		"linux/arm64": {Digest: digest(c), Config: model.BaseConfig{Env: []string{"DIR=" + c}, OnBuild: []string{"COPY onbuild" + c + " /"}}},
	}}
}

// tree has a Dockerfile for each id, and other files by their path.
func tree(files map[string]string) model.Tree {
	all := map[string]string{}
	for name, content := range files {
		if !strings.Contains(name, "/") {
			name = "images/" + name + "/Dockerfile"
		}
		all[name] = content
	}
	return history.Memory(all)
}

func messages(list diag.List) []string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s: %s", d.Severity, d.Pos, d.Rule, d.Message, d.Hint))
	}
	return out
}

// summary is what a table says about a node.
func summary(n *Node) string {
	s := []string{fmt.Sprintf("wave %d", n.Wave)}
	for _, e := range n.Parents {
		s = append(s, e.Context+"="+e.To.String())
	}
	for _, b := range n.Bases {
		s = append(s, fmt.Sprintf("%s:%s:%t", b.Context, b.Normalized, b.Locked))
	}
	for _, f := range n.Files {
		s = append(s, f.Path)
	}
	return strings.Join(s, ", ")
}

func TestBuild(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string // the first image is "base", of scratch
		fleet *model.Fleet
		o     Options
		want  string // of "app" on linux/amd64
		wrong []string
	}{
		{name: "a bare name", files: map[string]string{"app": "FROM base"}, want: "wave 1, base=base:1 linux/amd64"},
		{name: "latest", files: map[string]string{"app": "FROM base:latest"}, want: "wave 1, base=base:1 linux/amd64"},
		{name: "its version", files: map[string]string{"app": "FROM base:1"}, want: "wave 1, base:1=base:1 linux/amd64"},
		{name: "below a prefix", files: map[string]string{"app": "FROM registry.test/team/testing/base"}, want: "wave 1, registry.test/team/testing/base=base:1 linux/amd64"},
		{name: "below a prefix without a registry", files: map[string]string{"app": "FROM docker.io/acme/base:1"}, want: "wave 1, acme/base:1=base:1 linux/amd64"},
		{name: "by its image_name", files: map[string]string{"app": "FROM debian-base"},
			fleet: fleet(image("app"), image("base", func(i *model.Image) { i.ImageName = "debian-base" })), want: "wave 1, debian-base=base:1 linux/amd64"},
		{name: "an older tag is outside", files: map[string]string{"app": "FROM python:3.12"}, fleet: fleet(image("app"), image("base"), image("python")),
			want: "wave 0, python:3.12:docker.io/library/python:3.12:true, onbuildc"},
		{name: "another tag, not locked", files: map[string]string{"app": "FROM base:9"}, want: "wave 0, base:9:docker.io/library/base:9:false",
			wrong: []string{"warning images/app/Dockerfile:1:6 base-unlocked docker.io/library/base:9 is not in images.lock: what it is may change without a commit, and CI refuses that: run rootfsgen lock, and commit images.lock; if the image of this fleet is meant, write base:1"}},
		{name: "an older tag of itself is no cycle", files: map[string]string{"app": "FROM acme/app:0"},
			want:  "wave 0, acme/app:0:docker.io/acme/app:0:false",
			wrong: []string{"warning images/app/Dockerfile:1:6 base-unlocked docker.io/acme/app:0 is not in images.lock: what it is may change without a commit, and CI refuses that: run rootfsgen lock, and commit images.lock"}},
		{name: "a digest is outside, and cannot move", files: map[string]string{"app": "FROM base@" + string(digest("a"))},
			want: "wave 0, base@" + string(digest("a")) + ":docker.io/library/base@" + string(digest("a")) + ":true"},
		{name: "a full name is outside", files: map[string]string{"app": "FROM docker.io/library/base"}, o: Options{CI: true},
			want:  "wave 0, base:docker.io/library/base:latest:false",
			wrong: []string{"error images/app/Dockerfile:1:6 base-unlocked docker.io/library/base:latest is not in images.lock: what it is may change without a commit: run rootfsgen lock, and commit images.lock"}},
		{name: "a near name", files: map[string]string{"app": "FROM bsae"}, want: "wave 0, bsae:docker.io/library/bsae:latest:false",
			wrong: []string{`error images/app/Dockerfile:1:6 unknown-image "bsae" is not an image of this fleet: did you mean base? If the image outside is meant, write docker.io/library/bsae:latest`}},
		{name: "a well-known name that is near", files: map[string]string{"app": "FROM bash"}, want: "wave 0, bash:docker.io/library/bash:latest:false",
			wrong: []string{"warning images/app/Dockerfile:1:6 base-unlocked docker.io/library/bash:latest is not in images.lock: what it is may change without a commit, and CI refuses that: no image of this fleet is called bash (the nearest is base); if the image outside is meant, run rootfsgen lock, and commit images.lock"}},
		{name: "a name that one of ours begins with", files: map[string]string{"app": "FROM distro:22", "distro22": "FROM scratch"}, want: "wave 0, distro:22:docker.io/library/distro:22:false",
			fleet: fleet(image("app"), image("distro22")),
			wrong: []string{"warning images/app/Dockerfile:1:6 base-unlocked docker.io/library/distro:22 is not in images.lock: what it is may change without a commit, and CI refuses that: no image of this fleet is called distro (the nearest is distro22); if the image outside is meant, run rootfsgen lock, and commit images.lock"}},
		{name: "a bare name that is not locked", files: map[string]string{"app": "FROM debian-bsae", "debian": "FROM scratch"}, want: "wave 0, debian-bsae:docker.io/library/debian-bsae:latest:false",
			fleet: fleet(image("app"), image("debian")),
			wrong: []string{"warning images/app/Dockerfile:1:6 base-unlocked docker.io/library/debian-bsae:latest is not in images.lock: what it is may change without a commit, and CI refuses that: no image of this fleet is called debian-bsae (the nearest is debian); if the image outside is meant, run rootfsgen lock, and commit images.lock"}},
		{name: "an unknown name below a prefix", files: map[string]string{"app": "FROM registry.test/team/testing/bsae:2"}, want: "wave 0",
			wrong: []string{`error images/app/Dockerfile:1:6 unknown-image "registry.test/team/testing/bsae:2" is not an image of this fleet: did you mean registry.test/team/testing/base?`}},
		{name: "COPY and mounts", files: map[string]string{"app": "FROM scratch\nCOPY --from=base / /\nRUN --mount=from=busybox:1.36,target=/b true"},
			want: "wave 1, base=base:1 linux/amd64, busybox:1.36:docker.io/library/busybox:1.36:true"},
		{name: "another platform", files: map[string]string{"app": "FROM --platform=linux/arm64 base"}, want: "wave 1, base::linux/arm64=base:1 linux/arm64"},
		{name: "a platform that the parent has not", files: map[string]string{"app": "FROM base"},
			fleet: fleet(image("app"), image("base", func(i *model.Image) { i.Platforms = both[:1] })), want: "wave 1, base=base:1 linux/amd64",
			wrong: []string{"error images/app/Dockerfile:1:6 parent-platform base is not built for linux/arm64, only for linux/amd64: add linux/arm64 to arch: of base, or remove it here"}},
		{name: "a platform that the base has not", files: map[string]string{"app": "FROM half"}, want: "wave 0, half:docker.io/library/half:latest:true",
			wrong: []string{"error images/app/Dockerfile:1:6 parent-platform images.lock has no linux/arm64 of docker.io/library/half:latest: run rootfsgen lock if it has it by now"}},
		{name: "an argument of the settings", files: map[string]string{"app": "ARG B\nFROM $B"},
			fleet: func() *model.Fleet {
				f := fleet(image("app"), image("base"))
				f.Settings.Args = map[string]string{"B": "base"}
				return f
			}(), want: "wave 1, base=base:1 linux/amd64"},
		{name: "triggers and variables of a base", files: map[string]string{"app": "FROM busybox:1.36\nCOPY $DIR /"},
			want: "wave 0, busybox:1.36:docker.io/library/busybox:1.36:true, b, onbuildb"},
		{name: "triggers and variables of a parent", files: map[string]string{"mid": "FROM base\nENV DIR=b\nONBUILD COPY onbuildb /\n", "app": "FROM mid\nCOPY $DIR /"},
			fleet: fleet(image("app"), image("base"), image("mid")), want: "wave 2, mid=mid:1 linux/amd64, b, onbuildb"},
		{name: "cannot be rewritten", files: map[string]string{"app": "FROM ba\\\nse AS base"}, want: "wave 1, rootfsgen.invalid/base=base:1 linux/amd64",
			wrong: []string{`error images/app/Dockerfile:1:1 name-collision "base" is also the name of a stage, and BuildKit would take the one for the other: rename the stage, or write the reference on one line`}},
		{name: "a frontend", files: map[string]string{"app": "# syntax=docker/dockerfile:1\nFROM scratch"}, want: "wave 0"},
		{name: "a frontend that is not locked", files: map[string]string{"app": "# syntax=docker/dockerfile:2\nFROM scratch"}, want: "wave 0",
			wrong: []string{"warning images/app/Dockerfile:1 base-unlocked docker.io/docker/dockerfile:2 is not in images.lock: what it is may change without a commit, and CI refuses that: run rootfsgen lock, and commit images.lock"}},
		{name: "undeclared and reserved", files: map[string]string{"app": "FROM scratch"},
			fleet: fleet(image("base"), image("app", func(i *model.Image) { i.Args = map[string]string{"X": "1", "BUILDKIT_SYNTAX": "2"} })), want: "wave 0",
			wrong: []string{
				`error images/app/Dockerfile argument-reserved "BUILDKIT_SYNTAX" is not for images: the builder sets it itself: remove it from args:`,
				`warning images/app/Dockerfile argument-undeclared no ARG of images/app/Dockerfile declares "X": declare it with ARG X, or remove it`}},
		{name: "inputs", files: map[string]string{"app": "FROM scratch"},
			fleet: fleet(image("base"), image("app", func(i *model.Image) { i.Inputs = []string{"images/app/b", "shared", "gone"} })), want: "wave 0",
			wrong: []string{"error images/app/Dockerfile input-missing app lists \"gone\" under inputs:, which is not in the repository: paths under inputs: begin at the root of the repository"}},
		{name: "packages that are not locked", files: map[string]string{"app": "FROM deb"}, o: Options{CI: true},
			fleet: fleet(image("base"), image("app"), image("deb", func(i *model.Image) {
				i.Builder, i.Dockerfile, i.Debian.Suite, i.Platforms = model.BuilderDebian, "", "bookworm", both
			})),
			want: "wave 1, deb=deb:1 linux/amd64",
			wrong: []string{
				"error images/deb base-unlocked the packages of deb for linux/amd64 are not in images.lock: run rootfsgen lock, and commit images.lock",
				"error images/deb base-unlocked the packages of deb for linux/arm64 are not in images.lock: run rootfsgen lock, and commit images.lock"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"base": "FROM scratch", "python": "FROM scratch", "images/app/b": "", "images/app/onbuildb": "", "images/app/onbuildc": "", "shared/x": ""}
			maps.Copy(files, c.files)
			f := c.fleet
			if f == nil {
				f = fleet(image("app"), image("base"))
			}
			g, list, err := Build(t.Context(), f, tree(files), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(c.wrong, messages(list)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			n, _ := g.Node(model.TargetID{Image: "app", Tag: "1", Platform: model.LinuxAMD64})
			if diff := gocmp.Diff(c.want, summary(n)); diff != "" {
				t.Errorf("app (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCycles(t *testing.T) {
	t.Parallel()
	_, list, err := Build(t.Context(), fleet(image("a"), image("b"), image("c"), image("d"), image("self")), tree(map[string]string{
		"a": "FROM b", "b": "FROM scratch\nCOPY --from=c / /", "c": "ARG X=a\nFROM $X:1", "d": "FROM a", "self": "FROM self",
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"error images/a/Dockerfile:1:6 cycle images are built from each other: a -> b -> c -> a: a names b at images/a/Dockerfile:1:6; b names c at images/b/Dockerfile:2:13; c names a:1 at images/c/Dockerfile:2:6",
		"error images/self/Dockerfile:1:6 cycle images are built from each other: self -> self: an image cannot be built from itself: if an image outside is meant, write its full name, for example docker.io/library/self",
	}
	if diff := gocmp.Diff(want, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}

func TestMissingDockerfile(t *testing.T) {
	t.Parallel()
	_, list, err := Build(t.Context(), fleet(image("a"), image("b")), tree(map[string]string{"b": "FROM a\nCOYP x", "images/a/image.yaml": ""}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"error images/a/image.yaml dockerfile-missing a has no images/a/Dockerfile: only files that git tracks can be built: is it committed, or at least not ignored?",
		"error images/b/Dockerfile:2:1 dockerfile-syntax unknown instruction: COYP: did you mean COPY?",
	}
	if diff := gocmp.Diff(want, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}

// An image that is built from itself, by its full name, is built from what was
// published before.
func TestLenient(t *testing.T) {
	t.Parallel()
	ours := fleet(image("again"))
	ours.Settings.Repositories = []string{"acme"}
	g, list, err := Build(t.Context(), ours, tree(map[string]string{"again": "FROM acme/again"}), Options{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"warning images/again/Dockerfile:1:6 base-unlocked docker.io/acme/again:latest is not in images.lock: what it is may change without a commit, and CI refuses that: run rootfsgen lock, and commit images.lock",
		"warning images/again/Dockerfile:1:6 cycle acme/again is built from itself: what was published before is taken: pin the tag or the digest that is meant",
	}
	if diff := gocmp.Diff(want, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	n, _ := g.Node(model.TargetID{Image: "again", Tag: "1", Platform: model.LinuxAMD64})
	if got, want := summary(n), "wave 0, acme/again:docker.io/acme/again:latest:false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The tag of an official image that the fleet has another one of.
func TestLenientWithATagOfItself(t *testing.T) {
	t.Parallel()
	g, list, err := Build(t.Context(), fleet(image("wordpress")), tree(map[string]string{"wordpress": "FROM wordpress:latest"}), Options{Lenient: true})
	if err != nil || list.HasErrors() {
		t.Fatal(err, messages(list))
	}
	n, _ := g.Node(model.TargetID{Image: "wordpress", Tag: "1", Platform: model.LinuxAMD64})
	if got, want := summary(n), "wave 0, wordpress:docker.io/library/wordpress:latest:false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A reference to an image that left the fleet means what was published of it;
// one that is nearly the name of another is a slip of the pen, always.
func TestLenientWithUnknownImages(t *testing.T) {
	t.Parallel()
	ours := fleet(image("base"), image("gone"), image("typo"))
	ours.Settings.Repositories = []string{"acme"}
	g, list, err := Build(t.Context(), ours, tree(map[string]string{
		"base": "FROM scratch", "gone": "FROM acme/retired-long-ago:2", "typo": "FROM acme/bsae",
	}), Options{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`warning images/gone/Dockerfile:1:6 unknown-image "acme/retired-long-ago:2" is not an image of this fleet: no image of this repository is called so; if it is one from outside, say so with a rule under references`,
		`error images/typo/Dockerfile:1:6 unknown-image "acme/bsae" is not an image of this fleet: did you mean acme/base?`,
	}
	if diff := gocmp.Diff(want, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	n, _ := g.Node(model.TargetID{Image: "gone", Tag: "1", Platform: model.LinuxAMD64})
	if got, want := summary(n), "wave 0, acme/retired-long-ago:2:docker.io/acme/retired-long-ago:2:false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A Dockerfile that cannot be read is the matter of its image alone, where
// that is asked for; one whose parent is not known is not.
func TestLenientWithBrokenFiles(t *testing.T) {
	t.Parallel()
	g, list, err := Build(t.Context(), fleet(image("base"), image("broken"), image("child"), image("quoted"), image("unknown")), tree(map[string]string{
		"base": "FROM scratch", "broken": "FROM base\nCOYP x", "child": "FROM broken", "quoted": "FROM acme/\"base:1", "unknown": "ARG A\nFROM $A",
	}), Options{Lenient: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"warning images/broken/Dockerfile:2:1 dockerfile-syntax unknown instruction: COYP: did you mean COPY?",
		`warning images/quoted/Dockerfile:1:6 dockerfile-syntax failed to process "acme/\"base:1": unexpected end of statement while looking for matching double-quote: `,
		"error images/unknown/Dockerfile:2:6 dockerfile-argument the image of this FROM needs A, which has no value: give it a default before the first FROM (ARG A=...), or a value under args: in image.yaml or rootfsgen.yaml",
	}
	if diff := gocmp.Diff(want, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
	for id, want := range map[string]string{"broken": "wave 0", "child": "wave 1, broken=broken:1 linux/amd64", "quoted": "wave 0"} {
		n, _ := g.Node(model.TargetID{Image: id, Tag: "1", Platform: model.LinuxAMD64})
		if got := summary(n); got != want || (n.Resolved == nil) == (id == "child") {
			t.Errorf("%s: got %s, want %s; resolved: %t", id, got, want, n.Resolved != nil)
		}
	}
}

// unreadable is a tree that lists files which cannot be read.
type unreadable struct{ model.Tree }

func (unreadable) Read(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }

func TestUnreadableTreeIsAnError(t *testing.T) {
	t.Parallel()
	if _, _, err := Build(t.Context(), fleet(image("a")), unreadable{tree(map[string]string{"a": "FROM scratch"})}, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// The affected set is closed upwards, and the order of images changes nothing.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "images")
		files := map[string]string{}
		var images []model.Image
		for i := range n {
			id := fmt.Sprintf("i%02d", i)
			text := "FROM scratch\n"
			for p := range i {
				if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
					text += fmt.Sprintf("COPY --from=i%02d / /\n", p)
				}
			}
			files[id] = text
			images = append(images, image(id))
		}
		g, list, err := Build(context.Background(), fleet(images...), tree(files), Options{CI: true})
		if err != nil || len(list) > 0 {
			t.Fatal(list, err)
		}
		place := map[model.TargetID]int{}
		for i, id := range g.Targets() {
			place[id] = i
		}
		seed := map[model.TargetID]bool{rapid.SampledFrom(g.Targets()).Draw(t, "changed"): true}
		affected := g.Dependants(seed)
		for _, id := range g.Targets() {
			node, _ := g.Node(id)
			for _, e := range node.Parents {
				parent, _ := g.Node(e.To)
				if place[e.To] >= place[id] || parent.Wave >= node.Wave {
					t.Fatalf("%s does not come after %s", id, e.To)
				}
				if affected[e.To] && !affected[id] {
					t.Fatalf("%s is affected and %s is not", e.To, id)
				}
			}
			if affected[id] && !seed[id] && !slices.ContainsFunc(node.Parents, func(e Edge) bool { return affected[e.To] }) {
				t.Fatalf("%s is affected without a reason", id)
			}
			if len(node.Parents) > 0 && node.Wave == 0 || len(node.Parents) == 0 && node.Wave != 0 {
				t.Fatalf("%s is in wave %d", id, node.Wave)
			}
		}
	})
}

// Two revisions of a fleet are resolved at a time, with one cache.
func TestConcurrentBuilds(t *testing.T) {
	t.Parallel()
	files := tree(map[string]string{
		"base": "FROM scratch\nONBUILD COPY b /", "images/app/b": "",
		"app": "ARG B=base\nFROM $B\nARG TARGETARCH\nRUN --mount=type=bind,source=$NO,target=/x-$TARGETARCH true",
	})
	cache := NewCache()
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			g, list, err := Build(t.Context(), fleet(image("app"), image("base")), files, Options{Cache: cache})
			if err != nil || len(list) > 0 {
				t.Fatal(list, err)
			}
			if got := len(g.Targets()); got != 4 {
				t.Errorf("%d targets", got)
			}
		})
	}
}
