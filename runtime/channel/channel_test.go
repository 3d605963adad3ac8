package channel_test

import (
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
)

// lookup reads variables as a program does.
func lookup(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func open(t *testing.T, spec string, o channel.Options) channel.Store {
	t.Helper()
	s, err := channel.Open(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestADocumentIsReplacedOnlyByWhoHasSeenIt(t *testing.T) {
	t.Parallel()
	for name, place := range channeltest.Places() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place(t)
			s := p.Open(t)
			ctx := t.Context()
			doc, version, err := s.Read(ctx, channel.Testing)
			if err != nil || doc != nil || version != "" {
				t.Fatalf("at first: %q, %q, %v", doc, version, err)
			}
			if err := s.Write(ctx, channel.Testing, []byte("one\n"), ""); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(ctx, channel.Testing, []byte("two\n"), ""); !errors.Is(err, channel.ErrConflict) {
				t.Errorf("the first version again: %v", err)
			}
			doc, version, err = p.Open(t).Read(ctx, channel.Testing)
			if err != nil || string(doc) != "one\n" {
				t.Fatalf("%q, %v", doc, err)
			}
			// Another document of the store is no conflict.
			if err := s.Write(ctx, channel.Prod, []byte("prod\n"), ""); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(ctx, channel.Testing, []byte("three\n"), version); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{channel.Testing: "three\n", channel.Prod: "prod\n"} {
				if doc, _, err := s.Read(ctx, name); err != nil || string(doc) != want {
					t.Errorf("%s is %q, %v", name, doc, err)
				}
			}
		})
	}
}

func TestGitLeavesTheRepositoryAlone(t *testing.T) {
	t.Parallel()
	r, origin := channeltest.Clone(t)
	r.Write(map[string]string{"a": "not committed", "b": "new"})
	before := r.Git("for-each-ref", "refs/heads", "refs/tags") + r.Git("status", "--porcelain", "--branch") + r.Git("config", "--local", "--list")
	s := open(t, "git", channel.Options{Dir: r.Dir})
	for _, doc := range []string{"one", "two"} {
		if _, err := channel.Update(t.Context(), s, channel.Testing, func([]byte) ([]byte, error) { return []byte(doc), nil }); err != nil {
			t.Fatal(err)
		}
	}
	if after := r.Git("for-each-ref", "refs/heads", "refs/tags") + r.Git("status", "--porcelain", "--branch") + r.Git("config", "--local", "--list"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if _, err := os.Stat(filepath.Join(r.Dir, ".git", "FETCH_HEAD")); err == nil {
		t.Error("FETCH_HEAD was written")
	}
	// Another clone reads it, from a folder of the repository, and every version stays.
	other := gittest.At(t, t.TempDir())
	other.Git("clone", "-q", "--single-branch", "--branch", "main", origin, ".")
	sub := filepath.Join(other.Dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	doc, _, err := open(t, "git", channel.Options{Dir: sub}).Read(t.Context(), channel.Testing)
	if err != nil || string(doc) != "two" {
		t.Errorf("%q, %v", doc, err)
	}
	if got := gittest.At(t, origin).Git("show", "rootfsgen/channels~1:"+channel.Testing); got != "one" {
		t.Errorf("the version before is %q", got)
	}
}

func TestTheTokenTravelsInTheEnvironment(t *testing.T) {
	t.Parallel()
	_, origin := channeltest.Clone(t)
	gittest.At(t, origin).Git("config", "http.receivepack", "true")
	execPath := gittest.At(t, origin).Git("--exec-path")
	backend := &cgi.Handler{
		Path: filepath.Join(execPath, "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + filepath.Dir(origin), "GIT_HTTP_EXPORT_ALL=1"},
	}
	var mu sync.Mutex
	refused, traced := 0, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || user != "robot" || password != "hunter2-token" || len(r.Header.Values("Authorization")) != 1 {
			mu.Lock()
			refused++
			mu.Unlock()
			w.Header().Set("WWW-Authenticate", "Basic realm=test")
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		mu.Lock()
		traced = traced || r.UserAgent() == "kept"
		mu.Unlock()
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	r.Git("remote", "add", "origin", server.URL+"/origin.git")
	r.Git("config", "http."+server.URL+"/.extraheader", "Authorization: Basic bGVmdDpvdmVy") // as a checkout leaves it
	s := open(t, "git", channel.Options{
		Dir: r.Dir, Token: "hunter2-token", User: "robot",
		Env: []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.userAgent", "GIT_CONFIG_VALUE_0=kept"},
	})
	if _, err := channel.Update(t.Context(), s, channel.Testing, func([]byte) ([]byte, error) { return []byte("{}"), nil }); err != nil {
		t.Fatal(err)
	}
	if refused != 0 {
		t.Errorf("%d requests came without the token, or with two", refused)
	}
	if !traced {
		t.Error("a setting of the surroundings was lost")
	}
	wrong := open(t, "git", channel.Options{Dir: r.Dir, Token: "hunter3-token", User: "robot"})
	if _, _, err := wrong.Read(t.Context(), channel.Testing); err == nil || strings.Contains(err.Error(), "hunter3") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestTheBranchThatIsWorkedOnIsRefused(t *testing.T) {
	t.Parallel()
	r, _ := channeltest.Clone(t)
	before := r.Git("rev-parse", "main", "origin/main")
	err := open(t, "git:main", channel.Options{Dir: r.Dir}).Write(t.Context(), channel.Testing, []byte("{}"), "")
	if err == nil || !strings.Contains(err.Error(), "branch of their own") {
		t.Errorf("got %v", err)
	}
	if after := r.Git("rev-parse", "main", "origin/main"); after != before {
		t.Errorf("the branch moved from %s to %s", before, after)
	}
}

func TestWhatIsNoStoreIsRefused(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"", "file", "file:", "s3:bucket", "s3://", "s3://UPPER/x", "s3://bucket/../x", "gs://b/x y", "gs:bucket", "git:-x", "git:a..b", "git:a b", "git:x.lock", "git:/x"} {
		if s, err := channel.Open(spec, channel.Options{Dir: t.TempDir()}); err == nil {
			t.Errorf("%q is %v", spec, s)
		}
	}
	s := open(t, "file:x", channel.Options{Dir: t.TempDir()})
	for _, name := range []string{"", "../x.json", "/x.json", "x", ".json", "a/b.json"} {
		if err := s.Write(t.Context(), name, nil, ""); err == nil {
			t.Errorf("%q was written", name)
		}
		if _, _, err := s.Read(t.Context(), name); err == nil {
			t.Errorf("%q was read", name)
		}
	}
}

func TestAnUnreachableOriginIsNotAnEmptyOne(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	r.Git("remote", "add", "origin", filepath.Join(r.Dir, "gone.git"))
	if _, _, err := open(t, "git", channel.Options{Dir: r.Dir}).Read(t.Context(), channel.Testing); err == nil {
		t.Error("a remote that is gone reads as one without documents")
	}
}

func TestAProposalIsABranchOnTopOfTheDocuments(t *testing.T) {
	t.Parallel()
	r, origin := channeltest.Clone(t)
	s, isGit := open(t, "git:state/channels", channel.Options{Dir: r.Dir}).(*channel.Git)
	if !isGit {
		t.Fatal("no branch")
	}
	if _, err := s.Propose(t.Context(), channel.Prod, []byte("one\n"), "", "offer/promote"); err == nil {
		t.Error("there was nothing to propose a change of")
	}
	for _, doc := range []string{"zero\n", "one\n"} {
		if _, err := channel.Update(t.Context(), s, channel.Prod, func([]byte) ([]byte, error) { return []byte(doc), nil }); err != nil {
			t.Fatal(err)
		}
	}
	_, version, err := s.Read(t.Context(), channel.Prod)
	if err != nil {
		t.Fatal(err)
	}
	at := gittest.At(t, origin)
	var last string
	for _, doc := range []string{"two\n", "two\n", "three\n"} {
		base, err := s.Propose(t.Context(), channel.Prod, []byte(doc), version, "offer/promote")
		if err != nil || base != "state/channels" {
			t.Fatalf("%s, %v", base, err)
		}
		head := at.Git("rev-parse", "offer/promote")
		if (doc == "two\n" && last != "") != (head == last) {
			t.Errorf("%q: the branch went from %s to %s", doc, last, head)
		}
		last = head
	}
	if got := at.Git("show", "offer/promote:"+channel.Prod) + at.Git("rev-parse", "offer/promote~1"); got != "three"+at.Git("rev-parse", "state/channels") {
		t.Errorf("the branch has %s", got)
	}
	if _, err := s.Propose(t.Context(), channel.Prod, []byte("four\n"), "sha256:old", "offer/promote"); !errors.Is(err, channel.ErrConflict) {
		t.Errorf("got %v", err)
	}
	// Merging it is the promotion.
	at.Git("update-ref", "refs/heads/state/channels", last)
	if doc, _, err := s.Read(t.Context(), channel.Prod); err != nil || string(doc) != "three\n" {
		t.Errorf("%q, %v", doc, err)
	}
}

// TestWhatElseLiesOnTheBranchStays puts a pipeline beside the documents: it is
// there after each write, and starts for prod's document only.
func TestWhatElseLiesOnTheBranchStays(t *testing.T) {
	t.Parallel()
	work, origin := channeltest.Clone(t)
	other := gittest.New(t)
	other.Commit(map[string]string{".github/workflows/merged.yml": "on: push", ".gitlab-ci.yml": "include: []"})
	other.Git("push", "-q", origin, "HEAD:refs/heads/rootfsgen/channels")
	s, err := channel.Open("git", channel.Options{Dir: work.Dir})
	if err != nil {
		t.Fatal(err)
	}
	at := gittest.At(t, origin)
	for name, silent := range map[string]bool{channel.Testing: true, channel.Prod: false} {
		if err := s.Write(t.Context(), name, []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		if text := at.Git("log", "-1", "--format=%B", "rootfsgen/channels"); strings.Contains(text, "[skip ci]") != silent {
			t.Errorf("%s was committed as %q", name, text)
		}
		for file, want := range map[string]string{".github/workflows/merged.yml": "on: push", ".gitlab-ci.yml": "include: []"} {
			if got := at.Git("show", "rootfsgen/channels:"+file); got != want {
				t.Errorf("after %s, %s is %q", name, file, got)
			}
		}
	}
}
