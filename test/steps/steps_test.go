// Package steps executes rootfsrun build and rootfsrun test as a job of a
// pipeline does: one image and platform at a time, from a plan in a file.
package steps

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// bench is a repository with a small fleet, and where it publishes.
type bench struct {
	*gittest.Repo
	t      *testing.T
	prefix string
	env    []string
	bin    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, busybox := enginetest.Services(t), enginetest.Busybox(t)
	b := &bench{t: t, Repo: gittest.New(t), prefix: s.Registry + "/" + strings.ToLower(t.Name()), bin: enginetest.Programs(t)}
	b.env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + t.TempDir(), "LANG=C.UTF-8",
		"BUILDKIT_HOST=" + s.BuildkitAddr, "GIT_CONFIG_NOSYSTEM=1",
	}
	b.Commit(map[string]string{
		".gitignore":             ".cache/\nbuild-artifacts/\nout/\n",
		"rootfsgen.yaml":         "version: 1\n",
		"images/base/Dockerfile": "FROM " + busybox + "\nRUN echo base > /base\n",
		// A stage with the name of the image that it begins with, and both ways
		// to read another image.
		"images/app/Dockerfile": "FROM base AS base\nRUN echo mine > /mine\nFROM base\n" +
			"RUN --mount=from=tools,target=/m cp /m/tool /mounted\nCOPY --from=tools /tool /copied\nCOPY app.txt /\nUSER app\n",
		"images/app/app.txt": "one\n",
		"images/app/secret":  "not read by any instruction\n",
		"images/app/image.yaml": "component_version: \"2\"\ntests:\n" +
			"  - {name: stage, cmd: test \"$(cat /mine)\" = mine}\n  - {name: files, cmd: cat /mounted /copied /app.txt}\n  - {name: user, cmd: test \"$(id -u)\" = 1000}\n",
		"images/tools/Dockerfile": "FROM base\nRUN uname -m > /tool\n",
	})
	return b
}

// try runs a program and returns its two streams and its exit code.
func (b *bench) try(program string, args ...string) (out, errs string, code int) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), filepath.Join(b.bin, program), args...)
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.Dir, b.env, &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		b.t.Fatal(err)
	} else if ok {
		code = exit.ExitCode()
	}
	return stdout.String(), stderr.String(), code
}

// plan writes plan.json.
func (b *bench) plan() {
	b.t.Helper()
	out, errs, code := b.try("rootfsgen", "plan", "--registry", b.prefix, "--format", "json")
	if code != 0 {
		b.t.Fatal(errs)
	}
	b.Write(map[string]string{"out/plan.json": out})
}

// step runs one step from the plan and returns what became of each target.
func (b *bench) step(want int, args ...string) (map[string]string, string) {
	b.t.Helper()
	out, errs, code := b.try("rootfsrun", append(args, "--plan", "out/plan.json", "--json")...)
	if code != want {
		b.t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, want, out, errs)
	}
	var result struct {
		Results []struct{ Image, Platform, Action string }
	}
	if out != "" {
		if err := json.Unmarshal([]byte(out), &result); err != nil {
			b.t.Fatalf("%v\n%s", err, out)
		}
	}
	got := map[string]string{}
	for _, r := range result.Results {
		got[r.Image+" "+r.Platform] = r.Action
	}
	return got, errs
}

func (b *bench) expect(want map[string]string, args ...string) string {
	b.t.Helper()
	got, errs := b.step(0, args...)
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%v: %s\n%s", args, diff, errs)
	}
	return errs
}

func TestJobsOfAPipeline(t *testing.T) {
	b := newBench(t)
	b.plan()
	const arm = "linux/arm64"
	if _, errs := b.step(1, "build", "app", "--platform", arm); !strings.Contains(errs, "hint: build it first: rootfsrun build ") {
		t.Errorf("a job that came too early says:\n%s", errs)
	}
	b.expect(map[string]string{"base " + arm: "built"}, "build", "base", "--platform", arm)
	b.expect(map[string]string{"tools " + arm: "built"}, "build", "tools:0", "--platform", arm)
	errs := b.expect(map[string]string{"app " + arm: "built"}, "build", "app", "--platform", arm, "--progress", "plain")
	if strings.Contains(errs, "app:2 linux/arm64 | ") || !strings.Contains(errs, "RUN --mount=from=tools") {
		t.Errorf("one build needs no names before its lines:\n%s", errs)
	}
	b.expect(map[string]string{"app " + arm: "reused"}, "build", "app", "--platform", arm)
	b.expect(map[string]string{"app " + arm: "tested"}, "test", "app", "--platform", arm, "--junit", "out/reports/junit.xml")
	report, err := os.ReadFile(filepath.Join(b.Dir, "out", "reports", "junit.xml"))
	if err != nil || !strings.Contains(string(report), `<testsuite name="app:2 linux/arm64" tests="3" failures="0"`) {
		t.Errorf("the report: %v\n%s", err, report)
	}
	file, err := os.ReadFile(filepath.Join(b.Dir, "build-artifacts", "app-arm64.json"))
	if err != nil || !strings.Contains(string(file), `"image_id": "app"`) {
		t.Errorf("the artifact: %v\n%s", err, file)
	}
	got, _ := b.step(0, "test", "app", "--platform", arm)
	if diff := cmp.Diff(map[string]string{"app " + arm: "none"}, got); diff != "" {
		t.Errorf("tests that have passed: %s", diff)
	}
}

func TestOnADesk(t *testing.T) {
	b := newBench(t)
	desk := func(args ...string) map[string]string {
		t.Helper()
		out, errs, code := b.try("rootfsrun", append(args, "--registry", b.prefix, "-q")...)
		if code != 0 {
			t.Fatalf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
		got := map[string]string{}
		for line := range strings.Lines(out) {
			cells := strings.Split(line, "\t")
			got[cells[0]+" "+cells[1]] = cells[2]
		}
		return got
	}
	const amd = " linux/amd64"
	want := map[string]string{"base" + amd: "built", "tools" + amd: "built", "app" + amd: "built"}
	if diff := cmp.Diff(want, desk("build", "app", "--platform", "linux/amd64")); diff != "" {
		t.Error(diff)
	}
	// An edit that is not committed, and one of a file that no instruction reads.
	b.Write(map[string]string{"images/app/app.txt": "two\n", "images/app/secret": "changed\n"})
	want = map[string]string{"base" + amd: "reused", "tools" + amd: "reused", "app" + amd: "built"}
	if diff := cmp.Diff(want, desk("build", "app", "--platform", "linux/amd64")); diff != "" {
		t.Error(diff)
	}
	b.Write(map[string]string{"images/app/secret": "changed again\n"})
	want["app"+amd] = "reused"
	if diff := cmp.Diff(want, desk("build", "app", "--platform", "linux/amd64")); diff != "" {
		t.Error(diff)
	}
	b.Write(map[string]string{"images/app/image.yaml": "component_version: \"2\"\ntests:\n  - {name: fails, cmd: \"echo the reason && false\"}\n"})
	out, errs, code := b.try("rootfsrun", "test", "app", "--registry", b.prefix, "--platform", "linux/amd64", "--junit", "out/junit.xml")
	if code != 1 || !strings.Contains(errs, "fails: exit code 1") || !strings.Contains(errs, "| the reason") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if report, err := os.ReadFile(filepath.Join(b.Dir, "out", "junit.xml")); err != nil || !strings.Contains(string(report), `failures="1"`) {
		t.Errorf("the report of a failure: %v\n%s", err, report)
	}
}

func TestUsage(t *testing.T) {
	b := newBench(t)
	b.plan()
	for want, args := range map[string][]string{
		`unknown image "nope"`: {"build", "nope"},
		"unknown platform":     {"test", "app", "--platform", "riscv"},
		"invalid --progress":   {"build", "app", "--progress", "fancy"},
		"invalid --parallel":   {"build", "app", "--parallel", "0"},
	} {
		if _, errs := b.step(2, args...); !strings.Contains(errs, want) {
			t.Errorf("%v says %s", args, errs)
		}
	}
}

func TestWithoutARegistry(t *testing.T) {
	b := newBench(t)
	b.plan()
	content, err := os.ReadFile(filepath.Join(b.Dir, "out", "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.Write(map[string]string{"out/plan.json": strings.ReplaceAll(string(content), b.prefix, "127.0.0.1:1/nobody")})
	if _, errs := b.step(75, "build", "base", "--platform", "linux/amd64"); !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("it says %s", errs)
	}
}
