package key

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// edit is a change of the world, the images whose keys it must change, and the
// reasons of the first of them.
type edit struct {
	name string
	edit func(*world)
	want string
	why  []string
}

// Each edit changes just the keys that it must, and the reasons name it.
func TestEdits(t *testing.T) {
	t.Parallel()
	before := newWorld().keys(t)
	for _, edits := range [][]edit{fileEdits, outsideEdits, recipeEdits} {
		for _, c := range edits {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				c.edit(w)
				after := w.keys(t)
				got := changed(before, after)
				if got != c.want {
					t.Fatalf("changed are %q, want %q", got, c.want)
				}
				if got == "" {
					return
				}
				first := amd64(strings.Fields(got)[0])
				if diff := gocmp.Diff(c.why, show(Diff(before[first].Form(), after[first].Form()))); diff != "" {
					t.Errorf("reasons of %s (-want +got):\n%s", first, diff)
				}
			})
		}
	}
}

var fileEdits = []edit{
	{"nothing", func(*world) {}, "", nil},
	{"README that nothing reads", func(w *world) { w.put("images/app/README.md", "new") }, "", nil},
	{"README that COPY . reads", func(w *world) { w.put("images/other/README.md", "new") }, "other", []string{"file images/other/README.md"}},
	{"a file beside", func(w *world) { w.put("images/app/c.txt", "new") }, "", nil},
	{"a file of tests", func(w *world) { w.put("images/app/tests/t.sh", "new") }, "", nil},
	{"a file", func(w *world) { w.put("images/app/a.py", "new") }, "app", []string{"file images/app/a.py"}},
	{"a new file", func(w *world) { w.put("images/app/c.py", "new") }, "app", []string{"file images/app/c.py is read now"}},
	{"a file less", func(w *world) { delete(w.files, "images/app/b.py") }, "app", []string{"removed images/app/b.py is read no longer"}},
	{"a file below", func(w *world) { w.put("images/app/lib/x/y", "new") }, "app", []string{"file images/app/lib/x/y"}},
	{"a file that a mount reads", func(w *world) { w.put("images/app/in/z", "new") }, "app", []string{"file images/app/in/z"}},
	{"a mode", func(w *world) {
		w.files["images/app/a.py"] = history.File{Mode: model.ModeExecutable, Content: "app/a.py"}
	}, "app", []string{"file images/app/a.py is executable now"}},
	{"what a link leads to", func(w *world) { w.put("images/app/target", "new") }, "app", []string{"file images/app/target"}},
	{"a link", func(w *world) {
		w.files["images/app/link"] = history.File{Mode: model.ModeSymlink, Content: "a.py"}
	}, "app", []string{"file images/app/link", "removed images/app/target is read no longer"}},
	{"the case of a name", func(w *world) { delete(w.files, "images/app/a.py"); w.put("images/app/A.py", "app/a.py") }, "app",
		[]string{"file images/app/A.py is read now", "removed images/app/a.py is read no longer"}},
	{"a file becomes a folder", func(w *world) { delete(w.files, "images/app/a.py"); w.put("images/app/a.py/x", "") }, "app",
		[]string{"file images/app/a.py/x is read now", "removed images/app/a.py is read no longer"}},
	{"a name beyond ASCII", func(w *world) { w.put("images/app/\u00e4 \".py", "") }, "app", []string{"file images/app/\u00e4 \".py is read now"}},
	{"an ignored file", func(w *world) { w.put("images/app/lib/x.tmp", "new") }, "", nil},
	{"an ignore file without effect", func(w *world) { w.put("images/app/.dockerignore", "# new\n**/*.tmp\nREADME.md\n") }, "", nil},
	{"an ignore file with effect", func(w *world) { w.put("images/app/.dockerignore", "b.py\n") }, "app", []string{"removed images/app/b.py is read no longer"}},
	{"another ignore file", func(w *world) { w.put("images/app/Dockerfile.dockerignore", "b.py\n") }, "app", []string{"removed images/app/b.py is read no longer"}},
	{"an input", func(w *world) { w.put("shared/input", "new") }, "app", []string{"file shared/input"}},
	{"line ends of a file", func(w *world) { w.put("images/tool/t", "tool/t\r\n") }, "app tool", []string{"parent tool:1"}},
	{"a moved folder", func(w *world) {
		for p, f := range w.files {
			if rest, found := strings.CutPrefix(p, "images/tool/"); found {
				delete(w.files, p)
				w.files["images/moved/"+rest] = f
			}
		}
		i := w.images["tool"]
		i.Dir, i.Context, i.Dockerfile = "images/moved", "images/moved", "images/moved/Dockerfile"
	}, "", nil},
}

var outsideEdits = []edit{
	{"a package of the root", func(w *world) { w.lock.Debian["bookworm"].Images["deb linux/amd64"]["libc6"] = "2.37" }, "app base deb", []string{"parent base:1"}},
	{"an archive without a new package", func(w *world) {
		w.lock.Debian["bookworm"] = model.LockedSuite{InRelease: digest("e"), Images: w.lock.Debian["bookworm"].Images}
	}, "", nil},
	{"an archive that counts", func(w *world) {
		i := w.images["other"]
		i.Refresh, i.Debian.Suite = "archive", "bookworm"
	}, "other", []string{"option refresh:  -> archive", "base debian bookworm"}},
	{"an outside base", func(w *world) { w.lockBusybox("c", "c") }, "app tool", []string{"parent tool:1"}},
	{"an outside base of another platform", func(w *world) { w.lockBusybox("b", "c") }, "", nil},
	{"another outside base", func(w *world) {
		w.edit("tool", "busybox:1.36", "busybox@"+string(digest("7")))
	}, "app tool", []string{"parent tool:1"}},
}

var recipeEdits = []edit{
	{"a comment", func(w *world) { w.put("images/base/Dockerfile", "# new\nFROM deb\n# new\nCOPY \\\n  etc /etc\r\n") }, "", nil},
	{"an instruction", func(w *world) { w.edit("tool", "/t", "/u") }, "app tool", []string{"parent tool:1"}},
	{"an instruction of its own", func(w *world) { w.edit("other", "COPY . /", "COPY . /x") }, "other",
		[]string{"file images/other/Dockerfile", "template images/other/Dockerfile: COPY . / -> COPY . /x"}},
	{"escape", func(w *world) { w.put("images/other/Dockerfile", "# escape=`\nFROM scratch\nCOPY . /\n") }, "other",
		[]string{"file images/other/Dockerfile", "template images/other/Dockerfile:  -> # escape=`"}},
	{"a stage that is not reached", func(w *world) { w.edit("app", "nothing", "else") }, "", nil},
	{"an argument", func(w *world) { w.images["app"].Args = map[string]string{"VERSION": "2"} }, "app",
		[]string{"argument VERSION:  -> 2"}},
	{"rebuild", func(w *world) { w.images["base"].Rebuild = 1 }, "app base", []string{"parent base:1"}},
	{"stage", func(w *world) { w.images["app"].Stage = "last" }, "app", []string{"option stage:  -> last"}},
	{"packages", func(w *world) { w.images["deb"].Debian.Packages = []string{"curl", "ca-certificates"} }, "app base deb", []string{"parent base:1"}},
	{"their order", func(w *world) { w.images["deb"].Debian.Packages = []string{"ca-certificates", "ca-certificates"} }, "", nil},
	{"another parent", func(w *world) { w.images["app"].Args = map[string]string{"BASE": "other"} }, "app",
		[]string{"argument BASE:  -> other", "parent base:1", "parent other:1"}},
	{"names that change places", func(w *world) {
		w.images["tool"].ImageName, w.images["base"].ImageName = "z", "t"
		w.edit("app", "--from=tool", "--from=z")
	}, "app", []string{"template images/app/Dockerfile: COPY --from=tool /t /t -> COPY --from=z /t /t"}},
	{"what only people read", func(w *world) {
		i := w.images["app"]
		i.Label, i.Description, i.Tags, i.Priority, i.Owners = "L", "D", []string{"t"}, 9, []string{"me"}
		i.Runner, i.TimeoutSeconds, i.SizeGB, i.Tests = "small", 9, 1, []model.Test{{Name: "n", Cmd: "c"}}
	}, "", nil},
}
