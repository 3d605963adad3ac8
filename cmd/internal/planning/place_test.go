package planning_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// locked is an images.lock with one base.
func locked(digit string) string {
	d := "sha256:" + strings.Repeat(digit, 64)
	return fmt.Sprintf("version: 1\nbases:\n  docker.io/library/busybox:1.36:\n    digest: %s\n    platforms:\n      linux/amd64: {digest: %s}\n      linux/arm64: {digest: %s}\n", d, d, d)
}

// TestNoticesStandAtTheLine lets each kind of reason be the first of an image,
// and asks GitHub's form of the plan where it stands.
func TestNoticesStandAtTheLine(t *testing.T) {
	t.Parallel()
	before := map[string]string{
		"rootfsgen.yaml": "version: 1\n", "images.lock": locked("1"),
		"images/edit/Dockerfile": "FROM scratch\n\nCOPY motd /\n", "images/edit/motd": "one\ntwo\nthree\n",
		"images/from/Dockerfile": "# of\n# busybox\nFROM busybox:1.36\nCOPY --from=busybox:1.36 / /x\n",
		"images/gone/Dockerfile": "FROM scratch\nCOPY a /\nCOPY data /data\n", "images/gone/a": "", "images/gone/data/x": "", "images/gone/data/y": "",
		"images/lines/Dockerfile": "FROM scratch\nENV A=1\nENV B=1\n",
		"images/child/Dockerfile": "ARG X\nFROM edit\nENV C=1\n",
		"images/arg/Dockerfile":   "FROM scratch\nARG OTHER\nARG COLOUR\nENV C=$COLOUR\n", "images/arg/image.yaml": "args: {COLOUR: red}\n",
	}
	after := map[string]string{
		"images.lock": locked("2"), "images/edit/motd": "one\n2\nthree\n",
		"images/lines/Dockerfile": "FROM scratch\nENV A=1\n# more\nENV B=2\n", "images/arg/image.yaml": "description: x\nargs:\n  COLOUR: blue\n",
		"images/new/Dockerfile": "FROM scratch\nCOPY f /\n", "images/new/f": "",
	}
	r := gittest.New(t)
	r.Commit(before)
	r.Git("tag", "v1")
	r.Git("rm", "-q", "images/gone/data/y")
	r.Commit(after)
	a := frame(r.Dir, nil)
	streams, out, errs := term.Buffers()
	a.Streams = streams
	if err := planning.Print(t.Context(), a, planning.Options{From: "v1", To: "HEAD"}, "github", func(*model.Settings) error { return nil }); err != nil {
		t.Fatal(err, errs)
	}
	for image, want := range map[string]string{
		"edit":  "::notice file=images/edit/motd,line=2,title=plan::edit:",
		"from":  "::notice file=images/from/Dockerfile,line=3,title=plan::from:",
		"gone":  "::notice file=images/gone/Dockerfile,line=3,title=plan::gone:",
		"lines": "::notice file=images/lines/Dockerfile,line=3,title=plan::lines:",
		"child": "::notice file=images/child/Dockerfile,line=2,title=plan::child:",
		"arg":   "::notice file=images/arg/Dockerfile,line=3,title=plan::arg:",
		"new":   "::notice file=images/new/Dockerfile,line=1,title=plan::new:",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: no %q in\n%s", image, want, out)
		}
	}
	if !strings.Contains(out.String(), "images/edit/Dockerfile:3 reads it") {
		t.Errorf("nobody says what reads the file:\n%s", out)
	}
}
