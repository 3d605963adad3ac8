package ci

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// compiled is what a job says that does not take the pinned release.
const compiled = "the source is not the release's: compiling it"

// TestSourceOnlyWhereItChanged executes the pipelines of a copy of the programs'
// own repository that pins a release: its jobs take that, and compile only where
// a push changed what the programs are made of.
func TestSourceOnlyWhereItChanged(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "forked", sourceFleet(t))
	f.env = append(f.env, goSettings(t)...)
	m := f.ownRelease()
	f.lacks("rootfsgen", "rootfsrun")
	hub, lab := gitHub{f}, onGitLab(f).(gitLab)
	onHub := func(compiles bool) {
		t.Helper()
		m.fetched.Store(0)
		got := hub.push()
		f.expect("a push", got, succeeded("plan", bothLegs, "manifest", "result"))
		f.asMade(got, m, compiles)
	}
	// gitlab-ci-local does not bring what the planning job hands on to the child
	// pipeline, so the planning job is executed alone.
	onLab := func(compiles bool) {
		t.Helper()
		m.fetched.Store(0)
		got := lab.gitlab(nil, "rootfsgen-plan")
		f.expect("a push", got, succeeded("plan"))
		f.asMade(got, m, compiles)
		if handed := f.filesNamed(filepath.Join(f.Dir, ".gitlab-ci-local/artifacts/rootfsgen-plan/rootfsgen-ci/programs"), "rootfsrun"); len(handed) != 2 {
			t.Errorf("the planning job hands on %v", handed)
		}
	}
	onHub(false)
	m.fetched.Store(0)
	f.asMade(hub.closed(7), m, false) // a job that knows no history by itself

	const source = "package main\n\nimport \"os\"\n\nfunc init() { _, _ = os.Stderr.WriteString(\"" + ownFork + "\\n\") }\n"
	f.push("main", map[string]string{
		"images/base/greeting":     "hello from a fork\n",
		"cmd/rootfsgen/ownfork.go": source, "cmd/rootfsrun/ownfork.go": source,
	})
	onHub(true)
	onLab(true)

	f.Git("rm", "-q", "cmd/rootfsgen/ownfork.go", "cmd/rootfsrun/ownfork.go")
	f.push("main", map[string]string{"images/base/greeting": "hello from the release\n", "cmd/rootfsrun/more_test.go": "package main\n"})
	onLab(false)
}

// ownFork is what the fork's programs say, and the release's do not.
const ownFork = "a fork's own program"

// asMade wants the jobs to have run programs that were compiled, or those of
// the release.
func (f *fleet) asMade(got results, m *mirror, compiles bool) {
	f.t.Helper()
	log := strings.Join(got.log, "\n")
	if said := strings.Contains(log, compiled); said != compiles {
		f.t.Errorf("compiled %v, want %v\n%s", said, compiles, got.tail())
	}
	if ran := strings.Contains(log, ownFork); ran != compiles {
		f.t.Errorf("the fork's own program ran: %v, want %v", ran, compiles)
	}
	if fetched := m.fetched.Load() > 0; fetched == compiles {
		f.t.Errorf("the release was fetched %d times, and compiled is %v", m.fetched.Load(), compiles)
	}
}

// ownRelease makes a release of the programs out of the repository as it is, and
// pins it there.
func (f *fleet) ownRelease() *mirror {
	f.t.Helper()
	dir := f.t.TempDir()
	_, errs, err := f.run(f.Dir, append(slices.Clone(f.env), "CGO_ENABLED=0"), "go", "build", "-trimpath", "-o", dir+"/", "./cmd/rootfsgen", "./cmd/rootfsrun")
	if err != nil {
		f.t.Fatalf("compiling the release: %v\n%s", err, errs)
	}
	m := newMirror(f.t, dir)
	settings := f.Git("show", "HEAD:rootfsgen.yaml") + "\nnetwork: {ca: certs/corp.pem}\nprograms: # soon\n" +
		"  version: v0\n  sha256: {" + strings.Join(noSums(), ", ") + "}\n"
	made := f.Git("rev-parse", "HEAD")
	f.Write(map[string]string{"rootfsgen.yaml": settings, "certs/corp.pem": m.authorities()})
	f.program("rootfsgen", "lock", "--programs", "v9.8.7", "--url", m.release())
	f.program("rootfsgen", "generate")
	f.push("main", nil)
	if pinned := f.Git("show", "HEAD:rootfsgen.yaml"); !strings.Contains(pinned, made) {
		f.t.Fatalf("the release's commit %s is not pinned:\n%s", made, pinned)
	}
	return m
}

// releasedSource finds, in a generated script, which files decide whether the
// source is the release's.
var releasedSource = regexp.MustCompile(`git diff --quiet "\$ROOTFSGEN_PROGRAMS_COMMIT" HEAD -- (.*); then`)

// TestWhatDecidesThatSourceChanged holds the files that jobs compare with the
// release's commit against those that Go makes the programs of.
func TestWhatDecidesThatSourceChanged(t *testing.T) {
	t.Parallel()
	root := enginetest.Root(t)
	script := releasedSource.FindStringSubmatch(filesBelow(t, filepath.Join(root, "generator/render/testdata/forked"))[".github/workflows/rootfsgen-fleet.yml"])
	if script == nil {
		t.Fatal("the planning job compares nothing")
	}
	list := func(name string, args ...string) map[string]bool {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Stderr = root, os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		files := map[string]bool{}
		for file := range strings.Lines(string(out)) {
			files[strings.TrimPrefix(strings.TrimSpace(file), root+"/")] = true
		}
		return files
	}
	compared := list("bash", "-c", "git ls-files --cached --others --exclude-standard -- "+script[1])
	const each = `{{if eq .Module.Path "github.com/rootfsgen/rootfsgen"}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}`
	made := list("go", "list", "-deps", "-f", "{{if .Module}}"+each+"{{end}}", "./cmd/"+model.ProgramNames()[0], "./cmd/"+model.ProgramNames()[1])
	for _, file := range slices.Sorted(maps.Keys(made)) {
		if file != "" && !compared[file] {
			t.Errorf("%s is part of the programs, and no job compiles them where it changed", file)
		}
	}
	if len(made) < 100 {
		t.Errorf("the programs are made of %d files", len(made))
	}
}
