package release_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/download"
	"github.com/rootfsgen/rootfsgen/runtime/release"
)

func sha(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }

// published is a release on a server; files are by path.
func published(t *testing.T, files map[string]string) (model.Programs, *download.Client) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, found := files[r.URL.Path]
		if !found {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(content))
	}))
	t.Cleanup(s.Close)
	c, err := download.New(download.Options{Authorities: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})})
	if err != nil {
		t.Fatal(err)
	}
	return model.Programs{Version: "v1.2.3", URL: s.URL + "/mirror/{version}/{program}_{os}_{arch}"}, c
}

func files() map[string]string {
	all := map[string]string{}
	var sums strings.Builder
	for _, program := range model.ProgramNames() {
		for _, arch := range model.ProgramArchs() {
			name := program + "_linux_" + arch
			all["/mirror/v1.2.3/"+name] = "the program " + name
			fmt.Fprintf(&sums, "%s  %s\n", sha("the program "+name), name)
		}
	}
	all["/mirror/v1.2.3/SHA256SUMS"] = sums.String() + "a comment\n"
	return all
}

func TestPin(t *testing.T) {
	t.Parallel()
	p, c := published(t, files())
	got, err := release.Pin(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	want := p
	want.SHA256 = map[string]string{}
	for _, program := range model.ProgramNames() {
		for _, arch := range model.ProgramArchs() {
			want.SHA256[model.ProgramKey(program, arch)] = sha("the program " + program + "_linux_" + arch)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestPinRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(map[string]string)
		want string
	}{
		"a file that is another": {func(f map[string]string) { f["/mirror/v1.2.3/rootfsrun_linux_arm64"] = "evil" }, "is not what was expected"},
		"a file that is missing": {func(f map[string]string) { delete(f, "/mirror/v1.2.3/rootfsgen_linux_amd64") }, "status 404"},
		"no digests":             {func(f map[string]string) { delete(f, "/mirror/v1.2.3/SHA256SUMS") }, "SHA256SUMS: status 404"},
		"digests of others": {func(f map[string]string) {
			f["/mirror/v1.2.3/SHA256SUMS"] = strings.ReplaceAll(f["/mirror/v1.2.3/SHA256SUMS"], "  ", "  dist/")
		}, "SHA256SUMS names no file rootfsgen_linux_amd64"},
	} {
		all := files()
		c.edit(all)
		p, client := published(t, all)
		if _, err := release.Pin(t.Context(), client, p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
