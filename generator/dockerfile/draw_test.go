package dockerfile

import (
	"bytes"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// dockerfiles are Dockerfiles that are mostly right.
func dockerfiles() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var b bytes.Buffer
		b.WriteString("ARG D=dflt\nARG G=$D-g\nARG BASE=base\n")
		images := rapid.SampledFrom([]string{
			"base", "base:latest", "docker.io/library/base", "base:1", "$BASE", "${BASE}:$D", "scratch", "quay.io/a/b", "trigger",
			"one", "two", "One:latest", "--platform=$TARGETPLATFORM base", "base:${NO:-x}",
		})
		names := rapid.SampledFrom([]string{"", " AS one", " AS two", " as base", " AS Three"})
		sources := rapid.SampledFrom([]string{"a", "./b", "c/d/", "/e", "*.x", "$D", "$G/f", "$HOME/h", "$L", ".", "'q q'", "i/../j", "[\"k\", \"l\"]",
			"${NO:-n}", "${D:+set}", "x${PATH:+p}", "${D%t}", "${HOME#h}o", "../up", "a/**/b", "[ab]?/", "$UNSET"})
		froms := rapid.SampledFrom([]string{"0", "1", "one", "two", "TWO", "base", "base:latest", "other:2", "scratch", "three"})
		for range rapid.IntRange(1, 4).Draw(t, "stages") {
			fmt.Fprintf(&b, "FROM %s%s\n", images.Draw(t, "image"), names.Draw(t, "name"))
			for range rapid.IntRange(0, 5).Draw(t, "instructions") {
				switch rapid.IntRange(0, 10).Draw(t, "kind") {
				case 0:
					b.WriteString("ARG D\nARG L=local\n")
				case 1:
					b.WriteString("ENV D=env$D HOME=$G\n")
				case 2:
					fmt.Fprintf(&b, "COPY --from=%s /x /y\n", froms.Draw(t, "from"))
				case 3:
					fmt.Fprintf(&b, "RUN --mount=from=%s,target=/m --mount=target=/n,source=mnt$D \\\n # comment\n  run %d\n", froms.Draw(t, "from"), b.Len())
				case 4:
					fmt.Fprintf(&b, "ONBUILD COPY --from=%s /ob /ob\n", froms.Draw(t, "from"))
				case 5:
					b.WriteString("ONBUILD COPY on$D build /\nONBUILD ENV D=ob\n")
				case 6:
					fmt.Fprintf(&b, "RUN --mount=type=cache,from=%s,source=c$D,target=/c --mount=type=bind,source=%s,target=/b <<X\nhere\nX\n",
						froms.Draw(t, "from"), strings.Trim(sources.Draw(t, "source"), "[]\"', kl"))
				case 7:
					fmt.Fprintf(&b, "COPY --parents --exclude=*.md a/./%s <<X p$D /dst/\n$D\nX\n", strings.NewReplacer("[", "", "'", "", "\"", "", "../", "").Replace(sources.Draw(t, "source")))
				case 8:
					fmt.Fprintf(&b, "ADD --chown=1 %s /dst/\n", strings.ReplaceAll(sources.Draw(t, "source"), "[", "x"))
				default:
					s := sources.Draw(t, "source")
					if strings.HasPrefix(s, "[") {
						s = "m"
					}
					fmt.Fprintf(&b, "COPY --link %s z$D /dst/\n", s)
				}
			}
		}
		return b.String()
	})
}
