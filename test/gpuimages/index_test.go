package gpuimages

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// wheel is a Python package with one module that knows its version.
type wheel struct {
	name, version, module string
	extra, requires       string // an extra, and what it requires
}

func (w wheel) file() string {
	return strings.ReplaceAll(w.name, "-", "_") + "-" + w.version + "-py3-none-any.whl"
}

// archive is the wheel as pip installs it: the module, what it is called, and
// the list of its files with their hashes.
func (w wheel) archive(t *testing.T) []byte {
	t.Helper()
	info := strings.ReplaceAll(w.name, "-", "_") + "-" + w.version + ".dist-info/"
	metadata := fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", w.name, w.version)
	if w.extra != "" {
		metadata += fmt.Sprintf("Provides-Extra: %s\nRequires-Dist: %s ; extra == '%s'\n", w.extra, w.requires, w.extra)
	}
	files := []struct{ name, content string }{
		{w.module + "/__init__.py", fmt.Sprintf("__version__ = %q\n", w.version)},
		{info + "METADATA", metadata},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	var b bytes.Buffer
	var record strings.Builder
	z := zip.NewWriter(&b)
	put := func(name, content string) {
		out, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range files {
		put(f.name, f.content)
		sum := sha256.Sum256([]byte(f.content))
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", f.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.content))
	}
	put(info+"RECORD", record.String()+info+"RECORD,,\n")
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// newIndex serves wheels as PEP 503 has it: a page for each package below
// /simple/ that links to its files with their hashes.
func newIndex(t *testing.T, wheels ...wheel) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	for _, w := range wheels {
		content := w.archive(t)
		page := fmt.Sprintf("<!DOCTYPE html><html><body><a href=\"/files/%s#sha256=%x\">%s</a></body></html>",
			w.file(), sha256.Sum256(content), w.file())
		mux.HandleFunc("GET /simple/"+w.name+"/{$}", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			_, _ = rw.Write([]byte(page))
		})
		mux.HandleFunc("GET /files/"+w.file(), func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(content) })
	}
	return mux
}
