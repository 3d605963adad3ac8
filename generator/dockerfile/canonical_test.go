package dockerfile

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A golden file here is part of the key format: when one must change for the
// same Dockerfile, every image of every user is built anew.
func TestCanonical(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/canonical/*.Dockerfile")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, list := resolve(t, string(text), Options{})
			if list.HasErrors() {
				t.Fatal(messages(list))
			}
			got := strings.Join(r.Instructions, "\n") + "\n"
			golden := strings.TrimSuffix(file, ".Dockerfile") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("canonical form (-want +got):\n%s", diff)
			}
		})
	}
}

// What does not change the bytes does not change the form.
func TestCanonicalIgnoresLayout(t *testing.T) {
	t.Parallel()
	instructions := func(text string) []string {
		r, _ := resolve(t, text, Options{})
		return r.Instructions
	}
	want := instructions("FROM base AS b\nRUN a b\nCOPY x y /z\nENV A=1\n")
	for name, text := range map[string]string{
		"comments":      "# c\nFROM base AS b\n# d\nRUN a b\n\n\nCOPY x y /z\n  # e\nENV A=1",
		"line ends":     "FROM base AS b\r\nRUN a b\r\nCOPY x y /z\r\nENV A=1\r\n",
		"blanks":        "FROM   base  AS b\n  RUN   a b\nCOPY\tx   y /z  \nENV   A=1\n",
		"continuations": "FROM \\\nbase AS b\nRUN a \\\nb\nCOPY x \\\n# c\n y /z\nENV A=1\n",
		"case":          "from base as b\nrun a b\ncopy x y /z\nenv A=1\n",
		"old ENV":       "FROM base AS b\nRUN a b\nCOPY x y /z\nENV A 1\n",
		"other stages":  "FROM base AS b\nRUN a b\nCOPY x y /z\nENV A=1\nFROM c AS d\nRUN no\n",
		"a mark":        "\xef\xbb\xbfFROM base AS b\nRUN a b\nCOPY x y /z\nENV A=1\n",
	} {
		o := Options{}
		if name == "other stages" {
			o.Stage = "b"
		}
		r, list := resolve(t, text, o)
		if len(list) > 0 {
			t.Errorf("%s: %q", name, messages(list))
		}
		if diff := cmp.Diff(want, r.Instructions); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, text := range map[string]string{
		"a flag":   "FROM base AS b\nRUN a b\nCOPY --link x y /z\nENV A=1\n",
		"an order": "FROM base AS b\nCOPY x y /z\nRUN a b\nENV A=1\n",
		"a word":   "FROM base AS b\nRUN a c\nCOPY x y /z\nENV A=1\n",
		"json":     "FROM base AS b\nRUN [\"a\", \"b\"]\nCOPY x y /z\nENV A=1\n",
		"a join":   "FROM base AS b\nRUN a b\nCOPY [\"x y\", \"/z\"]\nENV A=1\n",
	} {
		if cmp.Equal(want, instructions(text)) {
			t.Errorf("%s does not show", name)
		}
	}
}

// Where the history of an image shows them, layout and stages count.
func TestCanonicalShowsWhatTheHistoryShows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b string }{
		{"FROM x\nCOPY a /\n", "FROM x\nCOPY  a /\n"},
		{"FROM x AS y\nFROM y\nRUN a\n", "FROM scratch\nFROM x AS y\nFROM y\nRUN a\n"},
		{"FROM x AS y\nFROM y\nRUN a\n", "FROM x AS y\nFROM y\nRUN \\\n# b\n  a\n"},
		{"FROM scratch\nFROM y AS x\nFROM x\nWORKDIR a\n", "FROM scratch\nFROM y AS x\nFROM x\nWORKDIR  a\n"},
	} {
		instructions := func(text, context string) string {
			f, list := Parse("Dockerfile", []byte(text))
			if len(list) > 0 {
				t.Fatal(list)
			}
			r, _ := f.Resolve(Options{Platform: model.LinuxAMD64, Contexts: map[string]string{"x": context}})
			return strings.Join(r.Instructions, "\n")
		}
		if instructions(c.a, "/folder") == instructions(c.b, "/folder") {
			t.Errorf("the same of a folder:\n%s\n%s", c.a, c.b)
		}
		if a, b := instructions(c.a, "image:1"), instructions(c.b, "image:1"); a != b {
			t.Errorf("not the same of an image:\n%s\n%s", a, b)
		}
	}
}

func TestQuotedIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "AS", "json", "a b", `"a"`, `a\`, "\xff", "�", "<<", "("}))
		a, b := words.Draw(t, "a"), words.Draw(t, "b")
		if a != b && quoted(a) == quoted(b) {
			t.Fatalf("%q and %q are both %s", a, b, quoted(a))
		}
		if strings.ContainsAny(quoted(a), " \n") && quoted(a)[0] != '"' {
			t.Fatalf("%q is not one word", quoted(a))
		}
	})
}
