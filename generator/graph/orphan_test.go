package graph

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// ruled is a fleet in which a rule says what the references of a registry mean.
func ruled(images ...model.Image) *model.Fleet {
	f := fleet(images...)
	f.Settings.References = []model.Reference{{Match: `ghcr\.test/team/(?P<name>[^:]+):.+`, Folders: []string{"images/{name}"}}}
	return f
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	version := func(s string) func(*model.Image) { return func(i *model.Image) { i.ComponentVersion = s } }
	for _, c := range []struct {
		name      string
		then, now *model.Fleet
		from      string // of app's FROM
		want      []string
	}{
		{"the same fleet", fleet(image("app"), image("base")), fleet(image("app"), image("base")), "base", nil},
		{"a removed image", fleet(image("app"), image("base")), fleet(image("app")), "base", []string{
			"error images/app/Dockerfile:1:6 parent-removed base is no longer an image of this fleet, and app is still built from it: restore images/base, or change line 1; if the image outside is meant, run rootfsgen lock"}},
		{"a removed image in COPY and in a mount", fleet(image("app"), image("base")), fleet(image("app")), "scratch\nCOPY --from=base / /\nRUN --mount=from=base,target=/b true", []string{
			"error images/app/Dockerfile:2:13 parent-removed base is no longer an image of this fleet, and app is still built from it: restore images/base, or change line 2; if the image outside is meant, run rootfsgen lock",
			"error images/app/Dockerfile:3:18 parent-removed base is no longer an image of this fleet, and app is still built from it: restore images/base, or change line 3; if the image outside is meant, run rootfsgen lock"}},
		{"a removed image that a rule meant, by its registry", ruled(image("app"), image("base")), ruled(image("app")), "ghcr.test/team/base:3", []string{
			"warning images/app/Dockerfile:1:6 parent-removed base is no longer an image of this fleet: app is built from what was published as ghcr.test/team/base:3: restore images/base, or change line 1; if the image outside is meant, run rootfsgen lock"}},
		{"an image that is locked now", fleet(image("app"), image("python", version("3.12"))), fleet(image("app")), "python:3.12", nil},
		{"an image that was outside", fleet(image("app")), fleet(image("app")), "base", nil},
		{"a new tag", fleet(image("app"), image("base")), fleet(image("app"), image("base", version("2"))), "base:1", []string{
			`error images/app/Dockerfile:1:6 parent-removed base has the tag 2 now, so "base:1" would mean docker.io/library/base:1: leave the tag out, or write base:2; if the image outside is meant, run rootfsgen lock`}},
		{"a new tag, and the old one in full", fleet(image("app"), image("base")), fleet(image("app"), image("base", version("2"))), "registry.test/team/testing/base:1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := tree(map[string]string{"app": "FROM " + c.from, "base": "FROM scratch", "python": "FROM scratch"})
			then, _, err := Build(t.Context(), c.then, all, Options{})
			if err != nil {
				t.Fatal(err)
			}
			now, _, err := Build(t.Context(), c.now, all, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(c.want, messages(Orphans(then, now))); d != "" {
				t.Error(d)
			}
		})
	}
}
