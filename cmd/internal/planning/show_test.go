package planning

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// hostilePath is what somebody may call a file: no part of it may become
// markup, a command, a person or a second line.
const hostilePath = "images/a/`x`|<img src=x>@everyone #1 ![p](http://e.org)\n::error::\x1b[31m\u202e.py"

func entry(image string, p model.Platform, action model.Action, reasons ...model.Reason) model.Entry {
	e := model.Entry{Image: image, Tag: "1", Platform: p, Action: action, Steps: map[string]string{}, Reasons: reasons}
	if action == model.ActionBuild {
		e.Steps = map[string]string{model.StepBuild: model.StepRun, model.StepTest: model.StepRun}
	}
	return e
}

func planOf(entries ...model.Entry) *model.Plan {
	return &model.Plan{Version: 1, From: &model.Revision{Ref: "v1"}, Scope: model.ScopeTesting, Registry: "unknown", Entries: entries}
}

func write(t *testing.T, p *model.Plan, format string, person, all bool) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p, format, person, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func file(path string) model.Reason {
	return model.Reason{Kind: model.ReasonFile, Path: path, Old: "100644 git:" + strings.Repeat("a", 40), New: "100755 git:" + strings.Repeat("a", 40)}
}

func TestTableForPeopleAndPrograms(t *testing.T) {
	t.Parallel()
	same := model.Reason{Kind: model.ReasonRegistry, Detail: "unchanged since v1; the registry was not asked"}
	p := planOf(
		entry("app", model.LinuxAMD64, model.ActionBuild, file("images/app/a"), file("images/app/b")),
		entry("app", model.LinuxARM64, model.ActionBuild, file("images/app/a"), file("images/app/b")),
		entry("idle", model.LinuxAMD64, model.ActionNone, same), entry("idle", model.LinuxARM64, model.ActionNone, same),
	)
	for _, c := range []struct {
		person, all bool
		want        string
	}{
		{true, false, "IMAGE  PLATFORM                 ACTION  STEPS       BECAUSE\n" +
			"app:1  linux/amd64 linux/arm64  build   build test  file images/app/a; 1 more\n" +
			"1 image to build (2 targets in 1 wave), 1 image unchanged (-v lists them).\n"},
		{true, true, "IMAGE   PLATFORM                 ACTION  STEPS       BECAUSE\n" +
			"app:1   linux/amd64 linux/arm64  build   build test  file images/app/a; 1 more\n" +
			"idle:1  linux/amd64 linux/arm64  none                unchanged since v1; the registry was not asked\n" +
			"1 image to build (2 targets in 1 wave), 1 image unchanged.\n"},
		{false, false, "app:1\tlinux/amd64\tbuild\tbuild test\tfile images/app/a; 1 more\n" +
			"app:1\tlinux/arm64\tbuild\tbuild test\tfile images/app/a; 1 more\n"},
	} {
		if diff := cmp.Diff(c.want, write(t, p, "text", c.person, c.all)); diff != "" {
			t.Errorf("person %t, all %t (-want +got):\n%s", c.person, c.all, diff)
		}
	}
	if got := write(t, planOf(p.Entries[2:]...), "text", true, false); got != "Nothing to do: 1 image unchanged since v1 (-v lists them).\n" {
		t.Errorf("got %q", got)
	}
}

func TestNothingThatPeopleWroteIsMarkup(t *testing.T) {
	t.Parallel()
	p := planOf(entry("app", model.LinuxAMD64, model.ActionBuild, file(hostilePath),
		model.Reason{Kind: model.ReasonArgument, Name: "A", Old: "@me", New: "</details>`|"},
		model.Reason{Kind: model.ReasonParent, Name: "base:1", Detail: "because " + hostilePath}))
	p.Notes = []string{"No tag matches \"v*|@all\" on this branch."}
	got := write(t, p, "markdown", false, false)
	for _, bad := range []string{"<img", "](http", "|<", "\x1b", "\u202e", "\n::error", "`x`|", "</details>`"} {
		if strings.Contains(got, bad) {
			t.Errorf("markdown has %q:\n%s", bad, got)
		}
	}
	for line := range strings.SplitSeq(got, "\n") {
		outside := strings.Join(everySecond(strings.Split(line, "`")), "")
		if strings.ContainsAny(outside, "@") {
			t.Errorf("a person is called in %q", line)
		}
		if strings.HasPrefix(line, "| ") && strings.Count(line, "|") != 6 {
			t.Errorf("%d columns in %q", strings.Count(line, "|")-1, line)
		}
	}
	for _, format := range []string{"text", "github", "gitlab"} {
		got := strings.ReplaceAll(write(t, p, format, true, true), "\x1b[0K", "")
		if strings.Contains(got, "\n::error") || strings.Contains(got, "\x1b") || strings.Contains(got, "\u202e") {
			t.Errorf("%s passes on what it should not: %q", format, got)
		}
	}
}

// everySecond are the parts of a line that stand outside of code.
func everySecond(parts []string) []string {
	var out []string
	for i := 0; i < len(parts); i += 2 {
		out = append(out, parts[i])
	}
	return out
}

func TestMarkdownIsBounded(t *testing.T) {
	t.Parallel()
	var entries []model.Entry
	for i := range 5000 {
		entries = append(entries, entry(fmt.Sprintf("image-%04d", i), model.LinuxAMD64, model.ActionBuild, file(strings.Repeat("é|", 1000))))
	}
	got := write(t, planOf(entries...), "markdown", false, false)
	if len(got) >= 65_536 {
		t.Errorf("%d bytes", len(got))
	}
	if !strings.Contains(got, "images more | | | | |") || strings.Count(got, "<details>") != strings.Count(got, "</details>") {
		t.Error("what is left out is not counted, or a section stays open")
	}
	summary := Markdown(planOf(entries...), SummaryBytes)
	if len(summary) >= 1<<20 || len(summary) < 10*len(got) || strings.Count(summary, "<details>") != strings.Count(summary, "</details>") {
		t.Errorf("a summary of %d bytes", len(summary))
	}
	if n := strings.Count(write(t, planOf(entries...), "github", false, false), "::notice "); n != notices {
		t.Errorf("%d notices", n)
	}
}

func TestPackagesAreFolded(t *testing.T) {
	t.Parallel()
	var reasons []model.Reason
	for i := range 25 {
		reasons = append(reasons, model.Reason{Kind: model.ReasonBase, Name: fmt.Sprintf("lib%02d", i), Old: "1", New: "2", Detail: key.DetailPackage})
	}
	e := entry("root", model.LinuxAMD64, model.ActionBuild, reasons...)
	child := entry("child", model.LinuxAMD64, model.ActionBuild,
		model.Reason{Kind: model.ReasonParent, Name: "root:1", Old: "sha256:a", New: "sha256:b", Detail: "because package lib00"})
	child.Parents = []model.Parent{{Image: "root", Tag: "1"}}
	explained := Explain(planOf(e, child), nil, nil, func(model.TargetID) bool { return true })
	explained[0].Differences = reasons
	want := "root:1 (linux/amd64): build\n  It is built and tested.\n  because of 25 packages of Debian\n" +
		"  What differs between the two keys,  -> :\n    25 packages of Debian: lib00 1 -> 2, lib01 1 -> 2, lib02 1 -> 2, " +
		"lib03 1 -> 2, lib04 1 -> 2, lib05 1 -> 2, lib06 1 -> 2, lib07 1 -> 2, lib08 1 -> 2, lib09 1 -> 2 and 15 more\n\n" +
		"child:1 (linux/amd64): build\n  It is built and tested.\n  because root:1, because of 25 packages of Debian: lib00 1 -> 2, lib01 1 -> 2, lib02 1 -> 2 and 22 more\n"
	if diff := cmp.Diff(want, Text(explained, nil)); diff != "" {
		t.Error(diff)
	}
}

// TestCausesOfADiamond stacks diamonds: there are two ways over each, and one
// cause, which is said once, along the shortest way.
func TestCausesOfADiamond(t *testing.T) {
	t.Parallel()
	const stacked = 40
	parent := func(name string) model.Reason {
		return model.Reason{Kind: model.ReasonParent, Name: name + ":1", Old: "sha256:a", New: "sha256:b", Detail: "because images/base"}
	}
	entries := []model.Entry{entry("top00", model.LinuxAMD64, model.ActionBuild, file("images/base/motd"))}
	for i := 1; i <= stacked; i++ {
		below := fmt.Sprintf("top%02d", i-1)
		for _, side := range []string{"left", "right"} {
			e := entry(fmt.Sprintf("%s%02d", side, i), model.LinuxAMD64, model.ActionBuild, parent(below))
			e.Parents = []model.Parent{{Image: below, Tag: "1"}}
			entries = append(entries, e)
		}
		e := entry(fmt.Sprintf("top%02d", i), model.LinuxAMD64, model.ActionBuild, parent(fmt.Sprintf("left%02d", i)), parent(fmt.Sprintf("right%02d", i)))
		e.Parents = []model.Parent{{Image: fmt.Sprintf("left%02d", i), Tag: "1"}, {Image: fmt.Sprintf("right%02d", i), Tag: "1"}}
		entries = append(entries, e)
	}
	last := fmt.Sprintf("top%02d", stacked)
	got := Explain(planOf(entries...), nil, nil, func(t model.TargetID) bool { return t.Image == last })
	if len(got) != 1 || len(got[0].Causes) != 1 || len(got[0].Causes[0].Chain) != 2*stacked || got[0].Causes[0].Reason.Path != "images/base/motd" {
		t.Errorf("got %+v", got[0].Causes)
	}
}

func TestCodeAndText(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"a_b*c@d": "`a_b*c@d`", "a`b": "<code>a&#96;b</code>", "a|b": "<code>a&#124;b</code>", " a": "<code> a</code>", "": "", "a\nb": "<code>a&#92;u000ab</code>",
	} {
		if got := code(given); got != want {
			t.Errorf("code(%q) = %q, want %q", given, got, want)
		}
	}
	if got, want := text("Hi @me: see #1, v1.2 - and a/b."), "Hi &#64;\u200bme&#58; see &#35;\u200b1, v1&#46;2 - and a&#47;b."; got != want {
		t.Errorf("text is %q, want %q", got, want)
	}
}
