package channeltest

import (
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
)

// Place is where documents can be kept.
type Place struct {
	Spec string            // for channel.Open
	Dir  string            // of the repository
	Env  map[string]string // what leads to a server
}

// Options are those to open the place with.
func (p Place) Options() channel.Options {
	return channel.Options{Dir: p.Dir, Getenv: func(name string) string { return p.Env[name] }}
}

// Open opens the place anew.
func (p Place) Open(t testing.TB) channel.Store {
	t.Helper()
	s, err := channel.Open(p.Spec, p.Options())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Places are the kinds of store; each call makes a new one.
func Places() map[string]func(testing.TB) Place {
	return map[string]func(testing.TB) Place{
		"file": func(t testing.TB) Place { return Place{Spec: "file:.cache/channels", Dir: t.TempDir()} },
		"own branch": func(t testing.TB) Place {
			r := gittest.New(t)
			r.Commit(map[string]string{"a": "1"})
			return Place{Spec: "git", Dir: r.Dir}
		},
		"branch of origin": func(t testing.TB) Place {
			r, _ := Clone(t)
			return Place{Spec: "git:state/channels", Dir: r.Dir}
		},
		"S3": func(t testing.TB) Place {
			_, env := S3(t)
			return Place{Spec: "s3://fleet/team/channels", Env: env}
		},
		"Google Cloud Storage": func(t testing.TB) Place {
			_, env := GS(t)
			return Place{Spec: "gs://fleet/team/channels", Env: env}
		},
	}
}

// Clone makes a repository with a bare origin.
func Clone(t testing.TB) (work *gittest.Repo, origin string) {
	t.Helper()
	origin = filepath.Join(t.TempDir(), "origin.git")
	gittest.New(t).Git("init", "-q", "--bare", "-b", "main", origin)
	work = gittest.New(t)
	work.Commit(map[string]string{"a": "1"})
	work.Git("remote", "add", "origin", origin)
	work.Git("push", "-q", "origin", "main")
	return work, origin
}
