package locking

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// rules is "severity rule" of each diagnostic.
func rules(list diag.List) []string {
	var out []string
	for _, d := range list {
		out = append(out, string(d.Severity)+" "+d.Rule)
	}
	return out
}

// lose makes a registry forget the manifest of one platform of an index, by
// answering 404 for it.
func lose(t *testing.T, s *registrytest.Server, repo, tag, platform string) {
	t.Helper()
	l := Locker{Registry: registry.New(registry.Options{Attempts: 1})}
	raw, d, err := l.Registry.Manifest(t.Context(), repo, tag)
	if err != nil {
		t.Fatal(err)
	}
	children, err := l.manifests(t.Context(), repo, raw, d)
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(registrytest.Fault{Path: strings.TrimPrefix(repo, s.Host()) + "/manifests/" + children[platform].String(), Status: http.StatusNotFound})
}

// TestOneBaseHoldsNothingUp moves three bases: of one the index is not whole
// any more, one has lost a platform, and one cannot be asked for. What is locked of them
// stays, and the fourth moves.
func TestOneBaseHoldsNothingUp(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	names := []string{"torn", "half", "down", "good"}
	var from strings.Builder
	for _, name := range names {
		push(t, s.Prefix(name), "1", both...)
		from.WriteString("FROM " + s.Prefix(name) + ":1 AS " + name + "\n")
	}
	from.WriteString("FROM scratch\n")
	for _, name := range names {
		from.WriteString("COPY --from=" + name + " / /\n")
	}
	fleet, g := load(t, map[string]string{"images/child/Dockerfile": from.String()})
	first, list, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil || len(list) > 0 || len(first.Bases) != len(names) {
		t.Fatal(first, list, err)
	}
	move := []model.Platform{model.LinuxARM64, model.LinuxAMD64} // another order, another digest
	push(t, s.Prefix("torn"), "1", move...)
	push(t, s.Prefix("half"), "1", model.LinuxAMD64)
	push(t, s.Prefix("good"), "1", move...)
	lose(t, s, s.Prefix("torn"), "1", "linux/arm64")
	s.Fail(registrytest.Fault{Path: "/down/", Status: http.StatusServiceUnavailable})

	now, list, err := locker(t, true).Lock(t.Context(), fleet, g, first)
	if coded, ok := asCoded(err); !ok || coded.ExitCode() != 75 || !strings.Contains(err.Error(), s.Prefix("down")) {
		t.Errorf("the registry's trouble: %v", err)
	}
	want := []string{"warning " + RuleBaseIncomplete, "warning " + RuleBasePlatform}
	got := rules(list)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, list)
	}
	var moved []string
	for _, c := range Changes(first, now) {
		if c.Kind == KindBase {
			moved = append(moved, c.Name)
		}
	}
	if diff := cmp.Diff([]string{s.Prefix("good") + ":1"}, moved); diff != "" {
		t.Errorf("what moved (-want +got):\n%s", diff)
	}
	// Where nothing is locked yet, the same is an error, and the rest is locked.
	now, list, err = locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if err == nil || !list.HasErrors() {
		t.Errorf("nothing was said: %v %v", list, err)
	}
	if got := slices.Collect(maps.Keys(now.Bases)); !slices.Equal(got, []string{s.Prefix("good") + ":1"}) {
		t.Errorf("locked: %v", got)
	}
}

// A platform that is needed since today comes out of the index that is locked,
// although the tag has moved on.
func TestAFurtherPlatformMovesNothing(t *testing.T) {
	t.Parallel()
	host := outside(t, model.LinuxAMD64, model.LinuxARM64)
	file := "FROM " + host + "/base:1\n"
	fleet, g := load(t, map[string]string{"images/child/Dockerfile": file, "images/child/image.yaml": "arch: amd64\n"})
	first, _, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	push(t, host+"/base", "1", model.LinuxARM64, model.LinuxAMD64)
	fleet, g = load(t, map[string]string{"images/child/Dockerfile": file})
	now, list, err := locker(t, false).Lock(t.Context(), fleet, g, first)
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	changes := Changes(first, now)
	if len(changes) != 1 || changes[0].Kind != KindPlatform || changes[0].Of != "linux/arm64" || changes[0].Old != "" {
		t.Errorf("got %+v", changes)
	}
	// A lock that names an index which is gone is made anew.
	lost := model.Lock{Bases: map[string]model.LockedBase{host + "/base:1": {Digest: model.DigestOf(nil)}}}
	now, list, err = locker(t, false).Lock(t.Context(), fleet, g, lost)
	if err != nil || len(list) > 0 || len(now.Bases[host+"/base:1"].Platforms) != 2 {
		t.Errorf("got %+v, %v, %v", now, list, err)
	}
}

func TestOnlyWhatIsNamedMoves(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	for _, name := range []string{"a", "b", "c"} {
		push(t, s.Prefix(name), "1", both...)
	}
	fleet, g := load(t, map[string]string{
		"images/x/Dockerfile": "FROM " + s.Prefix("a") + ":1\n",
		"images/y/Dockerfile": "FROM " + s.Prefix("b") + ":1\nCOPY --from=" + s.Prefix("c") + ":1 / /\n",
	})
	first, _, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(both)
	for _, name := range []string{"a", "b", "c"} {
		push(t, s.Prefix(name), "1", both...)
	}
	for name, c := range map[string]struct {
		only func(string, model.TargetID) bool
		want []string
	}{
		"a reference": {func(ref string, _ model.TargetID) bool { return ref == s.Prefix("c")+":1" }, []string{"c"}},
		"an image":    {func(_ string, t model.TargetID) bool { return t.Image == "y" }, []string{"b", "c"}},
		"all":         {nil, []string{"a", "b", "c"}},
	} {
		l := locker(t, true)
		l.Only = c.only
		now, _, err := l.Lock(t.Context(), fleet, g, first)
		if err != nil {
			t.Fatal(err)
		}
		var moved []string
		for _, change := range Changes(first, now) {
			if change.Kind == KindBase {
				moved = append(moved, strings.TrimSuffix(strings.TrimPrefix(change.Name, s.Prefix("")), ":1"))
			}
		}
		if diff := cmp.Diff(c.want, moved); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRefusedIsAsAbsent(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	s.Fail(registrytest.Fault{Path: "/manifests/", Status: http.StatusUnauthorized})
	fleet, g := load(t, map[string]string{"images/x/Dockerfile": "FROM " + s.Prefix("a") + ":1\n"})
	_, list, err := locker(t, false).Lock(t.Context(), fleet, g, model.Lock{})
	if diff := cmp.Diff([]string{"error " + RuleBaseAbsent}, rules(list)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// TestMissing asks nobody: the registry that is named does not exist.
func TestMissing(t *testing.T) {
	t.Parallel()
	const ref = "registry.invalid/base:1"
	fleet, g := load(t, map[string]string{
		"images/child/Dockerfile": "# syntax=docker/dockerfile:1\nFROM " + ref + "\n",
		"images/deb/image.yaml":   "builder: debian\nsuite: trixie\narch: amd64\npackages: [bash]\n",
	})
	d := model.DigestOf(nil)
	variant := model.LockedVariant{Digest: d}
	whole := model.Lock{
		Bases: map[string]model.LockedBase{
			ref:                             {Digest: d, Platforms: map[string]model.LockedVariant{"linux/amd64": variant, "linux/arm64": variant}},
			"docker.io/docker/dockerfile:1": {Digest: d, Platforms: map[string]model.LockedVariant{}},
		},
		Debian: map[string]model.LockedSuite{"trixie": {InRelease: d, Images: map[string]map[string]string{"deb linux/amd64": {"bash": "5"}}}},
	}
	kept, missing := Missing(fleet, g, whole)
	if diff := cmp.Diff(whole, kept); diff != "" || len(missing) > 0 {
		t.Errorf("a whole lock: %v\n%s", missing, diff)
	}
	more := model.Lock{Bases: maps.Clone(whole.Bases), Debian: maps.Clone(whole.Debian)}
	more.Bases["docker.io/library/stale:1"] = whole.Bases[ref]
	more.Debian["sid"] = whole.Debian["trixie"]
	if kept, missing = Missing(fleet, g, more); len(missing) > 0 || !cmp.Equal(whole, kept) {
		t.Errorf("what is stale is kept: %v", kept)
	}
	_, missing = Missing(fleet, g, model.Lock{})
	var got []string
	for _, c := range missing {
		got = append(got, strings.TrimSpace(c.Kind+" "+c.Name+" "+c.Of+" "+c.Pos.String()))
	}
	want := []string{"base docker.io/docker/dockerfile:1  images/child/Dockerfile:1", "base registry.invalid/base:1  images/child/Dockerfile:2:6",
		"suite trixie", "package * deb linux/amd64"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an empty lock (-want +got):\n%s", diff)
	}
	less := model.Lock{Bases: maps.Clone(whole.Bases), Debian: map[string]model.LockedSuite{
		"trixie": {InRelease: d, Images: map[string]map[string]string{"deb linux/amd64": {"less": "590"}}},
	}}
	less.Bases[ref] = model.LockedBase{Digest: d, Platforms: map[string]model.LockedVariant{"linux/amd64": variant}}
	_, missing = Missing(fleet, g, less)
	if len(missing) != 2 || missing[0].Kind != KindPlatform || missing[0].Of != "linux/arm64" || missing[1].Name != "bash" {
		t.Errorf("got %+v", missing)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	digest := func(s string) model.Digest { return model.DigestOf([]byte(s)) }
	variant := func(s string, env ...string) map[string]model.LockedVariant {
		return map[string]model.LockedVariant{"linux/amd64": {Digest: digest(s), Config: model.BaseConfig{Env: env, User: s}}}
	}
	old := model.Lock{
		Bases:  map[string]model.LockedBase{"a:1": {Digest: digest("1"), Platforms: variant("1", "PATH=/bin", "B=1")}, "gone:1": {Digest: digest("g")}},
		Debian: map[string]model.LockedSuite{"trixie": {InRelease: digest("1"), Images: map[string]map[string]string{"x linux/amd64": {"bash": "5.2", "less": "1"}}}},
	}
	now := model.Lock{
		Bases:  map[string]model.LockedBase{"a:1": {Digest: digest("2"), Platforms: variant("2", "PATH=/usr/bin", "B=1")}, "new:1": {Digest: digest("n")}},
		Debian: map[string]model.LockedSuite{"trixie": {InRelease: digest("2"), Images: map[string]map[string]string{"x linux/amd64": {"bash": "5.3", "vim": "9"}}}},
	}
	one, two := digest("1").String(), digest("2").String()
	want := []Change{
		{Kind: KindBase, Name: "a:1", Old: one, New: two},
		{Kind: KindPlatform, Name: "a:1", Of: "linux/amd64", Old: one, New: two},
		{Kind: KindConfig, Name: "a:1 ENV PATH", Of: "linux/amd64", Old: "/bin", New: "/usr/bin"},
		{Kind: KindConfig, Name: "a:1 USER", Of: "linux/amd64", Old: "1", New: "2"},
		{Kind: KindBase, Name: "gone:1", Old: digest("g").String()},
		{Kind: KindBase, Name: "new:1", New: digest("n").String()},
		{Kind: KindSuite, Name: "trixie", Old: one, New: two},
		{Kind: KindPackage, Name: "bash", Of: "x linux/amd64", Old: "5.2", New: "5.3"},
		{Kind: KindPackage, Name: "less", Of: "x linux/amd64", Old: "1"},
		{Kind: KindPackage, Name: "vim", Of: "x linux/amd64", New: "9"},
	}
	if diff := cmp.Diff(want, Changes(old, now)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Changes(old, old); len(got) != 0 {
		t.Errorf("nothing has changed: %v", got)
	}
	reordered := model.Lock{Bases: map[string]model.LockedBase{"a:1": {Digest: digest("1"), Platforms: variant("1", "B=1", "PATH=/bin")}}}
	if got := Changes(model.Lock{Bases: map[string]model.LockedBase{"a:1": old.Bases["a:1"]}}, reordered); len(got) != 1 || got[0].Name != "a:1 ENV" {
		t.Errorf("another order: %v", got)
	}
}

// A mirror is asked first, the registry itself where the mirror has nothing to
// say, and the lock has the image's own name.
func TestMirrors(t *testing.T) {
	t.Parallel()
	origin, mirror := registrytest.New(t), registrytest.New(t)
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	push(t, origin.Prefix("library/base"), "1", both...)
	push(t, origin.Prefix("library/other"), "1", both...)
	push(t, mirror.Prefix("library/base"), "1", both...)
	ref := origin.Prefix("library/base") + ":1"
	fleet, g := load(t, map[string]string{"images/x/Dockerfile": "FROM " + ref + "\nCOPY --from=" + origin.Prefix("library/other") + ":1 / /\n"})
	origin.Forget()
	l := locker(t, false)
	l.Mirrors = Mirrors{origin.Host(): {mirror.Host()}}
	now, list, err := l.Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil || len(list) > 0 || len(now.Bases) != 2 || !now.Bases[ref].Digest.Valid() {
		t.Fatal(now, list, err)
	}
	for _, r := range origin.Requests() {
		if strings.Contains(r, "/library/base/") {
			t.Errorf("the registry itself was asked for what its mirror has: %s", r)
		}
	}
	mirror.Fail(registrytest.Fault{Status: http.StatusBadGateway})
	l.Update = true
	if _, list, err = l.Lock(t.Context(), fleet, g, now); err != nil || len(list) > 0 {
		t.Errorf("without the mirror: %v %v", list, err)
	}
}

func TestReadMirrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	m, err := ReadMirrors(filepath.Join(dir, "absent"), write("a", `{"registry-mirrors":["https://m.example.com","http://127.0.0.1:5000/"]}`),
		write("b", `{"debug":true,"registry-mirrors":["https://m.example.com"]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"m.example.com/library/debian", "127.0.0.1:5000/library/debian"}
	if diff := cmp.Diff(want, m.Of("docker.io/library/debian")); diff != "" {
		t.Error(diff)
	}
	if got := m.Of("ghcr.io/team/app"); got != nil {
		t.Errorf("another registry has mirrors: %v", got)
	}
	for _, bad := range []string{`{`, `{"registry-mirrors":"x"}`, `{"registry-mirrors":["m.example.com"]}`, `{"registry-mirrors":["https://m.example.com/path"]}`, `{"registry-mirrors":["https://user:s3cret@m.example.com"]}`} {
		_, err := ReadMirrors(write("bad", bad))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if files := DaemonFiles("/home/a"); len(files) != 3 || len(DaemonFiles("")) != 1 {
		t.Errorf("files: %v", files)
	}
}

// Several tags of one image have packages of their own.
func TestTagsHavePackagesOfTheirOwn(t *testing.T) {
	t.Parallel()
	a := model.TargetID{Image: "deb", Tag: "1", Platform: model.LinuxAMD64}
	b := model.TargetID{Image: "deb", Tag: "2", Variant: "slim", Platform: model.LinuxAMD64}
	suite := model.LockedSuite{InRelease: model.DigestOf(nil), Images: map[string]map[string]string{
		model.DebianLockKey(a, true): {"bash": "1"}, model.DebianLockKey(b, true): {"bash": "2"},
	}}
	lock := model.Lock{Debian: map[string]model.LockedSuite{"trixie": suite}}
	back, list := source.ParseLock(source.FormatLock(lock), "images.lock")
	if len(list) > 0 {
		t.Fatal(list)
	}
	if back.DebianPackages("trixie", a)["bash"] != "1" || back.DebianPackages("trixie", b)["bash"] != "2" {
		encoded, _ := json.Marshal(back)
		t.Errorf("got %s", encoded)
	}
}
