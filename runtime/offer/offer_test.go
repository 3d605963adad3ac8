package offer_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
	"github.com/rootfsgen/rootfsgen/runtime/offer"
)

const branch = "rootfsgen/lock"

// desk is a repository, what the forge has of it, and what was requested.
type desk struct {
	*gittest.Repo
	t        *testing.T
	origin   string
	requests []forge.Request
	refuse   error
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, Repo: gittest.New(t), origin: filepath.Join(t.TempDir(), "origin.git")}
	d.Git("init", "-q", "--bare", "-b", "main", d.origin)
	d.Git("remote", "add", "origin", "file://"+d.origin)
	d.main(map[string]string{"images.lock": "one\n", "README.md": "hello\n"})
	return d
}

// main commits files on the default branch, as somebody who merged them.
func (d *desk) main(files map[string]string) {
	d.t.Helper()
	d.Commit(files)
	d.Git("push", "-q", "origin", "HEAD:refs/heads/main")
}

func (d *desk) UpsertRequest(_ context.Context, r forge.Request) (string, error) {
	if d.refuse != nil {
		return "", d.refuse
	}
	d.requests = append(d.requests, r)
	return "https://forge.example.com/1", nil
}

func (d *desk) offer() (offer.Result, error) {
	d.t.Helper()
	return offer.Offer{
		Remote: gitremote.Remote{Dir: d.Dir}, Requests: d, Branch: branch, Base: "main",
		Paths: []string{"images.lock"}, Title: "Update images.lock", Body: "what moved",
	}.Make(d.t.Context())
}

func (d *desk) must() offer.Result {
	d.t.Helper()
	r, err := d.offer()
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// tip is the branch as the forge has it, empty where there is none.
func (d *desk) tip() string {
	d.t.Helper()
	commit, _, _ := strings.Cut(d.Git("ls-remote", "origin", "refs/heads/"+branch), "\t")
	return commit
}

// offered checks that the branch is one commit on top of the default branch,
// which changes the lock and nothing else.
func (d *desk) offered(content string) {
	d.t.Helper()
	d.Git("fetch", "-q", "origin", "+refs/heads/"+branch+":refs/seen")
	if parent, head := d.Git("rev-parse", "refs/seen^"), d.Git("rev-parse", "main"); parent != head {
		d.t.Errorf("the branch stands on %s, the default branch is %s", parent, head)
	}
	if got := d.Git("diff", "--name-only", "main", "refs/seen"); got != "images.lock" {
		d.t.Errorf("the branch changes %q", got)
	}
	if got := d.Git("show", "refs/seen:images.lock"); got != content {
		d.t.Errorf("the branch offers %q, want %q", got, content)
	}
}

// TestOffer follows one lock through its days.
func TestOffer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if d.must(); len(d.requests) > 0 || d.tip() != "" {
		t.Fatalf("something was offered though nothing differs: %v", d.requests)
	}

	d.Write(map[string]string{"images.lock": "two\n", "README.md": "an edit that nobody offers\n"})
	status := d.Git("status", "--porcelain")
	if r := d.must(); !r.Changed || !r.Pushed || r.Request != "https://forge.example.com/1" {
		t.Fatalf("%+v", r)
	}
	d.offered("two")
	want := []forge.Request{{Branch: branch, Base: "main", Title: "Update images.lock", Body: "what moved"}}
	if diff := cmp.Diff(want, d.requests); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if now := d.Git("status", "--porcelain"); now != status {
		t.Errorf("the work tree was touched:\n%s", now)
	}

	first := d.tip()
	if r := d.must(); r.Pushed || d.tip() != first {
		t.Errorf("the same was pushed again: %+v", r)
	}

	d.Git("checkout", "-q", "README.md")
	d.Git("stash", "-q")
	d.main(map[string]string{"README.md": "the default branch goes on\n"})
	d.Git("stash", "pop", "-q")
	if r := d.must(); r.Pushed || d.tip() != first {
		t.Errorf("the same was pushed again because the default branch moved elsewhere: %+v", r)
	}

	d.Write(map[string]string{"images.lock": "three\n"})
	if r := d.must(); !r.Pushed {
		t.Errorf("what moved once more was not pushed: %+v", r)
	}
	d.offered("three")

	d.Git("checkout", "-q", "images.lock")
	d.main(map[string]string{"images.lock": "somebody locked this\n"})
	d.Write(map[string]string{"images.lock": "three\n"})
	if r := d.must(); !r.Pushed {
		t.Errorf("the branch would conflict, and was left so: %+v", r)
	}
	d.offered("three")

	d.main(nil) // merged
	made := len(d.requests)
	if r := d.must(); r.Changed || len(d.requests) != made {
		t.Errorf("something was offered after it was merged: %+v", r)
	}
}

// TestOfferSparesWork leaves a branch alone on which somebody works.
func TestOfferSparesWork(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Write(map[string]string{"images.lock": "two\n"})
	d.must()
	d.Git("fetch", "-q", "origin", branch)
	d.Git("checkout", "-q", "-f", "-b", "theirs", "FETCH_HEAD")
	d.Commit(map[string]string{"README.md": "what the new base needs\n"})
	d.Git("push", "-q", "origin", "HEAD:refs/heads/"+branch)
	tip, made := d.tip(), len(d.requests)
	d.Git("checkout", "-q", "main")
	d.Write(map[string]string{"images.lock": "three\n"})
	if r := d.must(); r.Kept == "" || r.Pushed || d.tip() != tip || len(d.requests) != made {
		t.Errorf("somebody's commit was pushed over, or its request was changed: %+v", r)
	}
}

// TestOfferAfterACrash opens the request of a branch that was pushed by a run
// that ended before it could.
func TestOfferAfterACrash(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Write(map[string]string{"images.lock": "two\n"})
	d.refuse = errors.New("the machine is gone")
	if _, err := d.offer(); !errors.Is(err, d.refuse) {
		t.Fatal(err)
	}
	d.refuse = nil
	if r := d.must(); r.Pushed || r.Request == "" || len(d.requests) != 1 {
		t.Errorf("%+v %v", r, d.requests)
	}
}

// TestOfferFromShallowClone does what a job's checkout allows, which has one
// commit. A whole clone stays whole.
func TestOfferFromShallowClone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.main(map[string]string{"README.md": "more history\n"})
	d.Write(map[string]string{"images.lock": "two\n"})
	d.must()
	if d.must(); d.Git("rev-parse", "--is-shallow-repository") != "false" || d.Git("rev-list", "--count", "main") != "2" {
		t.Error("a whole clone lost its history")
	}
	tip := d.tip()
	clone := *d
	clone.Repo = gittest.At(t, filepath.Join(t.TempDir(), "clone"))
	d.Git("clone", "-q", "--depth=1", "file://"+d.origin, clone.Dir)
	clone.Write(map[string]string{"images.lock": "two\n"})
	if r := clone.must(); r.Pushed || d.tip() != tip {
		t.Errorf("a shallow clone did not see what is offered: %+v", r)
	}
	clone.Write(map[string]string{"images.lock": "three\n"})
	if r := clone.must(); !r.Pushed {
		t.Errorf("a shallow clone did not push what moved: %+v", r)
	}
	d.offered("three")
}

func TestOfferWithoutARemote(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Git("remote", "remove", "origin")
	d.Write(map[string]string{"images.lock": "two\n"})
	if _, err := d.offer(); err == nil || len(d.requests) > 0 {
		t.Errorf("offered to nobody: %v", err)
	}
}
