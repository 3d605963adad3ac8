package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap24DockerfileSyntax: an ARG in FROM, a heredoc, "# escape" and "#
// syntax" are what line-by-line readers get wrong. BuildKit's own parser reads
// the file, and what cannot be resolved is refused at its line, never taken for
// "no parent".
func TestTrap24DockerfileSyntax(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images.lock":            lockOf(map[string]string{"docker.io/docker/dockerfile:1": "one", "docker.io/docker/dockerfile:1.99": "other"}),
		"images/base/Dockerfile": "FROM scratch\nCOPY file /\n", "images/base/file": "1\n",
		"images/arg/Dockerfile":  "ARG NAME=ba\nARG FULL=${NAME}se\nFROM --platform=$TARGETPLATFORM ${FULL}\n",
		"images/here/Dockerfile": "FROM scratch\nCOPY <<EOF /script\nFROM base\nCOPY secret /\nEOF\n", "images/here/secret": "1\n",
		"images/escape/Dockerfile": "# escape=`\nFROM scratch\nENV DIR=C:\\\nENV NEXT=a `\n  MORE=b\n",
		"images/syntax/Dockerfile": "# syntax=docker/dockerfile:1\nFROM scratch\n",
	})
	step := func(files map[string]string) *verdicts {
		t.Helper()
		at := d.Commit(files)
		return d.in("CI=true").plan("--from", at+"~1", "--to", at)
	}
	step(map[string]string{"images/here/secret": "2\n"}).builds()
	p := step(map[string]string{"images/base/file": "2\n"})
	p.builds("arg", "base")
	p.because("arg", parent("base:0"))
	p = step(map[string]string{"images/here/Dockerfile": "FROM scratch\nCOPY <<EOF /script\nFROM base\nCOPY secret /etc\nEOF\n"})
	p.builds("here")
	p.because("here", model.Reason{Kind: model.ReasonTemplate})
	// What looks like a comment decides where a line ends.
	p = step(map[string]string{"images/escape/Dockerfile": "# escap=`\nFROM scratch\nENV DIR=C:\\\nENV NEXT=a\n"})
	p.builds("escape")
	p.because("escape", model.Reason{Kind: model.ReasonTemplate})
	p = step(map[string]string{"images/syntax/Dockerfile": "# syntax=docker/dockerfile:1.99\nFROM scratch\n"})
	p.builds("syntax")
	p.because("syntax", model.Reason{Kind: model.ReasonBase})

	d.Commit(map[string]string{"images/arg/Dockerfile": "ARG NAME\nFROM scratch AS x\nFROM ${NAME}\n"})
	d.refuses(nil, "images/arg/Dockerfile:3:6", "NAME")
	d.Commit(map[string]string{"images/arg/Dockerfile": "FROM base\nCOPY <<EOF /a\nnever ends\n"})
	d.in("CI=true").refuses(nil, "images/arg/Dockerfile:2", "EOF")
}
