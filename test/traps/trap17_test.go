package traps

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap17Noise: a README, a comment, the Dockerfile's line ends, a test and
// the time of a file change no byte of an image. A file's mode and its own line
// ends do.
func TestTrap17Noise(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"images/app/Dockerfile": "FROM scratch\nCOPY run.sh /\n", "images/app/run.sh": "#!/bin/sh\ntrue\n", "images/app/README.md": "old\n",
		"images/app/image.yaml": "tests:\n  - {name: a, cmd: \"true\"}\n",
		"images/all/Dockerfile": "FROM scratch\nCOPY . /\n", "images/all/README.md": "old\n",
	})
	step := func(files map[string]string) *verdicts {
		d.t.Helper()
		at := d.Commit(files)
		return d.plan("--from", at+"~1", "--to", at)
	}
	step(map[string]string{"images/app/README.md": "new\n", "README.md": "new\n", "images/app/LICENSE": "\n"}).builds()
	step(map[string]string{"images/app/Dockerfile": "# what it is\n\nFROM scratch\n\n# what it runs\nCOPY   run.sh   /\n"}).builds()
	step(map[string]string{"images/app/Dockerfile": "# what it is\r\n\r\nFROM scratch\r\n\r\n# what it runs\r\nCOPY run.sh /\r\n"}).builds()

	p := step(map[string]string{"images/app/image.yaml": "tests:\n  - {name: a, cmd: \"test -s /run.sh\"}\n"})
	p.steps("app", model.ActionNone, model.StepDone, model.StepRun)
	p.because("app", model.Reason{Kind: model.ReasonOption, Name: "tests"})

	late := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(d.Dir, "images/app/run.sh"), late, late); err != nil {
		t.Fatal(err)
	}
	d.plan("--from", "HEAD", "--to", "worktree").builds()

	p = step(map[string]string{"images/all/README.md": "new\n"}) // here an instruction reads it
	p.builds("all")
	p.because("all", file("images/all/README.md"))
	d.Git("update-index", "--chmod=+x", "images/app/run.sh")
	d.Git("commit", "-q", "-m", "it can be run")
	p = d.plan("--from", "HEAD~1", "--to", "HEAD")
	p.builds("app")
	p.because("app", file("images/app/run.sh"))
	d.Git("reset", "-q", "--hard")
	p = step(map[string]string{"images/app/run.sh": "#!/bin/sh\r\ntrue\r\n"})
	p.builds("app")
}
