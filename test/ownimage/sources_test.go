package ownimage

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

var update = flag.Bool("update", false, "rewrite images/rootfsrun/Dockerfile.dockerignore")

// ignoreFile says which files of the checkout the build sees.
const ignoreFile = "images/rootfsrun/Dockerfile.dockerignore"

// TestSources holds the key's files against those that the compiler reads: the
// image must be built anew when one of them changes, and not for any other.
func TestSources(t *testing.T) {
	t.Parallel()
	root := enginetest.Root(t)
	files := sources(t, root)
	if *update {
		if err := os.WriteFile(filepath.Join(root, ignoreFile), ignoring(files), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		var keys []struct{ Form string }
		out, err := tool.Command{
			Name: filepath.Join(enginetest.Programs(t), "rootfsgen"), Dir: root,
			Args: []string{"key", "rootfsrun", "--to", "worktree", "--platform", platform, "--explain", "--json"},
		}.Output(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &keys); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var read []string
		for line := range strings.SplitSeq(keys[0].Form, "\n") {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "file" {
				read = append(read, f[1])
			}
		}
		if diff := cmp.Diff(files, read); diff != "" {
			t.Errorf("%s is not what rootfsrun is made of for %s; rewrite it with -update (-made of +read):\n%s", ignoreFile, platform, diff)
		}
	}
}

// TestToolchain holds the compiler of the Dockerfile against go.mod.
func TestToolchain(t *testing.T) {
	t.Parallel()
	root := enginetest.Root(t)
	version, err := tool.Command{Name: "go", Dir: root, Args: []string{"list", "-m", "-f", "{{.GoVersion}}"}, Env: goEnv()}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(root, "images/rootfsrun/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "/v0.0.1-go" + strings.TrimSpace(string(version)) + ".linux-amd64.zip"; !strings.Contains(string(file), want) {
		t.Errorf("images/rootfsrun/Dockerfile does not fetch %s, the version of go.mod; its SHA-256 changes with it", want)
	}
}

// sources are the files of the module that rootfsrun is made of on Linux,
// sorted, by their paths in the repository.
func sources(t *testing.T, root string) []string {
	t.Helper()
	files := []string{"go.mod", "go.sum"}
	const format = `{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}{{end}}`
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := tool.Command{
			Name: "go", Dir: root, Args: []string{"list", "-deps", "-f", format, "./cmd/rootfsrun"}, Env: append(goEnv(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0"),
		}.Output(context.WithoutCancel(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for file := range strings.FieldsSeq(string(out)) {
			rel, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, rel)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// ignoring is the file that leaves only these to the build.
func ignoring(files []string) []byte {
	var b bytes.Buffer
	b.WriteString("# What rootfsrun is made of on Linux, and nothing else of the checkout: \"go test\n" +
		"# ./test/ownimage -run TestSources -update\" writes it.\n*\n")
	var lines []string
	for _, f := range files {
		if strings.HasSuffix(f, ".go") {
			f = filepath.Dir(f) + "/*.go"
		}
		lines = append(lines, "!"+f+"\n")
	}
	slices.Sort(lines)
	for _, l := range slices.Compact(lines) {
		b.WriteString(l)
	}
	b.WriteString("**/*_test.go\n**/*_other.go\n")
	return b.Bytes()
}

// goEnv is what the machine's Go is told, beside what every program is.
func goEnv() []string {
	var env []string
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GO") {
			env = append(env, v)
		}
	}
	return env
}
