package dockerfile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// sayTheSame fails where ReadPlain says something of a Dockerfile that
// BuildKit's parser and the resolver do not. It tells whether the text is plain.
func sayTheSame(t interface{ Fatalf(string, ...any) }, data []byte) bool {
	plain, isPlain := ReadPlain(data)
	if !isPlain {
		return false
	}
	for _, ref := range plain.Images {
		if _, err := reference.ParseNormalizedNamed(ref); err != nil {
			return false // whoever asks what it means finds that out
		}
	}
	f, list := Parse("Dockerfile", data)
	if len(list) > 0 || f == nil {
		t.Fatalf("plain text of which the parser says:\n%v\n%q", list, data)
	}
	if syntax, _ := f.Syntax(); syntax != plain.Syntax {
		t.Fatalf("syntax %q, not %q\n%q", plain.Syntax, syntax, data)
	}
	configs := []func(Ref) (model.BaseConfig, bool){
		nil,
		func(Ref) (model.BaseConfig, bool) { return model.BaseConfig{Env: []string{"A=x y", "PATH=/bin"}}, true },
	}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		for _, config := range configs {
			for _, ci := range []bool{false, true} {
				var fallback map[string]string // of rootfsgen.yaml
				if ci {
					fallback = map[string]string{"V": "fallback", "A": "fallback", "W": "fallback", "B": "fallback"}
				}
				r, list := f.Resolve(Options{Platform: p, CI: ci, BaseConfig: config, Fallback: fallback})
				if len(list) > 0 {
					t.Fatalf("plain text of which the resolver says:\n%v\n%q", list, data)
				}
				if r.Whole || len(r.Config.OnBuild)+len(r.Undeclared)+len(r.Reserved) > 0 {
					t.Fatalf("whole context %t, triggers %q\n%q", r.Whole, r.Config.OnBuild, data)
				}
				for _, ref := range r.Refs {
					if !slices.Contains(plain.Images, ref.Name) || ref.Platform != p.String() || ref.Rewrite != nil || ref.Under != "" {
						t.Fatalf("%+v is not among %q\n%q", ref, plain.Images, data)
					}
				}
				for _, read := range r.Reads {
					if !slices.Contains(plain.Sources, read.Source) || read.Include != "" || read.From != "" || len(read.Exclude) > 0 {
						t.Fatalf("%+v is not among %q\n%q", read, plain.Sources, data)
					}
				}
			}
		}
	}
	return true
}

func TestPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Plain{
		"FROM scratch":       {},
		"from a as x\n":      {Images: []string{"a"}},
		"FROM a:1@sha256:00": {Images: []string{"a:1@sha256:00"}},
		"# syntax=docker/dockerfile:1\n# text\nFROM a\nCOPY x ./y/z /d/\nADD . .\n":                                                                                          {Images: []string{"a"}, Sources: []string{"x", "y/z", "."}, Syntax: "docker/dockerfile:1"},
		"ARG V=3.1\nFROM python:${V}-slim AS b\nFROM b\nCOPY --from=b /x /y\nCOPY --from=q:1 /x /y\n":                                                                        {Images: []string{"python:3.1-slim", "q:1"}},
		"FROM a\nRUN a && \\\n  # text\n  b \\\n  c\nENV A=1 \\\n  B=\"x y\" C=$A PATH=/x:${PATH}\n":                                                                         {Images: []string{"a"}},
		"FROM --platform=$BUILDPLATFORM go AS b\nRUN --mount=type=cache,target=/root/.cache go build\nFROM scratch\nCOPY --from=0 --chown=1:1 /x /y\nCMD [\"/y\", \"-v\"]\n": {Images: []string{"go"}},
	} {
		got, ok := ReadPlain([]byte(text))
		if !ok || !slices.Equal(got.Images, want.Images) || !slices.Equal(got.Sources, want.Sources) || got.Syntax != want.Syntax {
			t.Errorf("%q: %+v %t", text, got, ok)
		}
	}
}

// What may mean something else than it seems is not plain.
func TestNotPlain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "# nothing\n", "RUN a\nFROM b", "FROM", "FROM a AS", "FROM a b", "FROM $A", "ARG A\nFROM $A", "ARG A=b\nARG A\nFROM $A",
		"# escape=`\nFROM a", "#escape=`\nFROM a", "# syntax=a\n# escape=`\nFROM a", "#!/x\n# syntax=a\nFROM b", "# check=skip=all\nFROM a",
		"\ufeffFROM a", "FROM a\r\n", "FRO\\\nM a\\", "FROM a\nRUN a \\\n\nb", "FROM a\nRUN a \\\\\nFROM b", "FROM a\nRUN a \\",
		"FROM a\nONBUILD RUN x", "FROM a\nON\\\nBUILD RUN x", "FROM a\nRUN <<EOF\nFROM b\nEOF", "FROM a\nCOPY <<EOF /x\nEOF",
		"FROM a\nRUN --mount=from=b true", "FROM a\nRUN --mount=type=bind,target=/x true", "FROM a\nCOPY ../x /y", "FROM a\nCOPY x* /y", "FROM a\nCOPY $X /y",
		"FROM a\nCOPY --parents x /y", "FROM a\nCOPY --from=$X x /y", "FROM a AS b\nCOPY --from=b x /y", "FROM a\nCOPY --from=1 x /y", "FROM a\nCOPY --from=c x /y\nFROM d AS c",
		"FROM a AS a", "FROM docker.io/library/a:latest AS a", "FROM a AS b\nFROM c AS b", "FROM a AS scratch", "ARG TARGETPLATFORM=linux/386\nFROM --platform=$TARGETPLATFORM a",
		"FROM --platform=linux/amd64 a", "FROM a\nADD http://x/y /z", "FROM a\nADD git@x:y /z", "FROM a\nNOTHING x", "FROM a\nRUN --x y", "FROM a\nENV A", "FROM a\nENV A b", "FROM a\nENV A=${B:?x}",
		"ARG A\nARG A=b\nFROM $A", "ARG A A=b\nFROM $A", "FROM --platform=$BUILDPLATFORM --platform=$TARGETPLATFORM a",
		"FROM a AS b-\nFROM b-", "FROM a AS b..c\nFROM b..c", "FROM a AS b._c\nFROM b._c", "FROM a AS b___c", "FROM a AS " + strings.Repeat("b", 64), "  # syntax=a\nFROM b",
		"FROM a\nu\u017fer 1", "FROM a\nexpo\u017fe 80", "FROM a\nworkd\u0131r /x", "FROM a\nentrypo\u0131nt x",
		"FROM a\nCMD [\"a\", 1]", "FROM a\nSHELL sh", "FROM a\nCOPY x", "FROM a\nMAINTAINER b", "FROM a\n\u00a0# x\n",
	} {
		if got, plain := ReadPlain([]byte(text)); plain {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// plainLines are lines of which some are plain and some all but plain.
var plainLines = []string{
	"FROM scratch", "FROM a", "FROM b:1 AS x", "from x", "FROM c AS y", "FROM y AS z", "FROM X", "FROM a AS a", "FROM d/e@sha256:" + strings.Repeat("0", 64), "FROM $V", "FROM p:${V}", "FROM p:$V-s AS q",
	"FROM --platform=$BUILDPLATFORM a", "FROM --platform=${TARGETPLATFORM} a AS t", "FROM --platform=linux/arm64 a",
	"ARG V=1", "ARG V", "ARG V=a W=b", "ARG BUILDPLATFORM=linux/arm64", "ARG V=\"x\"", "ARG V=$W", "ARG SOURCE_DATE_EPOCH=1", "ARG A=${B}",
	"ARG V V=1", "FROM --platform=$BUILDPLATFORM --platform=$TARGETPLATFORM a", "FROM c AS y-", "FROM y-", "FROM c AS y..z", "FROM y..z", "u\u017fer 1", "workd\u0131r /x", "  # syntax=a",
	"# syntax=docker/dockerfile:1", "# escape=`", "# check=error=true", "# text", "#", "", "  ", "\t# x", "#!/bin/x", "# a=b", "#syntax=a", "# syntax=a b",
	"ENV A=1", "ENV A=1 B=\"x $A\"", "ENV A=$A", "ENV A b", "ENV A=${A:-x}", "ENV A=\"a\"b", "ENV A=", "ENV A=\"\" B=2", "ENV A=a<b", "ENV A=a\\", "ENV 1=2", "ENV A=$", "ENV A=[x]",
	"LABEL a.b=c", "LABEL a=\"b c\"", "LABEL a b", "LABEL -a=b", "LABEL --a=b", "LABEL a/b=$X",
	"COPY a b", "COPY a b/ c/", "COPY . .", "COPY ./ /x", "COPY /a /b", "COPY ../a b", "COPY a/../b c", "COPY a*", "COPY a* b", "COPY [\"a\", \"b\"]", "COPY a b c", "COPY --chown=1:2 a b", "COPY --chown=1 --chown=2 a b", "COPY --link a b",
	"COPY --from=x a b", "COPY --from=X a b", "COPY --from=0 a b", "COPY --from=1 a b", "COPY --from=-1 a b", "COPY --from=img:2 a b", "COPY --from=scratch a b", "COPY --from= a b", "COPY --from=q@ a b", "COPY --exclude=a . b", "COPY --chmod=755 a b", "COPY --link=false a b",
	"ADD a b", "ADD http://a/b c", "ADD a.b:c d", "ADD --chmod=u+x a b", "ADD --from=x a b",
	"RUN a", "RUN a \\", "  b", "RUN a \\\\", "RUN \\", "RUN [\"a\"]", "RUN [a", "RUN -x", "RUN --network=none a", "RUN --network=none", "RUN --network=x a", "RUN --mount=type=cache,target=/x a", "RUN --mount=from=i a", "RUN a <<E", "E", "RUN a < b $X 'y'", "RUN é", "RUN a\u00a0", "RUN --network=default --network=none x",
	"RUN --mount=type=cache,target=/x --mount=type=cache,target=y a",
	"CMD a", "CMD [\"a\", \"b $X\"]", "CMD [\"a\",]", "CMD []", "CMD [ \"a\" ]x", "CMD --a", "ENTRYPOINT [\"/x\"]", "ENTRYPOINT x y", "CMD [\"a\" , \"b\"]",
	"WORKDIR /x/$A", "WORKDIR", "WORKDIR x", "USER 1:2", "USER $U", "EXPOSE 80/tcp", "EXPOSE 80 81", "VOLUME /x", "VOLUME x y", "VOLUME [\"/x\"]", "STOPSIGNAL SIGTERM", "SHELL [\"/bin/sh\", \"-c\"]", "SHELL []", "SHELL x",
	"HEALTHCHECK NONE", "HEALTHCHECK CMD x", "ONBUILD RUN x", "ON\\", "BUILD RUN x", "MAINTAINER x", "NOTHING x", "FROM\\", " a", "COPY \\", "a \\", "b", "ENV A=1 \\", "B=2", "run a", "Copy a b",
}

// Whatever ReadPlain says is what the parser and the resolver say.
func TestPlainIsParsed(t *testing.T) {
	t.Parallel()
	plain, of := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom(plainLines), 0, 4).Draw(t, "lines")
		if rapid.Bool().Draw(t, "begun") {
			lines = append([]string{"ARG V=9", "FROM a AS x", "FROM x", "FROM scratch"}[rapid.IntRange(0, 2).Draw(t, "from"):], lines...)
		}
		if of++; sayTheSame(t, []byte(strings.Join(lines, "\n")+"\n")) {
			plain++
		}
	})
	if plain*20 < of {
		t.Errorf("%d of %d are plain: the test says little", plain, of)
	}
}

func FuzzPlain(f *testing.F) {
	for _, line := range plainLines {
		f.Add([]byte("ARG V=1\nFROM a AS x\n" + line + "\nRUN x\n"))
		f.Add([]byte(line + "\nFROM a\n"))
	}
	files, err := filepath.Glob("testdata/*/Dockerfile*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { sayTheSame(t, data) })
}
