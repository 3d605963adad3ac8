package graph

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/distribution/reference"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// meanings loads a fleet and says what references mean in it.
func meanings(t *testing.T, config string, files []string, links map[string]string, refs []string) []string {
	t.Helper()
	tree := map[string]history.File{"rootfsgen.yaml": {Content: "version: 1\n" + config}}
	for _, f := range files {
		tree[f] = history.File{Content: "FROM scratch\n"}
	}
	for from, to := range links {
		tree[from] = history.File{Mode: model.ModeSymlink, Content: to}
	}
	m := history.MemoryFiles(tree)
	fleet, list, err := source.Load(t.Context(), m, source.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	n := newNames(fleet, m)
	var out []string
	for _, written := range refs {
		named, err := reference.ParseNormalizedNamed(written)
		if err != nil {
			t.Fatal(err)
		}
		meant := n.find(dockerfile.Ref{Name: written, Named: named})
		switch {
		case meant.image != nil:
			out = append(out, written+" = "+meant.image.Node().Node()+" "+meant.image.Dockerfile)
		case meant.unknown != "":
			out = append(out, written+" ? "+meant.unknown+" ("+meant.hint+")")
		default:
			out = append(out, strings.TrimSpace(written+" outside "+meant.note))
		}
	}
	return out
}

func TestMeanings(t *testing.T) {
	t.Parallel()
	php := []string{"docker/php-official/8.1/Dockerfile", "docker/php-official/8.2/Dockerfile", "docker/base/latest/Dockerfile", "docker/base/1/Dockerfile", "docker/tool/7/Dockerfile"}
	camel := []string{"Base/Dockerfile", "NodeBase/Dockerfile", "charts/notes.txt"}
	for _, tt := range []struct {
		name   string
		config string
		files  []string
		links  map[string]string
		want   []string // "reference = node" or "reference outside why"
	}{
		{
			name:   "name and tag, and links",
			config: "images: [{root: docker, pattern: \"{name}/{tag}\"}]\nrepositories: [acme]\n", files: php,
			links: map[string]string{"docker/php/8.1": "../php-official/8.1", "docker/php/8": "8.1", "docker/fpm": "php-official"},
			want: []string{
				"acme/php-official:8.1 = php-official:8.1 docker/php-official/8.1/Dockerfile",
				"acme/php:8.1 = php-official:8.1 docker/php-official/8.1/Dockerfile",
				"acme/php:8 = php-official:8.1 docker/php-official/8.1/Dockerfile",
				"docker.io/acme/fpm:8.2 = php-official:8.2 docker/php-official/8.2/Dockerfile",
				"acme/php:7.4 outside php has no tag 7.4 in this fleet, only 8, 8.1",
				"acme/php = php-official:8.1 docker/php-official/8.1/Dockerfile",
				"acme/base = base:latest docker/base/latest/Dockerfile",
				"acme/base:1 = base:1 docker/base/1/Dockerfile",
				"acme/tool = tool:7 docker/tool/7/Dockerfile",
				"acme/tool:latest = tool:7 docker/tool/7/Dockerfile",
				"acme/fmp:8.2 ? \"acme/fmp:8.2\" is not an image of this fleet (did you mean acme/fpm?)",
				"php-official:8.1 outside",
				"tool outside",
			},
		},
		{
			name: "a table of names", files: camel,
			config: "images: [{root: \".\", pattern: \"{name}\", exclude: [charts]}]\nrepositories: []\nreferences:\n" +
				"  - {match: 'selenium/old:.*'}\n" +
				"  - {match: 'selenium/(?P<name>[^:/]+):.+', folder: \"{name}\", map: {name: {base: Base, node-base: NodeBase, chart: charts}}}\n",
			want: []string{
				"selenium/base:4.0 = base:0 Base/Dockerfile",
				"selenium/base = base:0 Base/Dockerfile",
				"selenium/node-base:4.0 = nodebase:0 NodeBase/Dockerfile",
				"selenium/hub:4.0 outside rule 2 of references fits, and there is no hub",
				"selenium/chart:4.0 outside rule 2 of references fits, and charts is no image's folder",
				"selenium/old:4.0 outside rule 1 of references fits, and names no folder",
				"selenium/base@sha256:" + strings.Repeat("a", 64) + " outside rule 2 of references fits, and there is no base@sha256",
				"other/base:4.0 outside",
			},
		},
		{
			name:   "wildcards, candidates and build files",
			config: "images: [{root: \".\", dockerfiles: [Dockerfile, \"Dockerfile.*\"]}]\nrepositories: []\nreferences:\n  - {match: 'ros:(?P<d>[a-z]+)-(?P<k>.+)-(?P<r>[a-z]+)', folder: [\"ros/{d}/*/{r}/{k}\", \"ros/{d}/{d}-{k}\"]}\n  - {match: 'f:(?P<k>.+)', folder: [\"f/Dockerfile.{k}\", f]}\n  - {match: 'g:(?P<k>.+)', folder: g}\n",
			files:  []string{"ros/noetic/ubuntu/focal/ros-core/Dockerfile", "ros/noetic/debian/buster/ros-core/Dockerfile", "ros/indigo/indigo-desktop/Dockerfile", "f/Dockerfile", "f/Dockerfile.gpu", "g/Dockerfile.x", "g/Dockerfile.y"},
			want: []string{
				"ros:noetic-ros-core-focal = ros-noetic-ubuntu-focal-ros-core:0 ros/noetic/ubuntu/focal/ros-core/Dockerfile",
				"ros:noetic-ros-core-buster = ros-noetic-debian-buster-ros-core:0 ros/noetic/debian/buster/ros-core/Dockerfile",
				"ros:indigo-desktop-trusty = ros-indigo-indigo-desktop:0 ros/indigo/indigo-desktop/Dockerfile",
				"ros:noetic-desktop-focal outside rule 1 of references fits, and there is no ros/noetic/*/focal/desktop, no ros/noetic/noetic-desktop",
				"f:gpu = f-gpu:0 f/Dockerfile.gpu",
				"f:other = f:0 f/Dockerfile",
				"g:1 ? a rule of references leads to g, which holds several images: 0 (name the build file in folder, or put its tag or variant into the reference)",
			},
		},
		{
			name:   "variants",
			config: "images: [{root: i, pattern: \"{name}\", dockerfiles: [Dockerfile, \"Dockerfile.{variant}\"]}]\n", files: []string{"i/a/Dockerfile", "i/a/Dockerfile.slim"},
			want: []string{"a = a:0 i/a/Dockerfile", "a:0 = a:0 i/a/Dockerfile", "a:slim = a:0:slim i/a/Dockerfile.slim", "a:0-slim = a:0:slim i/a/Dockerfile.slim", "a:1 outside a has no tag 1 in this fleet, only 0, 0-slim"},
		},
		{
			name:   "folders as names",
			config: "images: [{root: \".\"}]\nrepositories: [registry.test/team]\n", files: []string{"one/deep/Dockerfile", "two/deep/Dockerfile", "one/web/Dockerfile"},
			want: []string{
				"registry.test/team/one-deep = one-deep:0 one/deep/Dockerfile",
				"registry.test/team/one/deep = one-deep:0 one/deep/Dockerfile",
				"registry.test/team/web:latest = one-web:0 one/web/Dockerfile",
				"registry.test/team/web:2 outside web has no tag 2 in this fleet, only 0",
				"registry.test/team/deep ? \"registry.test/team/deep\" can mean several images of this fleet (write the folder: one/deep, two/deep)",
				"registry.test/team/none ? \"registry.test/team/none\" is not an image of this fleet (no image of this repository is called so; if it is one from outside, say so with a rule under references)",
				"web outside",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var refs []string
			for _, w := range tt.want {
				ref, _, _ := strings.Cut(w, " ")
				refs = append(refs, ref)
			}
			if d := gocmp.Diff(tt.want, meanings(t, tt.config, tt.files, tt.links, refs)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestRulesDoNotDependOnOrder: the fleet's images may be listed in any order.
func TestRulesDoNotDependOnOrder(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "FROM scratch", "b": "FROM x/a:1"}
	f := fleet(image("a"), image("b"))
	f.Settings.References = []model.Reference{{Match: `x/(?P<n>.*):.*`, Folders: []string{"images/{n}"}}}
	g, list, err := Build(t.Context(), f, tree(files), Options{})
	if err != nil || len(list) > 0 {
		t.Fatal(err, list)
	}
	parents := map[string]int{}
	for _, id := range g.Targets() {
		n, _ := g.Node(id)
		for _, e := range n.Parents {
			parents[e.To.Image]++
		}
	}
	if d := gocmp.Diff([]string{"a"}, slices.Sorted(maps.Keys(parents))); d != "" {
		t.Error(d)
	}
}
