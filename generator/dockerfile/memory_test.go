package dockerfile

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestRememberedIsParsed reads files instruction by instruction, and as a
// whole: it must be the same.
func TestRememberedIsParsed(t *testing.T) {
	t.Parallel()
	remembering, split := NewParser(), 0
	parts := []string{
		"FROM scratch\n", "FROM a AS b\n", "  RUN x \\\n  && y\n", "RUN a \\\n# comment\n  b\n", "RUN a \\\n\n  b\n", "RUN a \\ \n\t\\\n b", "RUN a\\\\\n", "# a comment\n", "#escape=`\n",
		"# syntax=x\n", "COPY <<EOF /a\nFROM b\nEOF\n", "CMD [\"a\", \"b\"]\n", "ENV a=b c=\"d e\"\n", "LABEL x=\\\"y\n", "ONBUILD RUN x\n", "\n", " \t\n", "BROKEN\n", "ARG\n", "RUN \\", "RUN x\r\n", "\\\n",
		"\u00a0FROM x\n", "FROM\u2003x\n", "HEALTHCHECK --interval=1s CMD x\n", "COPY --from=a --chown=1:1 b c\n", "RUN --mount=type=bind,target=/x true", "ENV a b  c \\\n  d\n", "run echo \"a\\\nb\"\n", "", " # indented\n",
		"// syntax=y\n", "#!shebang\n", "\ufeffFROM x\n", "EXPOSE 1 2\\\n 3\n", "RUN <file\n", "ARG a=1 b=2\\",
	}
	rapid.Check(t, func(t *rapid.T) {
		files := make([][]byte, rapid.IntRange(1, 4).Draw(t, "files"))
		for i := range files {
			files[i] = []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8).Draw(t, "file"), ""))
		}
		p := NewParser()
		if rapid.Bool().Draw(t, "remembering") {
			p = remembering
		}
		for i, known := range p.trees(files) {
			sameTree(t, files[i], func(data []byte) (tree, error) {
				if len(known.statements) == 0 {
					return p.tree(data)
				}
				return known, nil
			}, &split)
		}
		for i, f := range p.ParseAll(files) {
			sameMeaning(t, files[i], f)
		}
	})
	if split == 0 {
		t.Error("no file was read by its instructions")
	}
}

// FuzzRemembered is the same for any bytes.
func FuzzRemembered(f *testing.F) {
	for _, s := range []string{"FROM a\nRUN b \\\n c\n", "#x\nFROM a", "FROM a\\\n\n#c\nb"} {
		f.Add([]byte(s))
	}
	remembering, split := NewParser(), 0
	f.Fuzz(func(t *testing.T, data []byte) {
		sameTree(t, data, remembering.tree, &split)
		sameMeaning(t, data, remembering.ParseAll([][]byte{data})[0])
	})
}

// sameMeaning compares what instructions that were remembered come to with
// what they do in a file that is read by itself.
func sameMeaning(t interface{ Errorf(string, ...any) }, data []byte, remembered *File) {
	alone, list := Parse("", data)
	if remembered == nil || len(list) > 0 {
		if remembered != nil {
			t.Errorf("%q: it has mistakes that were not found: %s", data, list)
		}
		return
	}
	for range 2 {
		want, wantList := alone.Resolve(Options{Platform: model.LinuxAMD64})
		got, list := remembered.Resolve(Options{Platform: model.LinuxAMD64})
		if !reflect.DeepEqual(got, want) || !slices.Equal(list, wantList) {
			t.Errorf("%q comes to %+v, %s, want %+v, %s", data, got, list, want, wantList)
		}
	}
}

func sameTree(t interface{ Errorf(string, ...any) }, data []byte, read func([]byte) (tree, error), split *int) {
	want, wantErr := parseTree(data)
	got, err := read(data)
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Errorf("%q: error %v, want %v", data, err, wantErr)
	}
	if err != nil || wantErr != nil {
		return
	}
	if got.escape != want.EscapeToken || len(got.statements) != len(want.AST.Children) {
		t.Errorf("%q: %v, want %s", data, got.statements, want.AST.Dump())
		return
	}
	if len(got.memos) > 0 {
		*split++
	}
	for i, n := range want.AST.Children {
		placed := got.statements[i]
		one, other := *n, *placed.Node
		other.StartLine, other.EndLine = placed.StartLine, placed.EndLine
		one.PrevComment, other.PrevComment = nil, nil // of linters
		if diff := cmp.Diff(one, other, cmp.AllowUnexported(parser.Node{})); diff != "" {
			t.Errorf("%q (-parsed +remembered):\n%s", data, diff)
		}
	}
	name, _, at, found := parser.DetectSyntax(data)
	if have, line := syntaxOf(data); found && (have != name || line != at[0].Start.Line) || !found && have != "" {
		t.Errorf("%q: syntax %q in line %d, want %q", data, have, line, name)
	}
}
