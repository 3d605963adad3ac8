// Package fleetgen writes fleets of any size for benchmarks and tests: a few
// bases, platforms on them, and applications on those, as fleets look that
// have grown. The same options give the same files.
package fleetgen

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Options say how large a fleet is.
type Options struct {
	Images int // 1,000 where 0
	Files  int // in each image's folder beside its Dockerfile and image.yaml; 3 where 0
}

// Files is the fleet as files, by path from the root of the repository.
func Files(o Options) map[string]string {
	if o.Images == 0 {
		o.Images = 1000
	}
	if o.Files == 0 {
		o.Files = 3
	}
	files := map[string]string{
		"rootfsgen.yaml":      "version: 1\nrepositories: [\"\"]\nregistry:\n  testing: registry.example.com/testing\n  pr: registry.example.com/pr\n",
		"docs/readme.md":      "Nothing reads this.\n",
		"images/.editor.json": "{}\n",
	}
	for i := range o.Images {
		dir := "images/" + Name(i)
		files[dir+"/Dockerfile"] = dockerfile(i, o)
		files[dir+"/image.yaml"] = fmt.Sprintf(
			"label: Image %d\ncomponent_version: \"%d.%d\"\npriority: %d\ndescription: number %d of a generated fleet\ntests:\n  - name: starts\n    cmd: test -e /opt/%d\n",
			i, i%7, i%13, i%100, i, i)
		for f := range o.Files {
			files[fmt.Sprintf("%s/file%d.txt", dir, f)] = fmt.Sprintf("file %d of image %d\n%s", f, i, strings.Repeat("some text\n", (i+f)%40))
		}
		files[dir+"/README.md"] = "No instruction reads this.\n"
		files[dir+"/.dockerignore"] = "*.md\n"
	}
	return files
}

// Name is the id of the image with that number.
func Name(i int) string { return fmt.Sprintf("image-%04d", i) }

// Parent is the number of the image that image i is built from, and false for
// a base: one in fifty is a base, one in five a platform on a base, the others
// are applications on platforms.
func Parent(i int) (int, bool) {
	switch {
	case i%50 == 0:
		return 0, false
	case i%5 == 0:
		return i / 50 * 50, true
	}
	return i / 5 * 5, true
}

func dockerfile(i int, o Options) string {
	var b strings.Builder
	if p, found := Parent(i); found {
		fmt.Fprintf(&b, "FROM %s AS build\nRUN make-something --number %d\nFROM %s\n", Name(p), i, Name(p))
		fmt.Fprintf(&b, "COPY --from=build /out/%d /opt/%d\n", i, i)
	} else {
		b.WriteString("FROM scratch\n")
	}
	fmt.Fprintf(&b, "ARG NUMBER=%d\nENV NUMBER=$NUMBER\n", i)
	for f := range o.Files {
		fmt.Fprintf(&b, "COPY file%d.txt /opt/%d/\n", f, i)
	}
	return b.String()
}

// Write writes the fleet below dir, which need not exist.
func Write(dir string, o Options) error {
	for name, content := range Files(o) {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return fmt.Errorf("writing a fleet: %w", err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing a fleet: %w", err)
		}
	}
	return nil
}
