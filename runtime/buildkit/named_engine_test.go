package buildkit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
)

// A named context that is a set of files can be copied from, mounted, and begun
// with, beside the build's own context, and its ignore file does not matter any
// more.
func TestBuildReadsNamedFolders(t *testing.T) {
	b := newBench(t)
	tools := func(content string) []buildkit.Folder {
		return []buildkit.Folder{
			{Name: "tools", Files: files(t,
				file{path: "bin/run", content: content, mode: model.ModeExecutable},
				file{path: "link", content: "bin/run", mode: model.ModeSymlink},
				file{path: ".dockerignore", content: "nothing-of-it\n"})},
			{Name: "quay.io/x/root:1", Files: files(t, file{path: "etc/motd", content: "hello"})},
		}
	}
	const text = "FROM quay.io/x/root:1 AS root\nFROM base\n" +
		"COPY f /f\nCOPY --from=tools bin /bin-of-tools\nCOPY --from=tools link /followed\nCOPY --from=root /etc/motd /motd\n" +
		"RUN --mount=from=tools,target=/t cp -a /t /mounted\n"
	for _, content := range []string{"one", "two", "one"} {
		r := b.request(t, text, file{path: "f", content: "mine"})
		r.Folders = tools(content)
		d := b.build(t, r)
		got, _ := b.run(t, d, model.LinuxAMD64, "sh", "-c", "cat /f /bin-of-tools/run /followed /motd /mounted/bin/run; ls -A /mounted; readlink /mounted/link")
		want := "mine" + content + content + "hello" + content + ".dockerignore\nbin\nlink\nbin/run\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// A folder may be the whole image, and take the place of a stage.
func TestBuildBeginsWithANamedFolder(t *testing.T) {
	b := newBench(t)
	r := b.request(t, "FROM base AS build\nRUN false\nFROM base\nCOPY --from=build / /got\n")
	r.Folders = []buildkit.Folder{{Name: "build", Files: files(t, file{path: "a/b", content: "c"})}}
	d := b.build(t, r)
	if got, _ := b.run(t, d, model.LinuxAMD64, "cat", "/got/a/b"); got != "c" {
		t.Errorf("got %q", got)
	}
}

func TestTriggers(t *testing.T) {
	b := newBench(t)
	d := b.build(t, b.request(t, "FROM base\nONBUILD COPY x /\nONBUILD RUN y\n"))
	got, err := b.client.Triggers(t.Context(), b.repo+"@"+d.String(), model.LinuxAMD64)
	if diff := cmp.Diff([]string{"COPY x /", "RUN y"}, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
	if got, err := b.client.Triggers(t.Context(), b.base, model.LinuxAMD64); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}
