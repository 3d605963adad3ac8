package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// publisher offers one database as grype's publisher does: a listing that names
// an archive and its digest, and the archive beside it.
type publisher struct {
	*httptest.Server
	listing map[string]any
	body    []byte // of the archive
	status  int    // of the listing
	cut     bool   // the listing breaks off
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v6/latest.json":
		b, err := json.Marshal(p.listing)
		if err != nil {
			panic(err) // texts always marshal
		}
		if p.cut {
			b = b[:len(b)/2]
		}
		w.WriteHeader(p.status)
		_, _ = w.Write(b) // the client notices
	case "/v6/db.tar.gz":
		http.ServeContent(w, r, "db.tar.gz", time.Time{}, bytes.NewReader(p.body))
	default:
		http.NotFound(w, r)
	}
}

// publish offers a database of a time.
func publish(t *testing.T, grype string, at time.Time) *publisher {
	t.Helper()
	dir, archive := enginetest.ScanDB(t, at, entries...)
	body, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var status struct {
		Schema string `json:"schemaVersion"`
	}
	if err := (&database{program: grype, dir: dir}).ask(t.Context(), &status, "status"); err != nil || status.Schema == "" {
		t.Fatal(err, status)
	}
	sum := sha256.Sum256(body)
	p := &publisher{body: body, status: http.StatusOK, listing: map[string]any{
		"status": "active", "schemaVersion": status.Schema, "built": at.UTC().Format(time.RFC3339), "path": "db.tar.gz", "checksum": "sha256:" + hex.EncodeToString(sum[:]),
	}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// TestUpdate: a newer database than ours is fetched, and what is not what its
// publisher's listing says is refused, with the one that we have kept.
func TestUpdate(t *testing.T) {
	t.Parallel()
	grype := filepath.Join(enginetest.Bin(t), "grype")
	newer := built.Add(24 * time.Hour)
	for name, c := range map[string]struct {
		change func(*publisher)
		want   time.Time
		wrong  bool
	}{
		"a newer one":                  {func(*publisher) {}, newer, false},
		"one that is no newer":         {func(p *publisher) { p.listing["built"] = built.UTC().Format(time.RFC3339) }, built, false},
		"other bytes than are listed":  {func(p *publisher) { p.body = append(bytes.Clone(p.body), 0) }, built, true},
		"no digest":                    {func(p *publisher) { delete(p.listing, "checksum") }, built, true},
		"a listing that is cut":        {func(p *publisher) { p.cut = true }, built, true},
		"a publisher in trouble":       {func(p *publisher) { p.status = http.StatusInternalServerError }, built, true},
		"nothing listed":               {func(p *publisher) { p.listing = map[string]any{} }, built, true},
		"an archive that is not there": {func(p *publisher) { p.listing["path"] = "other.tar.gz" }, built, true},
		"an archive that is cut": {func(p *publisher) {
			p.body = p.body[:len(p.body)/2]
			sum := sha256.Sum256(p.body)
			p.listing["checksum"] = "sha256:" + hex.EncodeToString(sum[:])
		}, built, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publish(t, grype, newer)
			c.change(p)
			dir, _ := enginetest.ScanDB(t, built, entries...)
			err := Update(t.Context(), grype, dir, p.URL)
			if (err != nil) != c.wrong {
				t.Errorf("got %v, want an error: %v", err, c.wrong)
			}
			if at := Built(t.Context(), grype, dir); !at.Equal(c.want) {
				t.Errorf("the database is of %s, want %s", at, c.want)
			}
		})
	}
}
