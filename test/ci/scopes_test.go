package ci

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// onlyBase leaves one image of testdata/fleet.
func onlyBase(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path := range filesBelow(t, "testdata/fleet") {
		if strings.HasPrefix(path, "images/") && !strings.HasPrefix(path, "images/base/") {
			files[path] = ""
		}
	}
	return files
}

// job runs one of our programs as a pipeline does, and returns its standard
// output.
func (f *fleet) job(name string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.run(f.Dir, append(slices.Clone(f.env), "CI=true"), name, args...)
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs)
	}
	return out
}

// contents are the content tags of a repository and what they stand for.
func (f *fleet) contents(repo string) map[string]model.Digest {
	f.t.Helper()
	c, name := registry.New(registry.Options{}), f.prefix+"/"+repo
	all := map[string]model.Digest{}
	for _, tag := range f.read(repo).contents {
		d, found, err := c.Resolve(f.t.Context(), name, tag)
		if err != nil || !found {
			f.t.Fatalf("resolving %s:%s: %v, %v", name, tag, found, err)
		}
		all[tag] = d.Digest
	}
	return all
}

// TestRequestCannotReachMain lets a request build what main is about to become,
// in a registry that wants the login of each scope, and then an attacker with
// all that the request's jobs hold put other bytes under the same keys, wherever
// that may write. Main must build for itself.
func TestRequestCannotReachMain(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) forge{"github": onGitHub, "gitlab": onGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := guard(t)
			f := newFleetAt(t, host, "scopes-"+name, onlyBase(t))
			f.logins = map[string]string{}
			for _, scope := range []string{model.ScopePR, model.ScopeTesting} {
				f.logins[model.RegistryAuthOf(scope)] = loginTo(host, scope)
			}
			requestCannotReachMain(f, on(f), host)
		})
	}
}

func requestCannotReachMain(f *fleet, on forge, host string) {
	t, held := f.t, f.observed()
	f.whole("main's first push", on.push(), "manifest")
	held()
	before := f.contents("testing/base")

	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	f.push("feature", map[string]string{"images/base/greeting": "hello from a request\n"})
	theirs := f.proposed(on, main, held)
	if d := cmp.Diff(before, f.contents("testing/base")); d != "" {
		t.Fatalf("a request wrote into testing (-before +after):\n%s", d)
	}
	other := f.planted(host, theirs)

	f.Git("checkout", "-q", "-f", "main")
	f.Git("merge", "-q", "--ff-only", "feature")
	f.push("main", nil)
	person := *f
	person.env = append(slices.Clone(f.env), "DOCKER_AUTH_CONFIG="+loginTo(host, model.ScopeTesting))
	p, err := plan.Decode([]byte(person.job("rootfsgen", "plan", "--format", "json")))
	if err != nil {
		t.Fatal(err)
	}
	if p.ReadPrefix != "" {
		t.Errorf("main reads %s, too", p.ReadPrefix)
	}
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action != model.ActionBuild || theirs[model.ContentTag(e.Key, e.Generation)] == "" {
			t.Errorf("%s: %s, with a key that the request had: %v", e.ID(), e.Action, theirs[model.ContentTag(e.Key, e.Generation)] != "")
		}
	}
	f.whole("main's next push", on.push(), "manifest")
	f.builtForItself(theirs, other)
}

// whole wants the one image of a fleet to have been built and merged, and one
// further job to have run; and no login to be in the log.
func (f *fleet) whole(event string, got results, last string) {
	f.t.Helper()
	for _, job := range []string{"plan", "build base linux/amd64", "build base linux/arm64", "merge base", last} {
		if got.jobs[job] != "success" {
			f.t.Fatalf("%s: %s ended as %q\n%s", event, job, got.jobs[job], got.tail())
		}
	}
	if users := usersIn(strings.Join(got.log, "\n")); len(users) > 0 {
		f.t.Errorf("%s: the log shows the logins of %v", event, users)
	}
}

// proposed runs a request and looks at what its jobs hold: the login of requests,
// though the forge has others. On GitLab these are protected variables, which a
// request's pipeline is not given. It returns what the request built.
func (f *fleet) proposed(on forge, main string, held func() []string) (theirs map[string]model.Digest) {
	f.t.Helper()
	if _, is := on.(gitLab); is {
		all := f.logins
		defer func() { f.logins = all }()
		f.logins = map[string]string{model.RegistryAuthOf(model.ScopePR): all[model.RegistryAuthOf(model.ScopePR)]}
	}
	f.whole("a request", on.request(7, main), "comment")
	if users := usersIn(strings.Join(held(), "\n")); !slices.Equal(users, []string{model.ScopePR}) {
		f.t.Errorf("a request's jobs hold the logins of %v", users)
	}
	if theirs = f.contents("pr/base"); len(theirs) != 2 {
		f.t.Fatalf("the request built %v", theirs)
	}
	return theirs
}

// planted puts other bytes under the request's tags with the request's login,
// which must not be able to do so in testing.
func (f *fleet) planted(host string, theirs map[string]model.Digest) (other model.Digest) {
	f.t.Helper()
	prefix := host + strings.TrimPrefix(f.prefix, enginetest.Services(f.t).Registry)
	c := registry.New(registry.Options{Keychain: user(model.ScopePR), Attempts: 1})
	other, err := c.PushImage(f.t.Context(), prefix+"/pr/base", enginetest.BusyboxImage(f.t, model.LinuxAMD64))
	if err != nil {
		f.t.Fatal(err)
	}
	for tag := range theirs {
		if err := c.MoveTag(f.t.Context(), prefix+"/pr/base", other, tag); err != nil {
			f.t.Fatal(err)
		}
	}
	for tag := range f.contents("testing/base") {
		if err := c.MoveTag(f.t.Context(), prefix+"/testing/base", other, tag); err == nil {
			f.t.Errorf("a request's login moved %s in testing", tag)
		}
	}
	if _, err := c.PushImage(f.t.Context(), prefix+"/testing/base", enginetest.BusyboxImage(f.t, model.LinuxAMD64)); err == nil {
		f.t.Error("a request's login pushed to testing")
	}
	return other
}

// builtForItself looks at what main has under the keys that a request had
// before it.
func (f *fleet) builtForItself(theirs map[string]model.Digest, other model.Digest) {
	f.t.Helper()
	after := f.contents("testing/base")
	for tag, digest := range theirs {
		if after[tag] == "" || after[tag] == other {
			f.t.Errorf("main has %s at %s, the request put %s there", after[tag], tag, other)
		}
		if after[tag] != digest {
			f.t.Errorf("main built %s, the honest request %s: the build is not reproducible", after[tag], digest)
		}
	}
	listed, found := f.channel("manifest.testing.json")
	if !found || len(listed.Images) != 1 || slices.Contains(slices.Collect(maps.Values(listed.Images[0].Platforms)), other) {
		f.t.Errorf("manifest.testing.json: %+v", listed)
	}
}
