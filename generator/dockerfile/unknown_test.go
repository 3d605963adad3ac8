package dockerfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What can be read of a base that is not known holds whatever the base is: its
// variables may have any value.
func TestUnknownBaseReadsNeverLess(t *testing.T) {
	t.Parallel()
	values := rapid.SampledFrom([]string{"", "v", "a/b", "..", "*"})
	rapid.Check(t, func(t *rapid.T) {
		text := dockerfiles().Draw(t, "Dockerfile")
		f, _ := Parse("Dockerfile", []byte(text))
		if f == nil {
			return
		}
		o := Options{Platform: model.LinuxAMD64}
		unknown, list := f.Resolve(o)
		var env []string
		for _, name := range []string{"HOME", "NO", "UNSET", "D", "L", "PATH"} {
			if rapid.Bool().Draw(t, "set "+name) {
				env = append(env, name+"="+values.Draw(t, name))
			}
		}
		o.BaseConfig = func(Ref) (model.BaseConfig, bool) { return model.BaseConfig{Env: env}, true }
		known, knownList := f.Resolve(o)
		if list.HasErrors() || knownList.HasErrors() {
			return
		}
		if diff := cmp.Diff(summary(&Resolved{Refs: unknown.Refs}), summary(&Resolved{Refs: known.Refs})); diff != "" {
			t.Fatalf("references (-unknown +known):\n%s\n%s", diff, text)
		}
		all := summary(&Resolved{Reads: unknown.Reads})
		for _, read := range summary(&Resolved{Reads: known.Reads}) {
			if !unknown.Whole && !slices.Contains(all, read) {
				t.Fatalf("with %v %q is read, which is not among %q:\n%s", env, read, all, text)
			}
		}
	})
}

func TestNamedContexts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		contexts   map[string]string
		want       []string
	}{
		{"files of a folder", "FROM scratch\nARG V=1\nCOPY --from=tools --exclude=*.md bin/$V /etc* /\n", map[string]string{"tools": "/shared/tools"},
			[]string{"3:34 COPY bin/1 in tools=shared/tools without *.md", "3:41 COPY etc* in tools=shared/tools without *.md"}},
		{"a mount of a folder", "FROM scratch\nRUN --mount=from=tools,source=bin,target=/b --mount=from=tools,target=/c go\n", map[string]string{"tools": "/t"},
			[]string{"2:1 RUN bin in tools=t", "2:1 RUN . in tools=t"}},
		{"a stage of a folder", "FROM tools AS a\nFROM scratch\nCOPY --from=a x /\n", map[string]string{"tools": "/t"}, []string{"1:6 FROM . in tools=t"}},
		{"the whole repository", "FROM tools:latest\n", map[string]string{"docker.io/library/tools": "/"}, []string{"1:6 FROM . in tools=."}},
		{"what is not known", "FROM base\nCOPY --from=tools $X /\n", map[string]string{"tools": "/t"}, []string{"1:6 from base", "2:19 COPY . in tools=t"}},
		{"images", "FROM base\nCOPY --from=tools:1 x /\nRUN --mount=from=other,target=/o go\n", map[string]string{"base": "debian:12", "tools:1": "ours", "other": "x/y@sha256:" + strings.Repeat("0", 64)},
			[]string{"1:6 from base is debian:12", "2:1 copy tools:1 is ours", "3:1 mount other is x/y@sha256:" + strings.Repeat("0", 64)}},
		{"in place of a stage", "FROM gone AS build\nCOPY never /\nRUN nothing\nFROM build\nCOPY --from=build x own /\n", map[string]string{"build": "alpine"}, []string{"1:6 from build is alpine"}},
		{"a folder in place of a stage", "FROM gone AS build\nCOPY never /\nFROM scratch\nCOPY --from=0 x /\n", map[string]string{"build": "/b"}, []string{"1:6 FROM . in build=b"}},
		{"another platform", "FROM --platform=linux/arm64 base\n", map[string]string{"base": "debian"}, []string{"1:29 from base::linux/arm64 is debian on linux/arm64"}},
		{"not used", "FROM x\n", map[string]string{"base": "/b", "scratch": "/s", "No Name": "/n"}, []string{"1:6 from x"}},
		{"scratch stays empty", "FROM scratch\nCOPY --from=scratch x /\n", map[string]string{"scratch": "/s"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, list := resolve(t, c.text, Options{Contexts: c.contexts, CI: true})
			if len(list) > 0 {
				t.Errorf("diagnostics: %q", messages(list))
			}
			if diff := cmp.Diff(c.want, summary(r)); diff != "" {
				t.Errorf("resolved (-want +got):\n%s", diff)
			}
		})
	}
}

// A context in place of a stage leaves nothing of it.
func TestReplacedStage(t *testing.T) {
	t.Parallel()
	const text = "FROM gone AS build\nENV A=own\nONBUILD RUN x\n"
	r, _ := resolve(t, text, Options{Contexts: map[string]string{"build": "alpine"}, BaseConfig: func(ref Ref) (model.BaseConfig, bool) {
		return model.BaseConfig{Env: []string{"A=" + ref.Name, "PATH=/bin"}}, true
	}})
	want := model.BaseConfig{Env: []string{"A=alpine", "PATH=/bin"}}
	if diff := cmp.Diff(want, r.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"FROM gone AS build"}, r.Instructions); diff != "" {
		t.Errorf("instructions (-want +got):\n%s", diff)
	}
	r, list := resolve(t, "FROM base\n", Options{Contexts: map[string]string{"base": "Not An Image"}, CI: true})
	if len(r.Refs) > 0 {
		t.Errorf("references: %v", r.Refs)
	}
	want2 := []string{`error:1:6 dockerfile-ref "Not An Image" cannot name an image: invalid reference format: repository name (library/Not An Image) must be lowercase: write a reference, or ./ and a folder, under contexts: in image.yaml`}
	if diff := cmp.Diff(want2, messages(list)); diff != "" {
		t.Errorf("diagnostics (-want +got):\n%s", diff)
	}
}

// The machine that builds must not matter, wherever its platform is asked for.
func TestBuildPlatformIsGiven(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"FROM base-$BUILDARCH\n", "ARG B=$BUILDARCH\nFROM base-$B\n", "FROM --platform=linux/$BUILDARCH base\n", "FROM base\nARG BUILDARCH\n",
	} {
		r, _ := resolve(t, text, Options{Platform: model.LinuxARM64})
		if r.Args["BUILDARCH"] != "arm64" && r.Spare["BUILDARCH"] != "arm64" {
			t.Errorf("the builder is not told BUILDARCH for %q: %v, %v", text, r.Args, r.Spare)
		}
	}
}
