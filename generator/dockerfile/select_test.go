package dockerfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// memory makes a tree of "path" or "path -> link text" or "path submodule".
func memory(paths ...string) model.Tree {
	files := map[string]history.File{}
	for _, p := range paths {
		link, text, isLink := strings.Cut(p, " -> ")
		module, isModule := strings.CutSuffix(p, " submodule")
		switch {
		case isLink:
			files[link] = history.File{Mode: model.ModeSymlink, Content: text}
		case isModule:
			files[module] = history.File{Mode: model.ModeGitlink}
		default:
			path, content, _ := strings.Cut(p, "=")
			files[path] = history.File{Content: content}
		}
	}
	return history.MemoryFiles(files)
}

func matchesNothing(pos, pattern string) string {
	return "warning:" + pos + " context-source COPY reads \"" + pattern + "\", which matches no file in i: only files that git tracks can be built: is it committed, or at least not ignored?"
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		tree  []string
		read  string // a line of a Dockerfile
		dir   string // "i" unless given
		want  string
		wrong []string
	}{
		{"a file", []string{"i/a", "i/b", "a"}, "COPY a /", "", "a", nil},
		{"a folder", []string{"i/a/x", "i/a/y/z", "i/ab", "i/a-b"}, "COPY a /", "", "a/x a/y/z", nil},
		{"everything", []string{"i/a", "i/Dockerfile", "i/b/c", "j/d"}, "COPY . /", "", "Dockerfile a b/c", nil},
		{"the whole repository", []string{"i/a", "j/d", "README.md"}, "COPY i /", ".", "i/a", nil},
		{"nothing of the rest", []string{"i/a", "i/README.md", "i/docs/x"}, "COPY a /", "", "a", nil},
		{"a pattern", []string{"i/a.c", "i/b.c", "i/c.h", "i/d/e.c"}, "COPY *.c /", "", "a.c b.c", nil},
		{"a pattern of folders", []string{"i/d1/x", "i/d2/y", "i/e/x", "i/d3"}, "COPY d? /", "", "d1/x d2/y d3", nil},
		{"a pattern in the middle", []string{"i/a/x/f", "i/b/x/f", "i/b/y/f", "i/c/f"}, "COPY */x/f /", "", "a/x/f b/x/f", nil},
		{"a set", []string{"i/a1", "i/b1", "i/c1"}, "COPY [ab]1 /", "", "a1 b1", nil},
		{"an escaped pattern", []string{"i/[a]", "i/a"}, `COPY ["[[]a]", "/"]`, "", "[a]", nil},
		{"a pattern that matches nothing", []string{"i/a"}, "COPY *.tar /", "", "",
			[]string{`warning:2:6 context-source COPY reads "*.tar", which matches no file in i: only files that git tracks can be built: is it committed, or at least not ignored?`}},
		{"a file whose name is the pattern", []string{"i/d/[x]", "i/e"}, "COPY d/[x] /", "", "d/[x]",
			[]string{`warning:2:6 context-source COPY reads "d/[x]", which matches no file in i: did you mean d/[x]?`}},
		{"a pattern that matches nothing but a link", []string{"i/d/up -> ..", "i/d/x", "i/e"}, "COPY d/*/g /", "", "d/up",
			[]string{matchesNothing("2:6", "d/*/g")}},
		{"a folder that is sent for an ignored link", []string{"i/.dockerignore=l\n", "i/l -> d", "i/d/x", "i/e"}, "COPY d/*/g l* /", "", "d/ l",
			[]string{matchesNothing("2:6", "d/*/g"), matchesNothing("2:12", "l*")}},
		{"a folder that is sent in part for an ignored link", []string{"i/.dockerignore=l\nd/a/x\n", "i/l -> d/a", "i/d/a/x", "i/e"}, "COPY d/*/g l* /", "", "d/a/ l",
			[]string{matchesNothing("2:6", "d/*/g"), matchesNothing("2:12", "l*")}},
		{"a folder that links do not lead to", []string{"i/.dockerignore=l\n", "i/l -> e", "i/d/x", "i/e"}, "COPY d/*/g l* /", "", "",
			[]string{matchesNothing("2:6", "d/*/g"), matchesNothing("2:12", "l*")}},
		{"a bad pattern", []string{"i/a"}, "COPY a[ /", "", "", []string{`warning:2:6 context-source COPY has a pattern that does not parse: "a[": `}},
		{"exclude", []string{"i/d/a.md", "i/d/b.go", "i/d/e/c.md", "i/d/e/k.go"}, "COPY --exclude=*.md --exclude=e/k* d /", "", "d/b.go d/e/c.md", nil},
		{"exclude is not for the source itself", []string{"i/a.md", "i/b.go"}, "COPY --exclude=*.md a.md b.go /", "", "a.md b.go", nil},
		{"exclude of everything", []string{"i/d/a.md"}, "COPY --exclude=*.md d /", "", "d/", nil},
		{"parents", []string{"i/a/b/x.go", "i/a/c/y.go", "i/a/z.md", "i/w.go"}, "COPY --parents a/./**/*.go /", "", "a/b/x.go a/c/y.go", nil},
		{"parents of one file", []string{"i/a/b/x.go", "i/a/b/y.go"}, "COPY --parents a/b/x.go /", "", "a/b/x.go", nil},
		{"parents of what is not there", []string{"i/a/b/x.go"}, "COPY --parents a/c/x.go /", "", "",
			[]string{`warning:2:16 context-source COPY reads "a/c/x.go", which is not in i: only files that git tracks can be built: is it committed, or at least not ignored?`}},
		{"ignored", []string{"i/.dockerignore=*.md\n!KEEP.md\ntmp/\n", "i/a.md", "i/KEEP.md", "i/tmp/x", "i/d/b.md", "i/b"}, "COPY . /", "", ".dockerignore KEEP.md b d/b.md", nil},
		{"ignored by the Dockerfile's own", []string{"i/.dockerignore=*\n", "i/Dockerfile.dockerignore=b\n", "i/a", "i/b"}, "COPY . /", "", ".dockerignore Dockerfile.dockerignore a", nil},
		{"comments and blanks", []string{"i/.dockerignore=# a\n\n b \n", "i/a", "i/b"}, "COPY . /", "", ".dockerignore a", nil},
		{"ignored at any depth", []string{"i/.dockerignore=**/node_modules\n", "i/a/node_modules/x", "i/a/b", "i/node_modules/y"}, "COPY . /", "", ".dockerignore a/b", nil},
		{"a folder with nothing left in it", []string{"i/.dockerignore=d/*\n**/*.md\n", "i/d/x/y", "i/e/f/a.md", "i/e/b", "i/g/h/c.md"}, "COPY . /", "", ".dockerignore d/ e/b e/f/ g/h/", nil},
		{"only such a folder", []string{"i/.dockerignore=d/*\n", "i/d/x"}, "COPY d /", "", "d/", nil},
		{"an ignored folder", []string{"i/.dockerignore=d\n", "i/d/x"}, "COPY d /", "", "", []string{`warning:2:6 context-source COPY reads "d", which is not in i: i/.dockerignore excludes it`}},
		{"an excluded folder", []string{"i/d/a/x", "i/d/b.md"}, "COPY --exclude=a --exclude=*.md d /", "", "d/", nil},
		{"an ignored folder whose only file is excluded", []string{"i/.dockerignore=*\n!d/a/h.sh\n", "i/d/a/h.sh", "i/d/b"}, "COPY --exclude=**/*.sh d /", "", "d/a/", nil},
		{"an ignored source whose only file is excluded", []string{"i/.dockerignore=*\n!d/a/h.sh\n", "i/d/a/h.sh", "i/d/b"}, "COPY --exclude=**/*.sh d/a /", "", "d/a/", nil},
		{"ignored source", []string{"i/.dockerignore=a\n", "i/a"}, "COPY a /", "", "", []string{`warning:2:6 context-source COPY reads "a", which is not in i: i/.dockerignore excludes it`}},
		{"an ignore file that is wrong", []string{"i/.dockerignore=!\n", "i/a"}, "COPY a /", "", "a", []string{`warning:0:0 dockerignore illegal exclusion pattern: "!": `}},
		{"an ignore pattern that is wrong", []string{"i/.dockerignore=a[\n", "i/a"}, "COPY a /", "", "a", []string{`warning:0:0 dockerignore syntax error in pattern: `}},
		{"a link", []string{"i/l -> d/f", "i/d/f", "i/d/g"}, "COPY l /", "", "d/f l", nil},
		{"a link on the way", []string{"i/l -> d", "i/d/f", "i/d/g"}, "COPY l/f /", "", "d/f l", nil},
		{"an absolute link", []string{"i/l -> /d", "i/d/f"}, "COPY l /", "", "d/f l", nil},
		{"links to links", []string{"i/a -> b", "i/b -> c", "i/c"}, "COPY a /", "", "a b c", nil},
		{"links in a circle", []string{"i/a -> b", "i/b -> a"}, "COPY a /", "", "a b", []string{`warning:2:6 context-outside COPY reads "a", whose links go round in a circle: `}},
		{"a link to nowhere", []string{"i/l -> gone"}, "COPY l /", "", "l",
			[]string{`warning:2:6 context-source COPY reads "l", which is not in i: it is a link to something that is not there`}},
		{"a link inside a folder", []string{"i/d/l -> ../e", "i/e", "i/f"}, "COPY d /", "", "d/l e", nil},
		{"a link inside a folder to nowhere", []string{"i/d/l -> /usr/bin/x", "i/d/m -> n"}, "COPY d /", "", "d/l d/m", nil},
		{"a link to its own folder", []string{"i/d/l -> .", "i/d/m -> ..", "i/x"}, "COPY d /", "", "d/l d/m", nil},
		{"a link that leaves the context", []string{"i/l -> ../j/f", "j/f"}, "COPY l /", "", "l",
			[]string{`warning:2:6 context-outside COPY reads "i/l", a link to "../j/f", which lies outside the build context: replace the link by the file, or choose a larger context: in image.yaml`}},
		{"a link inside a folder that leaves", []string{"i/d/l -> ../../j", "i/d/a"}, "COPY d /", "", "d/a d/l",
			[]string{`warning:2:6 context-outside COPY reads "i/d/l", a link to "../../j", which lies outside the build context: replace the link by the file, or choose a larger context: in image.yaml`}},
		{"a submodule", []string{"i/m submodule", "i/a"}, "COPY . /", "", "a m",
			[]string{`warning:2:6 context-submodule COPY reads "i/m", which is a submodule: its files are not in this repository: copy them into it, or exclude the submodule in .dockerignore`}},
		{"a name that is not UTF-8", []string{"i/d/\xff", "i/a"}, "COPY . /", "", "a",
			[]string{`error:2:6 context-name COPY reads "i/d/\xff": a file's name must be UTF-8, without line ends and backslashes: rename it, or exclude it in .dockerignore`}},
		{"a name of two lines", []string{"i/a\nb"}, "COPY . /", "", "",
			[]string{`error:2:6 context-name COPY reads "i/a\nb": a file's name must be UTF-8, without line ends and backslashes: rename it, or exclude it in .dockerignore`}},
		{"a name of two lines that nothing reads", []string{"i/.dockerignore=a*\n", "i/a\nb", "i/c"}, "COPY . /", "", ".dockerignore c", nil},
		{"inside a submodule", []string{"i/m submodule"}, "COPY m/x /", "", "m",
			[]string{`warning:2:6 context-submodule COPY reads "i/m", which is a submodule: its files are not in this repository: copy them into it, or exclude the submodule in .dockerignore`}},
		{"another submodule", []string{"i/m submodule", "i/a"}, "COPY a /", "", "a", nil},
		{"not there", []string{"i/a"}, "COPY b /", "", "", []string{`warning:2:6 context-source COPY reads "b", which is not in i: only files that git tracks can be built: is it committed, or at least not ignored?`}},
		{"ignored again below a folder that is not", []string{"i/.dockerignore=**/x\n!d\n", "i/d/x", "i/d/y"}, "COPY d /", "", "d/y", nil},
		{"a pattern that is not asked about the folder", []string{"i/.dockerignore=a\n!a/b\na\n", "i/a/b", "i/a/c"}, "COPY a /", "", "a/b", []string{`warning:0:0 dockerignore "a/b" is left out by one reading of the patterns and not by the other: BuildKit copies it as an empty file: write the pattern that leaves it out once, behind the one that takes it in`}},
		{"exclude again below a folder that is not", []string{"i/d/e/x", "i/d/e/y"}, "COPY --exclude=**/x --exclude=!e d /", "", "d/e/y", nil},
		{"parents below links", []string{"i/l -> a", "i/a", "i/m -> d", "i/d/x"}, "COPY --parents ./*/./f /", "", "a d/ l m", nil},
		{"parents of a folder of which nothing is left", []string{"i/a", "i/b/b/c"}, "COPY --parents --exclude=?/b/c ./? /", "", "a b/b/", nil},
		{"parents of a file before the pivot", []string{"i/a", "i/d/x"}, "COPY --parents ./*/./f /", "", "a d/", nil},
		{"ignored by git", []string{"i/a"}, "COPY out.bin /", "", "", []string{`warning:2:6 context-source COPY reads "out.bin", which is not in i: git ignores it: commit it with git add -f, or let the Dockerfile make it`}},
		{"elsewhere", []string{"i/a", "shared/s"}, "COPY shared/s /", "", "", []string{`warning:2:6 context-source COPY reads "shared/s", which is not in i: it lies at shared/s in the repository: set context: in image.yaml to reach it`}},
		{"another case", []string{"i/Makefile"}, "COPY makefile /", "", "", []string{`warning:2:6 context-source COPY reads "makefile", which is not in i: did you mean Makefile?`}},
		{"a file as a folder", []string{"i/a"}, "COPY a/b /", "", "", []string{`warning:2:6 context-source COPY reads "a/b", which is not in i: only files that git tracks can be built: is it committed, or at least not ignored?`}},
		{"a mount", []string{"i/a/b", "i/c"}, "RUN --mount=type=bind,source=a,target=/x true", "", "a/b", nil},
		{"an empty context", []string{"j/a"}, "COPY . /", "", "", nil},
		{"odd names", []string{"i/ä ö", "i/-rf", "i/$x"}, "COPY . /", "", "$x -rf ä ö", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, list := resolve(t, "FROM scratch\n"+c.read, Options{})
			if list != nil {
				t.Fatal(messages(list))
			}
			dir := c.dir
			if dir == "" {
				dir = "i"
			}
			s := NewSelector(memory(c.tree...), func(p string) bool { return strings.HasSuffix(p, ".bin") })
			files, list, err := s.Select(t.Context(), Selection{Context: dir, Dockerfile: "i/Dockerfile", Reads: r.Reads, Whole: r.Whole})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range files {
				if f.Mode == model.ModeFolder {
					f.Path += "/"
				}
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.wrong, messages(list)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
		})
	}
}
