package proposal

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

var update = flag.Bool("update", false, "write the golden files")

func TestFolders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		files  []string
		images []string // id and build file
		left   []string
		config string // the uncommented lines beside version
	}{
		{"empty", nil, []string{"hello images/hello/Dockerfile"}, nil, ""},
		{"only code", []string{"README.md", "src/main.go"}, []string{"hello images/hello/Dockerfile"}, nil, ""},
		{"the default layout", []string{"images/a/Dockerfile", "images/b/Containerfile"},
			[]string{"a images/a/Dockerfile", "b images/b/Containerfile"}, nil, ""},
		{"a folder that is no image", []string{"images/a/Dockerfile", "images/scripts/build.sh"},
			[]string{"a images/a/Dockerfile"}, nil, `images: - root: images pattern: "{name}" exclude: - "scripts"`},
		{"another root", []string{"docker/a/Dockerfile", "docker/b/Dockerfile"},
			[]string{"a docker/a/Dockerfile", "b docker/b/Dockerfile"}, nil, `images: - root: docker pattern: "{name}"`},
		{"folders in folders", []string{"docker/a/1/Dockerfile", "docker/a/2/Dockerfile", "docker/b/Dockerfile"},
			[]string{"a-1 docker/a/1/Dockerfile", "a-2 docker/a/2/Dockerfile", "b docker/b/Dockerfile"}, nil, `images: - root: docker`},
		{"everywhere", []string{"x/Dockerfile", "y/z/Dockerfile"},
			[]string{"x x/Dockerfile", "y-z y/z/Dockerfile"}, nil, `images: - root: "."`},
		{"a few roots", []string{"images/a/Dockerfile", "images/b/Dockerfile", "images/c/Dockerfile", "images/d/Dockerfile", "binder/Dockerfile"},
			[]string{"a images/a/Dockerfile", "b images/b/Dockerfile", "binder binder/Dockerfile", "c images/c/Dockerfile", "d images/d/Dockerfile"}, nil,
			`images: - root: binder - root: images pattern: "{name}"`},
		{"tags", []string{"docker/a/1.0/Dockerfile", "docker/a/latest/Dockerfile", "docker/b/2-alpine/Dockerfile", "docker/c/Dockerfile"},
			[]string{"a:1.0 docker/a/1.0/Dockerfile", "a:latest docker/a/latest/Dockerfile", "b:2-alpine docker/b/2-alpine/Dockerfile", "c docker/c/Dockerfile"}, nil,
			`images: - root: docker pattern: "{name}/{tag}" - root: docker`},
		{"what cannot be meant", []string{"Dockerfile", "app/node_modules/m/Dockerfile", "app/web/Dockerfile", "app/web/Dockerfile.j2", "app/Up/Dockerfile", "app/two/Dockerfile.a", "app/two/Dockerfile.b", ".github/x/Dockerfile", "app/low/dockerfile", "docs/a.dockerfile"},
			[]string{"low app/low/dockerfile", "two-a app/two/Dockerfile.a", "two-b app/two/Dockerfile.b", "up app/Up/Dockerfile", "web app/web/Dockerfile"},
			[]string{".github/x/Dockerfile", "Dockerfile", "app/node_modules/", "app/web/Dockerfile.j2", "docs/"},
			`images: - root: app dockerfiles: - "Dockerfile" - "Dockerfile.a" - "Dockerfile.b" - "dockerfile" exclude: - "node_modules"`},
		{"one suffixed build file", []string{"a/b/Dockerfile.gpu", "a/c/d/Dockerfile"},
			[]string{"b-gpu a/b/Dockerfile.gpu", "c-d a/c/d/Dockerfile"}, nil, `images: - root: "a"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for _, f := range tt.files {
				files[f] = "FROM scratch\n"
			}
			p := propose(t, files)
			if len(p.Problems) > 0 {
				t.Errorf("what is proposed has mistakes: %v", p.Problems)
			}
			var images, left []string
			for _, i := range p.Images {
				images = append(images, strings.TrimSuffix(i.Node().Node(), ":0")+" "+i.Dockerfile)
			}
			for _, l := range p.LeftOut {
				left = append(left, l.Path)
			}
			slices.Sort(images)
			if tt.name == "empty" || tt.name == "only code" {
				images[0] = strings.Replace(images[0], ":1", "", 1)
			}
			if d := cmp.Diff(tt.images, images); d != "" {
				t.Errorf("images (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.left, left); d != "" {
				t.Errorf("left out (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.config, spoken(p.Files["rootfsgen.yaml"])); d != "" {
				t.Errorf("rootfsgen.yaml (-want +got):\n%s", d)
			}
		})
	}
}

func propose(t *testing.T, files map[string]string) *Proposal {
	t.Helper()
	p, err := Make(t.Context(), history.Memory(files))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// spoken is what a settings file says beside its comments and version.
func spoken(config []byte) string {
	var words []string
	for line := range strings.SplitSeq(string(config), "\n") {
		if !strings.HasPrefix(line, "#") && line != "version: 1" {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}

// TestReferences: what is proposed connects the images that are meant.
func TestReferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		files     map[string]string
		edges     []string // "child <- parent", by folder
		strangers []string
		arguments []string
		left      []string
		config    string // of repositories, references and args
	}{
		{
			name: "bare names",
			files: map[string]string{
				"images/base/Dockerfile": "FROM debian:13\n", "images/app/Dockerfile": "FROM base\nCOPY --from=tool:latest / /\n", "images/tool/Dockerfile": "FROM scratch\n",
			},
			edges: []string{"images/app <- images/base", "images/app <- images/tool"},
		},
		{
			name: "a well-known name is the image outside",
			files: map[string]string{
				"x/debian/Dockerfile": "FROM debian\n", "x/app/Dockerfile": "FROM debian:latest\n",
			},
			strangers: []string{
				"debian x/debian/Dockerfile it is taken for the well-known image, though a folder of this repository is called so",
				"debian:latest x/app/Dockerfile it is taken for the well-known image, though a folder of this repository is called so",
			},
			config: "repositories: []",
		},
		{
			name: "a prefix, an old tag and a name that is gone",
			files: map[string]string{
				"docker/php/8.1/Dockerfile": "FROM php:8.1\n", "docker/php/8.2/Dockerfile": "FROM php:8.2\n",
				"docker/web/8.1/Dockerfile": "FROM acme/php:8.1\n", "docker/web/8.2/Dockerfile": "FROM acme/php:8.2\n",
				"docker/web/7.4/Dockerfile": "FROM acme/php:7.4\n", "docker/old/1/Dockerfile": "FROM acme/gone:1\n",
			},
			edges: []string{"docker/web/8.1 <- docker/php/8.1", "docker/web/8.2 <- docker/php/8.2"},
			strangers: []string{"acme/gone:1 docker/old/1/Dockerfile no image is called so: a rule takes it for one from outside", "acme/php:7.4 docker/web/7.4/Dockerfile php has no tag 7.4 in this fleet, only 8.1, 8.2",
				"php:8.1 docker/php/8.1/Dockerfile it is taken for the well-known image, though a folder of this repository is called so", "php:8.2 docker/php/8.2/Dockerfile it is taken for the well-known image, though a folder of this repository is called so"},
			config: `repositories: - "acme" references: - match: 'acme/gone(?::.*|@.*)'`,
		},
		{
			name: "a table of names, and arguments",
			files: map[string]string{
				"Base/Dockerfile": "FROM ubuntu:24.04\n", "NodeBase/Dockerfile": "ARG NAMESPACE=grid\nFROM ${NAMESPACE}/base:latest\n",
				"NodeChrome/Dockerfile": "ARG NAMESPACE\nFROM $NAMESPACE/node-base:latest\n", "Alone/Dockerfile": "ARG WHAT\nFROM $WHAT\n",
				"charts/notes.txt": "",
			},
			edges:     []string{"NodeBase <- Base", "NodeChrome <- NodeBase"},
			arguments: []string{"NAMESPACE grid true", "WHAT  false"},
			left:      []string{"Alone/Dockerfile"},
			config:    `repositories: [] references: - match: 'grid/(?P<name>[^:/@]+):latest' folder: - "{name}" map: name: "base": "Base" "node-base": "NodeBase" args: NAMESPACE: "grid"`,
		},
		{
			name: "a local tag, and two roots",
			files: map[string]string{
				"testing/os/Dockerfile": "FROM ubuntu:24.04\n", "testing/hive/Dockerfile": "ARG ARCH\nFROM testing/os:unlabelled$ARCH\n",
				"testing/ldap/Dockerfile": "ARG ARCH\nFROM testing/hive:unlabelled$ARCH\n", "archived/gp/Dockerfile": "FROM testing/old:unlabelled\n", "archived/old/Dockerfile": "FROM ubuntu:24.04\n",
			},
			edges:     []string{"archived/gp <- archived/old", "testing/hive <- testing/os", "testing/ldap <- testing/hive"},
			arguments: []string{"ARCH  true"},
			config:    `repositories: [] references: - match: 'testing/(?P<name>[^:/@]+):unlabelled.*' folder: - "testing/{name}" - "archived/{name}" args: ARCH: ""`,
		},
		{
			name: "tags made of the path",
			files: map[string]string{
				"ros/a/ubuntu/focal/ros-core/Dockerfile": "FROM ubuntu:focal\n", "ros/a/ubuntu/focal/ros-base/Dockerfile": "FROM ros:a-ros-core-focal\n",
				"ros/b/debian/buster/ros-core/Dockerfile": "FROM debian:buster\n", "ros/b/debian/buster/ros-base/Dockerfile": "FROM ros:b-ros-core-buster\n",
				"ros/b/debian/buster/robot/Dockerfile": "FROM acme/ros:b-ros-base-buster\n",
				"gz/9/ubuntu/focal/server9/Dockerfile": "FROM ubuntu:focal\n", "gz/9/ubuntu/focal/client9/Dockerfile": "FROM gz:server9-focal\n",
				"gz/11/ubuntu/focal/server11/Dockerfile": "FROM ubuntu:focal\n", "gz/11/ubuntu/focal/client11/Dockerfile": "FROM gz:server11-focal\n",
			},
			edges: []string{
				"gz/11/ubuntu/focal/client11 <- gz/11/ubuntu/focal/server11", "gz/9/ubuntu/focal/client9 <- gz/9/ubuntu/focal/server9",
				"ros/a/ubuntu/focal/ros-base <- ros/a/ubuntu/focal/ros-core", "ros/b/debian/buster/robot <- ros/b/debian/buster/ros-base", "ros/b/debian/buster/ros-base <- ros/b/debian/buster/ros-core",
			},
			config: `repositories: [] references: - match: '(?:acme/)?(?P<name>ros):(?P<part1>[^-]+)-(?P<part2>.+)-(?P<part3>[^-]+)' folder: - "{name}/{part1}/*/{part3}/{part2}" ` +
				`- match: '(?P<name>gz):(?P<part1>[^0-9-]+(?P<number1>[0-9][0-9.]*))-(?P<part2>[^-]+)' folder: - "{name}/{number1}/*/{part2}/{part1}"`,
		},
		{
			name: "patches and previews of a version",
			files: map[string]string{
				"src/rt/8.0/jammy/amd64/Dockerfile": "FROM scratch\n", "src/rt/8.0/jammy/arm64/Dockerfile": "FROM scratch\n", "src/rt/9.0/noble-min/amd64/Dockerfile": "FROM scratch\n",
				"src/sdk/8.0/jammy/amd64/Dockerfile": "FROM acme.test/x/rt:8.0.30-jammy-amd64\n", "src/sdk/8.0/jammy/arm64/Dockerfile": "FROM acme.test/x/rt:8.0.30-jammy-arm64\n",
				"src/sdk/9.0/noble-min/amd64/Dockerfile": "FROM acme.test/x/rt:9.0.1-noble-min-amd64\n",
			},
			edges: []string{
				"src/sdk/8.0/jammy/amd64 <- src/rt/8.0/jammy/amd64", "src/sdk/8.0/jammy/arm64 <- src/rt/8.0/jammy/arm64", "src/sdk/9.0/noble-min/amd64 <- src/rt/9.0/noble-min/amd64",
			},
			config: `repositories: [] references: - match: 'acme\.test/x/(?P<name>rt):(?P<version1>[0-9]+(?:\.[0-9]+){1})(?:\.[^-]*)?-(?P<part2>.+)-(?P<part3>[^-]+)' folder: - "src/{name}/{version1}/{part2}/{part3}"`,
		},
		{
			name: "a part that says less than another",
			files: map[string]string{
				"r2/src/devel/Dockerfile": "FROM ubuntu:24.04\n", "r2/src/source/Dockerfile": "FROM acme/r2:devel\n", "r2/nightly/nightly/Dockerfile": "FROM ubuntu:24.04\n",
				"r2/nightly/nightly-rmw/Dockerfile": "FROM acme/r2:nightly\n", "r2/nightly/nightly-free/Dockerfile": "FROM acme/r2:nightly-rmw\n",
			},
			edges:  []string{"r2/nightly/nightly-free <- r2/nightly/nightly-rmw", "r2/nightly/nightly-rmw <- r2/nightly/nightly", "r2/src/source <- r2/src/devel"},
			config: `repositories: [] references: - match: 'acme/(?P<name>r2):(?P<part1>.+)' folder: - "{name}/*/{part1}"`,
		},
		{
			name: "numbers of releases",
			files: map[string]string{
				"bio/1.0/Dockerfile": "FROM ubuntu:18.04\n", "bio/2.0/Dockerfile": "FROM ubuntu:18.04\n", "blast/2.2/Dockerfile": "FROM acme/bio:v1.0_cv4\n",
				"hmm/3.1/Dockerfile": "FROM acme/bio:v1.0_cv5\n", "star/2.5/Dockerfile": "FROM acme/bio:2.0_cv1\n", "old/0.1/Dockerfile": "FROM acme/bio:0.9_cv1\n",
			},
			edges:     []string{"blast/2.2 <- bio/1.0", "hmm/3.1 <- bio/1.0", "star/2.5 <- bio/2.0"},
			strangers: []string{"acme/bio:0.9_cv1 old/0.1/Dockerfile rule 1 of references fits, and there is no bio/0.9"},
			config:    `repositories: [] references: - match: 'acme/bio:v?(?P<tag>.+?)(?:_cv[0-9]+)?' folder: - "bio/{tag}"`,
		},
		{
			name:  "what cannot be read",
			files: map[string]string{"i/a/Dockerfile": "FROM scratch\n", "i/b/Dockerfile": "FROM {{ base }} {{ x }}\n", "i/c/Dockerfile": "FROM a:b:c\n"},
			left:  []string{"i/b/Dockerfile", "i/c/Dockerfile"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := propose(t, tt.files)
			if p.Problems.HasErrors() {
				t.Errorf("what is proposed has mistakes: %v", p.Problems)
			}
			var strangers, arguments, left []string
			for _, s := range p.Strangers {
				strangers = append(strangers, s.Reference+" "+s.In+" "+s.Why)
			}
			for _, a := range p.Arguments {
				given := " false"
				if a.Given {
					given = " true"
				}
				arguments = append(arguments, a.Name+" "+a.Value+given)
			}
			for _, l := range p.LeftOut {
				left = append(left, l.Path)
			}
			_, config, _ := strings.Cut(" "+spoken(p.Files["rootfsgen.yaml"]), " repositories: ")
			if config != "" {
				config = "repositories: " + config
			}
			for what, d := range map[string]string{
				"edges": cmp.Diff(tt.edges, edgesOf(t, tt.files, p)), "strangers": cmp.Diff(tt.strangers, strangers),
				"arguments": cmp.Diff(tt.arguments, arguments), "left out": cmp.Diff(tt.left, left), "config": cmp.Diff(tt.config, config),
			} {
				if d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
			}
			if p.Edges != len(tt.edges) {
				t.Errorf("%d edges are told, want %d", p.Edges, len(tt.edges))
			}
		})
	}
}

// edgesOf loads what was proposed as anybody else would.
func edgesOf(t *testing.T, files map[string]string, p *Proposal) []string {
	t.Helper()
	all := maps.Clone(files)
	for name, content := range p.Files {
		all[name] = string(content)
	}
	tree := history.Memory(all)
	fleet, list, err := source.Load(t.Context(), tree, source.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	g, list, err := graph.Build(t.Context(), fleet, tree, graph.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	var out []string
	for _, id := range g.Targets() {
		n, _ := g.Node(id)
		for _, e := range n.Parents {
			if parent, found := g.Node(e.To); found && id.Platform == model.LinuxAMD64 {
				out = append(out, n.Image.Dir+" <- "+parent.Image.Dir)
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestComments turns every commented key on: the file must still be valid.
func TestComments(t *testing.T) {
	t.Parallel()
	p := propose(t, nil)
	key := regexp.MustCompile(`(?m)^# ( *(- )?[a-z0-9_-]+:( [^$]|$))`)
	files := map[string]string{}
	for name, content := range p.Files {
		files[name] = string(content)
	}
	files["rootfsgen.yaml"] = key.ReplaceAllString(files["rootfsgen.yaml"], "$1")
	fleet, list, err := source.Load(t.Context(), history.Memory(files), source.Options{})
	if err != nil || len(list) > 0 {
		t.Fatalf("%v %v\n%s", err, list, files["rootfsgen.yaml"])
	}
	if fleet.Settings.Registry.Prod == "" || !slices.Contains(fleet.Settings.Repositories, fleet.Settings.Registry.PR) {
		t.Errorf("the commented registry was not read: %+v", fleet.Settings)
	}
	golden := filepath.Join("testdata", "first.yaml")
	if *update {
		if err := os.WriteFile(golden, p.Files["rootfsgen.yaml"], 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(p.Files["rootfsgen.yaml"])); d != "" {
		t.Errorf("(-want +got), rewrite it with -update:\n%s", d)
	}
}
