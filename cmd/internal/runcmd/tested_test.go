package runcmd

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// TestSummaryOfTests lets tests end in every way, and reads the summary of the
// job.
func TestSummaryOfTests(t *testing.T) {
	t.Parallel()
	p := plantest.Plan("registry.example.com/testing", '1', plantest.Image{ID: "good"}, plantest.Image{ID: "bad"}, plantest.Image{ID: "gpu"}, plantest.Image{ID: "none"})
	var s suites
	failed := &step.Failed{Step: model.StepTest, Name: "x", Err: errors.New("BuildKit is gone")}
	for n := range p.Entries {
		e := &p.Entries[n]
		suite, amd := imagetest.Suite{Target: e.ID()}, e.Platform == model.LinuxAMD64
		var err error
		switch {
		case e.Image == "good" && amd, e.Image == "bad" && !amd:
			suite.Results = []imagetest.Result{{Test: model.Test{Name: "starts", Cmd: "true"}, Took: 2 * time.Second}}
		case e.Image == "good":
			err = step.Skip("these tests have passed")
		case e.Image == "bad":
			suite.Results = []imagetest.Result{{Test: model.Test{Name: "starts", Cmd: "false"}, Problem: "exit code 1", Output: "what went wrong\n"}}
			err = &step.Failed{Step: model.StepTest, Name: "x", Err: errors.New("1 of 1 failed")}
		case e.Image == "gpu" && amd:
			err = &step.Untested{Device: "gpu"}
		case e.Image == "gpu":
			err = failed
		}
		if len(suite.Results) > 0 || e.Image == "none" {
			s.add(suite)
		}
		s.event(p, walk.Event{Name: walk.Names(p)(e.ID()), Step: model.StepBuild, End: true})
		s.event(p, walk.Event{Name: walk.Names(p)(e.ID()), Step: model.StepTest, End: true, Err: err})
	}
	file := filepath.Join(t.TempDir(), "summary.md")
	env := map[string]string{stepSummary: file}
	a := &app.App{Streams: term.Streams{Out: io.Discard, Err: io.Discard}, Env: func(name string) string { return env[name] }, Log: slog.New(slog.DiscardHandler)}
	s.summarize(a)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"**Tests: 1 failed, 1 not run, 1 untested, 2 passed, 1 passed before**",
		"| `bad linux/amd64` | failed | 1 of 1 failed |", "| `bad linux/arm64` | passed | 1 of 1 passed | 2.0 s |", "| `good linux/arm64` | passed before |",
		"| `gpu linux/amd64` | untested | its tests need a machine with gpu |", "| `gpu linux/arm64` | not run | BuildKit is gone |",
		"<summary>bad linux&#47;amd64: starts: exit code 1</summary>", "```text\nwhat went wrong\n```",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "none") {
		t.Errorf("an image without tests is listed:\n%s", text)
	}
	delete(env, stepSummary)
	s.summarize(a) // where there is no summary, nothing is said
}
