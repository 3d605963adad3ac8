package local

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// provided is a scanner whose database says of itself that it has these
// providers, and when their records were captured.
func (w *world) provided(t *testing.T, providers map[string]time.Time) {
	t.Helper()
	var list []map[string]any
	for name, at := range providers {
		list = append(list, map[string]any{"name": name, "version": "1", "processor": "x", "dateCaptured": at.Format(time.RFC3339), "inputDigest": ""})
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "grype")
	text := "#!/bin/sh\nif [ \"$1 $2\" = \"db providers\" ]; then\n  echo '" + string(b) + "'\n  exit 0\nfi\nexec " + w.o.Grype + " \"$@\"\n"
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	w.o.Grype = file
}

// A database is put together from the records of many, each of its own day.
// What nobody has told it, or told it long ago, it does not find.
func TestWhatTheDatabaseWasFed(t *testing.T) {
	t.Parallel()
	db, _ := enginetest.ScanDB(t, built, entries...)
	kind := func(kind, purl string) map[string]any {
		p := deb("thing", "1")
		p["type"], p["purl"] = kind, purl
		return p
	}
	old, future := built.Add(-30*24*time.Hour), built.Add(48*time.Hour)
	for name, c := range map[string]struct {
		packages  []map[string]any
		providers map[string]time.Time
		state     string
		detail    string
	}{
		"a distribution's":       {[]map[string]any{deb("bash", "5")}, map[string]time.Time{"debian": built}, model.ScanFinished, ""},
		"long ago":               {[]map[string]any{deb("bash", "5")}, map[string]time.Time{"debian": old, "github": built}, model.ScanStale, `by the provider "debian" is of 2026-10-21T09:00:00Z, older than 72h0m0s`},
		"tomorrow":               {[]map[string]any{deb("bash", "5")}, map[string]time.Time{"debian": future}, model.ScanFailed, "which is in the future"},
		"another's, long ago":    {[]map[string]any{deb("bash", "5")}, map[string]time.Time{"debian": built, "github": old}, model.ScanFinished, ""},
		"npm without GitHub's":   {[]map[string]any{kind("npm", "pkg:npm/thing@1")}, map[string]time.Time{"debian": built}, model.ScanUnsupported, `nothing by the provider "github"`},
		"Python without":         {[]map[string]any{kind("python", "pkg:pypi/thing@1")}, map[string]time.Time{"nvd": built}, model.ScanUnsupported, `nothing by the provider "github"`},
		"Python with GitHub's":   {[]map[string]any{kind("python", "pkg:pypi/thing@1")}, map[string]time.Time{"github": built}, model.ScanFinished, ""},
		"npm with old ones":      {[]map[string]any{kind("npm", "pkg:npm/thing@1")}, map[string]time.Time{"github": old}, model.ScanStale, `by the provider "github"`},
		"Go without NVD's":       {[]map[string]any{kind("go-module", "pkg:golang/thing@1")}, map[string]time.Time{"github": built}, model.ScanUnsupported, `nothing by the provider "nvd"`},
		"a program without":      {[]map[string]any{kind("binary", "pkg:generic/thing@1")}, map[string]time.Time{"github": built}, model.ScanUnsupported, `nothing by the provider "nvd"`},
		"without a day":          {[]map[string]any{kind("npm", "pkg:npm/thing@1")}, map[string]time.Time{"github": {}}, model.ScanStale, `by the provider "github"`},
		"Debian's and npm's":     {[]map[string]any{deb("bash", "5"), kind("npm", "pkg:npm/thing@1")}, map[string]time.Time{"debian": built, "github": built}, model.ScanFinished, ""},
		"Debian's, npm's is old": {[]map[string]any{deb("bash", "5"), kind("npm", "pkg:npm/thing@1")}, map[string]time.Time{"debian": built, "github": old}, model.ScanStale, `by the provider "github"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, enginetest.Debian12(packages), db)
			w.attach(t, list(t, c.packages...))
			w.provided(t, c.providers)
			if s := w.scan(t); s.State != c.state || !strings.Contains(s.Detail, c.detail) {
				t.Errorf("%s (%s), want %s (%s)", s.State, s.Detail, c.state, c.detail)
			}
		})
	}
}
