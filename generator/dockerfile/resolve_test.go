package dockerfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// resolve parses and resolves, and fails the test when parsing does not work.
func resolve(t *testing.T, text string, o Options) (*Resolved, diag.List) {
	t.Helper()
	f, list := Parse("Dockerfile", []byte(text))
	if f == nil {
		t.Fatalf("parsing: %v\n%s", list, text)
	}
	if o.Platform == (model.Platform{}) {
		o.Platform = model.LinuxAMD64
	}
	return f.Resolve(o)
}

// summary is what a table can say about a Resolved on a few lines.
func summary(r *Resolved) []string {
	var out []string
	for _, ref := range r.Refs {
		s := fmt.Sprintf("%d:%d %s %s", ref.Pos.Line, ref.Pos.Col, ref.Kind, ref.Context)
		if ref.Under != "" {
			s += " is " + ref.Name
		}
		if ref.Platform != "linux/amd64" {
			s += " on " + ref.Platform
		}
		if ref.Rewrite != nil {
			s += fmt.Sprintf(" for %q", ref.Rewrite.Old)
		}
		out = append(out, s)
	}
	for _, read := range r.Reads {
		s := fmt.Sprintf("%d:%d %s %s", read.Pos.Line, read.Pos.Col, read.By, read.Source)
		if read.From != "" {
			s += " in " + read.From + "=" + read.Folder
		}
		if read.Include != "" {
			s += " below " + read.Include
		}
		if len(read.Exclude) > 0 {
			s += " without " + strings.Join(read.Exclude, " ")
		}
		out = append(out, s)
	}
	if r.Whole {
		out = append(out, "whole")
	}
	return out
}

func messages(list diag.List) []string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s:%d:%d %s %s: %s", d.Severity, d.Pos.Line, d.Pos.Col, d.Rule, d.Message, d.Hint))
	}
	return out
}

func TestResolve(t *testing.T) {
	t.Parallel()
	known := func(env ...string) func(Ref) (model.BaseConfig, bool) {
		return func(Ref) (model.BaseConfig, bool) { return model.BaseConfig{Env: env}, true }
	}
	for _, c := range []struct {
		name, text string
		o          Options
		want       []string
	}{
		{"one stage", "FROM base", Options{}, []string{"1:6 from base"}},
		{"scratch is nothing", "FROM scratch\nCOPY a /", Options{}, []string{"2:6 COPY a"}},
		{"names as BuildKit looks for them", "FROM docker.io/library/busybox:latest\nCOPY --from=quay.io/x/y:1 /a /b\n", Options{},
			[]string{"1:6 from busybox", "2:13 copy quay.io/x/y:1"}},
		{"a default", "ARG TAG=1\nFROM base:$TAG", Options{}, []string{"2:6 from base:1"}},
		{"the target's argument first", "ARG TAG=1\nFROM base:${TAG}", Options{Args: map[string]string{"TAG": "2"}}, []string{"2:6 from base:2"}},
		{"a fallback is for what has no default", "ARG A\nARG B=b\nFROM $A/$B", Options{Fallback: map[string]string{"A": "x", "B": "y"}},
			[]string{"3:6 from x/b"}},
		{"defaults use earlier arguments", "ARG V=1\nARG IMAGE=base:$V\nFROM $IMAGE", Options{}, []string{"3:6 from base:1"}},
		{"an empty default is a value", "ARG PREFIX=\nFROM ${PREFIX}base", Options{}, []string{"2:6 from base"}},
		{"the shell's defaults", "FROM base:${TAG:-3}${MORE:+x}", Options{}, []string{"1:6 from base:3"}},
		{"arguments of a stage are not those of FROM", "FROM a AS x\nARG TAG=9\nFROM base:${TAG:-1}\nCOPY --from=x / /", Options{},
			[]string{"1:6 from a", "3:6 from base:1"}},
		{"platform arguments", "FROM base-$TARGETARCH:$BUILDARCH", Options{Platform: model.LinuxARM64}, []string{"1:6 from base-arm64:arm64 on linux/arm64"}},
		{"a platform of its own", "FROM --platform=linux/arm64 base\nFROM --platform=$BUILDPLATFORM other\nCOPY --from=0 / /", Options{},
			[]string{"1:29 from base::linux/arm64 on linux/arm64", "2:32 from other"}},
		{"only the stages reached", "FROM a AS one\nCOPY unread /\nFROM b AS two\nFROM c AS three\nCOPY --from=ONE x /\n", Options{},
			[]string{"1:6 from a", "4:6 from c", "2:6 COPY unread"}},
		{"another stage", "FROM a AS one\nCOPY read /\nFROM b AS two\n", Options{Stage: "One"}, []string{"1:6 from a", "2:6 COPY read"}},
		{"a stage named like an image is a stage", "FROM python:3 AS python\nFROM python\nRUN x\n", Options{}, []string{"1:6 from python:3"}},
		{"a stage begins with an image of its name", "FROM base AS base\nFROM base\n", Options{}, []string{`1:6 from rootfsgen.invalid/base for "base"`}},
		{"the same by argument and by COPY", "ARG B=base\nFROM ${B} AS base\nCOPY --link --from=base:latest a b\n", Options{},
			[]string{`2:6 from rootfsgen.invalid/base for "${B}"`, `3:20 copy rootfsgen.invalid/base for "base:latest"`}},
		{"a stage that is not reached takes names too", "FROM base\nFROM x AS base\nFROM x AS last\nCOPY --from=0 / /", Options{},
			[]string{`1:6 from rootfsgen.invalid/base for "base"`, "3:6 from x"}},
		{"the same split over lines", "FROM ba\\\nse AS base", Options{}, []string{`1:1 from rootfsgen.invalid/base for ""`}},
		{"mounts", "FROM a AS s\nFROM b\nRUN --mount=from=s,target=/x --mount=type=bind,source=in,target=/i --mount=type=cache,target=/c " +
			"--mount=type=bind,from=img:1,src=/q,dst=/q --mount=type=secret,id=k --mount=type=tmpfs,target=/t go", Options{},
			[]string{"1:6 from a", "2:6 from b", "3:120 mount img:1", "3:55 RUN in"}},
		{"a mount of everything", "FROM a\nRUN --mount=target=/src make", Options{}, []string{"1:6 from a", "2:1 RUN ."}},
		{"a mount's number is an image", "FROM a\nFROM b\nRUN --mount=from=0,target=/x true", Options{}, []string{"2:6 from b", "3:18 mount 0"}},
		{"sources", "FROM scratch\nCOPY a ./b/ /c/../d /\nADD *.tar [ab]? /\nCOPY [\"with space\", \"/\"]\nCOPY . /", Options{},
			[]string{"2:6 COPY a", "2:8 COPY b", "2:13 COPY d", "3:5 ADD *.tar", "3:11 ADD [ab]?", "4:8 COPY with space", "5:6 COPY ."}},
		{"parents and exclude", "FROM scratch\nCOPY --parents a/./b/**/*.go c /\nCOPY --exclude=*.md --exclude=x docs /", Options{},
			[]string{"2:16 COPY a below b/**/*.go", "2:30 COPY . below c", "3:33 COPY docs without *.md x"}},
		{"here-documents read nothing", "FROM scratch\nCOPY <<EOF a /x\nhello\nEOF\n", Options{}, []string{"2:12 COPY a"}},
		{"variables in sources", "FROM scratch\nARG V=1\nENV D=dir-$V\nCOPY $D/a ${D}b /", Options{}, []string{"4:6 COPY dir-1/a", "4:11 COPY dir-1b"}},
		{"variables of the base", "FROM base\nCOPY $HOME/a /", Options{BaseConfig: known("HOME=h")}, []string{"1:6 from base", "2:6 COPY h/a"}},
		{"variables of a base that is not known", "FROM base\nCOPY $HOME/a /", Options{}, []string{"1:6 from base", "whole"}},
		{"what comes of them", "FROM base\nENV A=$HOME/x B=b\nCOPY $A $B /", Options{}, []string{"1:6 from base", "3:9 COPY b", "whole"}},
		{"unset in a base that is known", "FROM base\nCOPY $NO/a /", Options{BaseConfig: known()}, []string{"1:6 from base", "2:6 COPY a"}},
		{"an unset source is everything", "FROM scratch\nCOPY $NO /", Options{}, []string{"2:6 COPY ."}},
		{"one ENV sets all at once", "FROM scratch\nENV A=1\nENV A=2 B=$A\nCOPY $B /", Options{}, []string{"4:6 COPY 1"}},
		{"a stage inherits ARG and ENV of a stage", "FROM scratch AS a\nARG X=x\nENV Y=y\nFROM a\nCOPY $X $Y /", Options{}, []string{"5:6 COPY x", "5:9 COPY y"}},
		{"global arguments are seen when declared", "ARG X=x\nFROM scratch\nCOPY a$X /\nARG X\nCOPY b$X /", Options{}, []string{"3:6 COPY a", "5:6 COPY bx"}},
		{"an argument that is given wins everywhere", "ARG X=1\nFROM scratch\nARG X=2\nCOPY $X /", Options{Args: map[string]string{"X": "3"}}, []string{"4:6 COPY 3"}},
		{"a mount's variables", "FROM scratch\nARG D=dir\nRUN --mount=type=bind,source=$D,target=/x true", Options{}, []string{"3:1 RUN dir"}},
		{"a mount's unknown variables", "FROM base\nRUN --mount=type=$T,source=$D,target=/x true", Options{}, []string{"1:6 from base", "whole"}},
		{"escape", "# escape=`\nFROM scratch\nENV A=b\nCOPY $A\\c `\n  d /", Options{}, []string{`4:6 COPY b\c`, "5:3 COPY d"}},
		{"single quotes", "FROM scratch\nCOPY 'a$b' /", Options{}, []string{"2:6 COPY a$b"}},
		{"a default where a base that is not known may have a value", "FROM base\nCOPY ${NO:-a} ${NO:+b} /", Options{}, []string{"1:6 from base", "whole"}},
		{"an argument that the base of the base may have set", "ARG D=d\nFROM base AS a\nARG D\nENV E=e\nFROM a\nCOPY x$E /\nCOPY $D /", Options{}, []string{"2:6 from base", "6:6 COPY xe", "whole"}},
		{"a mistake that is none if the base sets it", "FROM base\nCOPY ${NO:?unset} /", Options{}, []string{"1:6 from base", "whole"}},
		{"a name that is not known may be any", "FROM base\nENV A=a\nENV $X=x\nCOPY $A /", Options{}, []string{"1:6 from base", "whole"}},
		{"the PATH of an image that has none", "FROM scratch\nCOPY x${PATH:+y} /", Options{}, []string{"2:6 COPY xy"}},
		{"parts of a value", "FROM scratch\nARG V=v1.2.3\nCOPY ${V#v} ${V%.*} ${V/1/9} ${V##*.} ${V%%.*} /", Options{},
			[]string{"3:6 COPY 1.2.3", "3:13 COPY v1.2", "3:21 COPY v9.2.3", "3:30 COPY 3", "3:39 COPY v1"}},
		{"platform arguments in a source", "FROM scratch\nARG TARGETARCH TARGETOS\nCOPY $TARGETOS/$TARGETARCH /", Options{Platform: model.LinuxARM64},
			[]string{"3:6 COPY linux/arm64"}},
		{"platform arguments that are not declared", "FROM scratch\nCOPY bin/$TARGETARCH /", Options{}, []string{"2:6 COPY bin"}},
		{"what does not read the context", "FROM scratch\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s --mount=type=ssh go", Options{}, nil},
		{"a cache that begins with an image", "FROM scratch AS s\nFROM scratch\nRUN --mount=type=cache,from=img,target=/c,source=/q --mount=type=cache,from=s,target=/d go", Options{}, []string{"3:29 mount img"}},
		{"a stage by number", "FROM a\nCOPY x /\nFROM b\nFROM c\nCOPY --from=0 / /", Options{}, []string{"1:6 from a", "4:6 from c", "2:6 COPY x"}},
		{"here-documents of RUN", "FROM scratch\nRUN --mount=type=bind,source=in,target=/i <<A <<B\ncat\nA\nmore\nB\n", Options{}, []string{"2:30 RUN in"}},
		{"JSON and odd names", "FROM scratch\nCOPY [\"a b\", \"ä\", \"c/../d\", \"/\"]\n", Options{}, []string{"2:8 COPY a b", "2:15 COPY ä", "2:21 COPY d"}},
		{"link does not matter", "FROM scratch\nCOPY --link --chmod=755 --chown=1 a/ /", Options{}, []string{"2:35 COPY a"}},
		{"excludes know no variables", "FROM scratch\nARG X=md\nCOPY --exclude=*.$X --exclude=**/b d /", Options{}, []string{"3:36 COPY d without *.$X **/b"}},
		{"triggers of an image", "FROM base\nCOPY own /", Options{BaseConfig: func(Ref) (model.BaseConfig, bool) {
			return model.BaseConfig{Env: []string{"D=dir"}, OnBuild: []string{"COPY $D/a /", "ADD b /", "RUN --mount=type=bind,source=c,target=/c true", "COPY --from=img x /", "garbage"}}, true
		}}, []string{"1:6 from base", "1:1 copy img", "1:1 ONBUILD COPY dir/a", "1:1 ONBUILD ADD b", "1:1 ONBUILD RUN c", "2:6 COPY own", "whole"}},
		{"from a stage's triggers", "FROM scratch AS a\nONBUILD COPY t /\nFROM a\nRUN x\n", Options{}, []string{"3:1 ONBUILD COPY t"}},
		{"triggers are not handed on", "FROM scratch AS a\nONBUILD COPY t /\nFROM a AS b\nFROM b\n", Options{}, []string{"3:1 ONBUILD COPY t"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, list := resolve(t, c.text, c.o)
			if len(list) > 0 {
				t.Errorf("diagnostics: %q", messages(list))
			}
			if diff := cmp.Diff(c.want, summary(r)); diff != "" {
				t.Errorf("resolved (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveMistakes(t *testing.T) {
	t.Parallel()
	const commit = "0123456789012345678901234567890123456789"
	for _, c := range []struct {
		name, text string
		o          Options
		want       []string
	}{
		{"no value", "ARG A=1\nARG TAG\nFROM base:$TAG AS x", Options{}, []string{
			"error:3:6 dockerfile-argument the image of this FROM needs TAG, which has no value: give it a default before the first FROM (ARG TAG=...), or a value under args: in image.yaml or rootfsgen.yaml"}},
		{"no value within a name", "ARG R\nFROM ${R}base", Options{}, []string{
			"error:2:6 dockerfile-argument the image of this FROM needs R, which has no value: give it a default before the first FROM (ARG R=...), or a value under args: in image.yaml or rootfsgen.yaml"}},
		{"declared too late", "FROM a AS x\nARG T=1\nFROM b:$T\n", Options{}, []string{
			"error:3:6 dockerfile-argument the image of this FROM needs T, which has no value: give it a default before the first FROM (ARG T=...), or a value under args: in image.yaml or rootfsgen.yaml"}},
		{"required", "FROM base:${T:?unset}", Options{}, []string{`error:1:6 dockerfile-syntax failed to process "base:${T:?unset}": T: unset: `}},
		{"platform", "FROM --platform=$P a", Options{}, []string{
			"error:1:20 dockerfile-argument the platform of this FROM needs P, which has no value: give it a default before the first FROM (ARG P=...), or a value under args: in image.yaml or rootfsgen.yaml"}},
		{"no reference", "FROM Base", Options{}, []string{`error:1:6 dockerfile-ref "Base" cannot name an image: invalid reference format: repository name (library/Base) must be lowercase: `}},
		{"no such stage", "FROM a AS one\n", Options{Stage: "two"}, []string{`error:0:0 dockerfile-stage no stage is called "two": the stages are one`}},
		{"no such number", "FROM a\nCOPY --from=3 a b", Options{}, []string{"warning:2:1 dockerfile-stage there is no stage 3: files come from stages further up, or from images"}},
		{"too late", "FROM a\nCOPY --from=late a b\nFROM b AS late\nFROM c\nCOPY --from=0 / /", Options{}, []string{
			`warning:2:1 dockerfile-stage stage "late" is not built before this one: files come from stages further up, or from images`}},
		{"itself", "FROM a AS me\nCOPY --from=me a b", Options{}, []string{
			`warning:2:1 dockerfile-stage stage "me" is not built before this one: files come from stages further up, or from images`}},
		{"a variable where none may be", "FROM a\nCOPY --from=$X a b", Options{}, []string{
			"warning:2:1 dockerfile-ref COPY --from cannot have variables: name the image in a stage of its own: FROM $X AS name"}},
		{"outside", "FROM a\nCOPY ../x a/../../y /", Options{}, []string{
			`warning:2:6 context-outside COPY reads "../x", which lies outside the build context: copy it into the context, or choose a larger context: in image.yaml`,
			`warning:2:11 context-outside COPY reads "a/../../y", which lies outside the build context: copy it into the context, or choose a larger context: in image.yaml`}},
		{"URLs", "FROM a\nADD https://h/a.tgz /\nADD --checksum=sha256:0 https://h/b.tgz /\n", Options{}, []string{
			`warning:2:5 dockerfile-remote "https://h/a.tgz" can change without a commit: the plan would not see it: write ADD --checksum=sha256:... https://h/a.tgz`}},
		{"URLs in CI", "FROM a\nADD https://h/a.tgz /\n", Options{CI: true}, []string{
			`error:2:5 dockerfile-remote "https://h/a.tgz" can change without a commit: the plan would not see it: write ADD --checksum=sha256:... https://h/a.tgz`}},
		{"repositories", "FROM a\nADD https://h/a.git#v1 /\nADD https://h/a.git#" + commit + ":sub /\nADD --checksum=" + commit + " git@h:a.git /\nADD https://h/a.git?checksum=" + commit + " /", Options{}, []string{
			`warning:2:5 dockerfile-remote "https://h/a.git#v1" can change without a commit: the plan would not see it: name the full commit: #<40 hexadecimal digits>, or --checksum=<commit>`}},
		{"COPY of a URL", "FROM a\nCOPY https://h/a /\n", Options{}, []string{`warning:2:6 dockerfile-remote COPY cannot read "https://h/a": write ADD`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, list := resolve(t, c.text, c.o)
			if diff := cmp.Diff(c.want, messages(list)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			c.o.CI = true
			for i, m := range c.want {
				c.want[i] = strings.Replace(m, "warning:", "error:", 1)
			}
			_, list = resolve(t, c.text, c.o)
			if diff := cmp.Diff(c.want, messages(list)); diff != "" {
				t.Errorf("in CI (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"error:1:1 dockerfile-syntax file with no instructions: "}},
		{"no stage", "ARG A=1", []string{"error:0:0 dockerfile-syntax no stage to build: begin with FROM, for example FROM scratch"}},
		{"several at once", "FROM a\nCOPPY a b\nENV\nRUN --mont=x y\nCOPY --chmod x /", []string{
			"error:2:1 dockerfile-syntax unknown instruction: COPPY: did you mean COPY?",
			"error:3:1 dockerfile-syntax ENV requires at least one argument: ",
			"error:4:1 dockerfile-syntax unknown flag: --mont: did you mean --mount?",
			"error:5:1 dockerfile-syntax missing a value on flag: --chmod: "}},
		{"before FROM", "RUN x\nFROM a", []string{"error:1:1 dockerfile-syntax RUN before the first FROM: only ARG may stand before the first FROM"}},
		{"reserved", "FROM a AS scratch", []string{`error:1:1 dockerfile-stage "scratch" cannot name a stage: choose another name`}},
		{"unterminated", "FROM a\nRUN <<X\nx", []string{"error:2:1 dockerfile-syntax unterminated heredoc: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, list := Parse("Dockerfile", []byte(c.text))
			if f != nil {
				t.Error("a file with errors was returned")
			}
			if diff := cmp.Diff(c.want, messages(list)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyntax(t *testing.T) {
	t.Parallel()
	f, _ := Parse("a/Dockerfile", []byte("# syntax=docker/dockerfile:1.7\nFROM scratch"))
	ref, pos := f.At("b/Dockerfile").Syntax()
	if want := (diag.Pos{File: "b/Dockerfile", Line: 1}); ref != "docker/dockerfile:1.7" || pos != want {
		t.Errorf("got %q at %v", ref, pos)
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	const text = "ARG V=1\nARG W=w$V\nARG UNUSED=1\nFROM base:$W AS one\nARG IN\nARG TARGETARCH\nARG BUILDARCH\nFROM other AS two\nARG ELSEWHERE=1\n"
	r, _ := resolve(t, text, Options{Stage: "one", Args: map[string]string{
		"V": "2", "UNUSED": "x", "IN": "i", "ELSEWHERE": "y", "TYPO": "z", "https_proxy": "p",
	}})
	want := map[string]string{"V": "2", "IN": "i", "BUILDARCH": "amd64", "https_proxy": "p"}
	if diff := cmp.Diff(want, r.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"TYPO"}, r.Undeclared); diff != "" {
		t.Errorf("undeclared (-want +got):\n%s", diff)
	}
	instructions := []string{"ARG V=1", "ARG W=w$V", "FROM base:$W AS one", "ARG IN", "ARG TARGETARCH", "ARG BUILDARCH"}
	if diff := cmp.Diff(instructions, r.Instructions); diff != "" {
		t.Errorf("instructions (-want +got):\n%s", diff)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	r, _ := resolve(t, "FROM base\nARG A=1\nENV E=$A F=$HOME\nONBUILD COPY x /\n", Options{
		BaseConfig: func(Ref) (model.BaseConfig, bool) {
			return model.BaseConfig{Env: []string{"HOME=/h"}, OnBuild: []string{"RUN gone"}}, true
		},
	})
	want := model.BaseConfig{Env: []string{"E=1", "F=/h", "HOME=/h", "PATH=" + defaultPath}, OnBuild: []string{"COPY x /"}}
	if diff := cmp.Diff(want, r.Config); diff != "" || !r.ConfigKnown {
		t.Errorf("config, known %t (-want +got):\n%s", r.ConfigKnown, diff)
	}
	r, _ = resolve(t, "FROM base\nENV E=$HOME G=1\n", Options{})
	if diff := cmp.Diff([]string{"G=1"}, r.Config.Env); diff != "" || r.ConfigKnown {
		t.Errorf("config, known %t (-want +got):\n%s", r.ConfigKnown, diff)
	}
}

// BuildKit expands the FROM of every stage, and refuses one that comes to
// nothing.
func TestSpareArgs(t *testing.T) {
	t.Parallel()
	r, _ := resolve(t, "ARG A\nARG B=$A\nARG C\nARG D\nFROM $B\nFROM $C\nFROM $D", Options{Args: map[string]string{"A": "a", "C": "c", "D": "d"}})
	if diff := cmp.Diff(map[string]string{"A": "a", "C": "c"}, r.Spare); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"D": "d"}, r.Args); diff != "" {
		t.Error(diff)
	}
}
