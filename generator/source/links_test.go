package source_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestLinkedFolders: a link to an image's folder is another name of the image, however
// it gets there; a link that leads nowhere is not passed over in silence where
// it could have been one.
func TestLinkedFolders(t *testing.T) {
	t.Parallel()
	image := history.File{Content: "FROM scratch\n"}
	link := func(to string) history.File { return history.File{Mode: model.ModeSymlink, Content: to} }
	for _, tt := range []struct {
		name    string
		config  string
		files   map[string]history.File
		aliases []string // folder, name and tag, node
		warned  []string // file and message
	}{
		{
			name:    "beside the image",
			files:   map[string]history.File{"images/app/Dockerfile": image, "images/app2": link("app"), "images/README.md": link("../README.md"), "README.md": {}},
			aliases: []string{"images/app2 app2: app:0"},
		},
		{
			name:   "tags, a whole name, a chain and a link in the way",
			config: "version: 1\nimages: [{root: docker, pattern: \"{name}/{tag}\"}]\n",
			files: map[string]history.File{
				"docker/php-official/8.1/Dockerfile": image, "docker/php-official/8.2/Dockerfile": image,
				"docker/php/8.1": link("../php-official/8.1"), "docker/php/8": link("./8.1"), "docker/fpm": link("php-official"),
				"docker/php-official/8.1/8.1": link("8.1"), "docker/via/8.3": link("../fpm/8.2"),
			},
			aliases: []string{
				"docker/fpm/8.1 fpm:8.1 php-official:8.1", "docker/fpm/8.2 fpm:8.2 php-official:8.2",
				"docker/php/8 php:8 php-official:8.1", "docker/php/8.1 php:8.1 php-official:8.1", "docker/via/8.3 via:8.3 php-official:8.2",
			},
		},
		{
			name: "what names no image",
			files: map[string]history.File{
				"images/app/Dockerfile": image, "images/app/latest": link("Dockerfile"), "images/app/out": link("../../../x"),
				"images/self": link("self"), "images/gone": link("../nowhere"), "images/out": link("../../elsewhere"), "images/abs": link("/etc"),
				"images/up": link(".."), "images/notes": link("../docs"), "docs/a.md": {}, "images/.tool": link("/bin/sh"),
			},
			warned: []string{
				"images/abs the link leads out of the repository: it names no image",
				"images/gone the link leads to nothing that is in the repository: it names no image",
				"images/out the link leads out of the repository: it names no image",
				"images/self the link leads back to itself: it names no image",
			},
		},
		{
			name: "on the way to the images",
			files: map[string]history.File{
				"images": link("team/all"), "team/all/app/Dockerfile": image, "team/all/more": link("app"), "lib": link("team/lib"), "team/lib/x": {},
				"team/all/app/image.yaml": {Content: "context: lib\ninputs: [lib/x]\ncontexts: {l: ./lib, r: /}\n"},
			},
			aliases: []string{"team/all/more more: app:0"},
		},
		{
			name:    "without a pattern",
			config:  "version: 1\nimages: [{root: \".\"}]\n",
			files:   map[string]history.File{"a/b/Dockerfile": image, "c/d": link("../a/b"), "c/x": link("/etc")},
			aliases: []string{"c/d c-d: a-b:0"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.config != "" {
				tt.files["rootfsgen.yaml"] = history.File{Content: tt.config}
			}
			fleet, list, err := source.Load(t.Context(), history.MemoryFiles(tt.files), source.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var aliases, warned []string
			for _, a := range fleet.Aliases {
				aliases = append(aliases, a.Dir+" "+a.Image+":"+a.Tag+" "+a.Node.Node())
			}
			for _, d := range list {
				warned = append(warned, d.Pos.File+" "+d.Message)
			}
			slices.Sort(warned)
			if d := cmp.Diff(tt.aliases, aliases); d != "" {
				t.Errorf("aliases (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.warned, warned); d != "" || list.HasErrors() {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
		})
	}
}
