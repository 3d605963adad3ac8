package source_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

func sampleLock() model.Lock {
	digest := func(s string) model.Digest { return model.DigestOf([]byte(s)) }
	return model.Lock{
		Bases: map[string]model.LockedBase{
			"docker.io/library/busybox:1.36": {Digest: digest("index"), Platforms: map[string]model.LockedVariant{
				"linux/amd64": {Digest: digest("amd64"), Config: model.BaseConfig{
					Env: []string{"PATH=/bin:/usr/bin", "QUOTES=\"'\\ \u2028é", "EMPTY=", "LINES=a\nb\tc"}, WorkingDir: "/srv", User: "1000:1000",
					OnBuild: []string{"RUN echo # not a comment", "COPY . /app"},
				}},
				"linux/arm64": {Digest: digest("arm64")},
			}},
			"registry.example.com:5000/Team: odd": {Digest: digest("bare"), Platforms: map[string]model.LockedVariant{}},
		},
		Failed: map[string]model.FailedBase{"docker.io/library/busybox:1.36": {Digest: digest("moved"), Failures: 3, Last: "2026-11-21T12:00:00Z", Images: map[string]int{"python:3.13": 3, "app": 1}}},
		Debian: map[string]model.LockedSuite{
			"trixie": {InRelease: digest("in"), Images: map[string]map[string]string{
				"debian-base linux/amd64": {"bash": "5.2.37-2+b5", "on": "1.0", "0ad": "0.27", "libc6": "2.41-12", "gcc-14-base": "14.2.0-19", "util-linux": "2:2.41-5~bpo12+1"},
				"debian-base linux/arm64": {},
			}},
			"no": {InRelease: digest("other")},
		},
	}
}

func TestLockRoundTrip(t *testing.T) {
	t.Parallel()
	want := sampleLock()
	text := source.FormatLock(want)
	got, list := source.ParseLock(text, "images.lock")
	if len(list) > 0 {
		t.Fatalf("%v\n%s", list, text)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s\n%s", d, text)
	}
	if again := source.FormatLock(got); string(again) != string(text) {
		t.Errorf("formatting what was read gives other bytes:\n%s", cmp.Diff(string(text), string(again)))
	}
	golden(t, "testdata/images.lock", text)
}

func TestEmptyLock(t *testing.T) {
	t.Parallel()
	got, list := source.ParseLock(source.FormatLock(model.Lock{}), "images.lock")
	if len(list) > 0 || got.Bases != nil || got.Debian != nil {
		t.Errorf("got %v, %v", got, list)
	}
}

func TestLocalLockGoesFirst(t *testing.T) {
	t.Parallel()
	lock := sampleLock()
	local := model.Lock{
		Bases: map[string]model.LockedBase{"docker.io/library/alpine:3": {Digest: model.DigestOf([]byte("alpine"))}},
		Debian: map[string]model.LockedSuite{"trixie": {InRelease: model.DigestOf([]byte("newer")), Images: map[string]map[string]string{
			"debian-base linux/amd64": {"bash": "5.3-1"},
		}}},
	}
	tree := history.Memory(map[string]string{"images.lock": string(source.FormatLock(lock))})
	fleet, list, err := source.Load(t.Context(), tree, source.Options{LockData: source.FormatLock(local)})
	if err != nil || len(list) > 0 {
		t.Fatal(err, list)
	}
	suite := fleet.Lock.Debian["trixie"]
	if suite.InRelease != local.Debian["trixie"].InRelease {
		t.Errorf("InRelease is the old one")
	}
	if d := cmp.Diff(map[string]string{"bash": "5.3-1"}, suite.Images["debian-base linux/amd64"]); d != "" {
		t.Error(d)
	}
	if _, kept := suite.Images["debian-base linux/arm64"]; !kept {
		t.Error("a target that was not resolved anew is lost")
	}
	if len(fleet.Lock.Bases) != 3 {
		t.Errorf("bases: %v", fleet.Lock.Bases)
	}
}

func TestLockMistakes(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`"1.0"`, "1.0", "inrelease:", "inRelease:").Replace(string(source.FormatLock(sampleLock())))
	_, list := source.ParseLock([]byte(text), "images.lock")
	var got []string
	for _, d := range list {
		got = append(got, d.Rule)
	}
	want := []string{"missing-key", "unknown-key", "missing-key", "unknown-key", "unquoted"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s\n%v", d, list)
	}
}
