package channel_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
)

func TestEveryVersionIsKept(t *testing.T) {
	t.Parallel()
	for name, place := range channeltest.Places() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place(t)
			o := p.Options()
			clock := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
			o.Now = func() time.Time { clock = clock.Add(time.Hour); return clock }
			s := open(t, p.Spec, o)
			if v, err := s.Versions(t.Context(), channel.Prod); err != nil || len(v) != 0 {
				t.Errorf("at first: %v, %v", v, err)
			}
			want := []string{"one\n", "two\n", "three\n", "one\n"}
			for _, doc := range want {
				if _, err := channel.Update(t.Context(), s, channel.Prod, func([]byte) ([]byte, error) { return []byte(doc), nil }); err != nil {
					t.Fatal(err)
				}
				if _, err := channel.Update(t.Context(), s, channel.Testing, func([]byte) ([]byte, error) { return []byte("other " + doc), nil }); err != nil {
					t.Fatal(err)
				}
			}
			versions, err := open(t, p.Spec, o).Versions(t.Context(), channel.Prod)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for n, v := range versions {
				doc, err := s.ReadVersion(t.Context(), channel.Prod, v.ID)
				if err != nil {
					t.Fatal(err)
				}
				got = append([]string{string(doc)}, got...)
				if n > 0 && !v.Time.Before(versions[n-1].Time) {
					t.Errorf("version %s is of %s, the one after it of %s", v.ID, v.Time, versions[n-1].Time)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for _, id := range []string{"", "0", "99", "../x", strings.Repeat("a", 40), "HEAD", "-x"} {
				if doc, err := s.ReadVersion(t.Context(), channel.Prod, id); !errors.Is(err, channel.ErrNoVersion) {
					t.Errorf("version %q is %q, %v", id, doc, err)
				}
			}
		})
	}
}

// TestAVersionThatNeverWasIsNone: a writer that was killed between writing its
// version and replacing the document leaves the version.
func TestAVersionThatNeverWasIsNone(t *testing.T) {
	t.Parallel()
	s3, s3Env := channeltest.S3(t)
	gs, gsEnv := channeltest.GS(t)
	for spec, with := range map[string]struct {
		server *channeltest.Server
		env    map[string]string
		path   string
	}{"s3://fleet": {s3, s3Env, "fleet/" + channel.Prod}, "gs://fleet": {gs, gsEnv, "/upload/"}} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			s := open(t, spec, channel.Options{Getenv: lookup(with.env)})
			write := func(doc string) error {
				_, err := channel.Update(t.Context(), s, channel.Prod, func([]byte) ([]byte, error) { return []byte(doc), nil })
				return err
			}
			if err := write("one\n"); err != nil {
				t.Fatal(err)
			}
			_, version, err := s.Read(t.Context(), channel.Prod)
			if err != nil {
				t.Fatal(err)
			}
			if err := write("two\n"); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(t.Context(), channel.Prod, []byte("late\n"), version); !errors.Is(err, channel.ErrConflict) {
				t.Fatalf("who had seen the first version wrote: %v", err)
			}
			if err := write("three\n"); err != nil {
				t.Fatal(err)
			}
			versions, err := s.Versions(t.Context(), channel.Prod)
			if err != nil || len(versions) != 3 {
				t.Fatalf("%v, %v", versions, err)
			}
			if doc, err := s.ReadVersion(t.Context(), channel.Prod, versions[1].ID); err != nil || string(doc) != "two\n" {
				t.Errorf("before the last it was %q, %v", doc, err)
			}
		})
	}
}

// TestWhatSomebodyElseWroteBecomesAVersion: documents may be older than the
// keeping of versions.
func TestWhatSomebodyElseWroteBecomesAVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, channel.Prod), []byte("by hand\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "file:"+dir, channel.Options{})
	if v, err := s.Versions(t.Context(), channel.Prod); err != nil || len(v) != 1 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := channel.Update(t.Context(), s, channel.Prod, func([]byte) ([]byte, error) { return []byte("two\n"), nil }); err != nil {
		t.Fatal(err)
	}
	v, err := s.Versions(t.Context(), channel.Prod)
	if err != nil || len(v) != 2 {
		t.Fatalf("%v, %v", v, err)
	}
	if doc, err := s.ReadVersion(t.Context(), channel.Prod, v[1].ID); err != nil || string(doc) != "by hand\n" {
		t.Errorf("%q, %v", doc, err)
	}
}

// TestALostAnswerIsNoConflict: the write was carried out, and its answer was
// cut; the second try meets the first.
func TestALostAnswerIsNoConflict(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, http.StatusServiceUnavailable} {
		s3, s3Env := channeltest.S3(t)
		gs, gsEnv := channeltest.GS(t)
		s3.Fail(channeltest.Fault{Method: "PUT", Path: "fleet/" + channel.Prod, Times: 1, Status: status, Late: true})
		gs.Fail(channeltest.Fault{Method: "POST", Times: 2, Status: status, Late: true})
		for spec, env := range map[string]map[string]string{"s3://fleet": s3Env, "gs://fleet": gsEnv} {
			s := open(t, spec, channel.Options{Getenv: lookup(env)})
			if err := s.Write(t.Context(), channel.Prod, []byte("one\n"), ""); err != nil {
				t.Errorf("%s, answering %d: %v", spec, status, err)
			}
			if v, err := s.Versions(t.Context(), channel.Prod); err != nil || len(v) != 1 {
				t.Errorf("%s, answering %d: versions %v, %v", spec, status, v, err)
			}
		}
	}
}

func TestABucketThatFailsIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	s3, s3Env := channeltest.S3(t)
	gs, gsEnv := channeltest.GS(t)
	for spec, with := range map[string]struct {
		server *channeltest.Server
		env    map[string]string
	}{"s3://fleet": {s3, s3Env}, "gs://fleet": {gs, gsEnv}} {
		missing := strings.Replace(spec, "fleet", "missing", 1)
		if _, _, err := open(t, missing, channel.Options{Getenv: lookup(with.env)}).Read(t.Context(), channel.Prod); err == nil || !strings.Contains(err.Error(), "no bucket missing") {
			t.Errorf("%s reads as one without documents: %v", missing, err)
		}
		with.server.Fail(channeltest.Fault{Times: 1, Status: http.StatusForbidden})
		if _, _, err := open(t, spec, channel.Options{Getenv: lookup(with.env)}).Read(t.Context(), channel.Prod); err == nil {
			t.Errorf("%s: a refusal reads as an empty bucket", spec)
		}
		with.server.Fail(channeltest.Fault{Times: 100, Status: http.StatusInternalServerError})
		_, _, err := open(t, spec, channel.Options{Getenv: lookup(with.env)}).Read(t.Context(), channel.Prod)
		var code interface{ ExitCode() int }
		if !errors.As(err, &code) || code.ExitCode() != 75 {
			t.Errorf("%s: a server that fails: %v", spec, err)
		}
	}
}
