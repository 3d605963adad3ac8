package fleetgen

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Fan is how many images are built from each image of a Wide fleet.
const Fan = 50

// Wide is a fleet as the promises about speed name it: every Dockerfile is
// distinct, a folder has five files and no image.yaml, the images are built
// from each other four deep, and fifty from one.
type Wide struct {
	Images int
}

// Name is the id of the image with that number.
func (w Wide) Name(i int) string { return fmt.Sprintf("image-%06d", i) }

// Parent is the number of the image that image i is built from; false for the
// only one that is built from nothing.
func (w Wide) Parent(i int) (int, bool) { return (i - 1) / Fan, i > 0 }

// Leaf is an image that nothing is built from.
func (w Wide) Leaf() int { return w.Images - 1 }

// Edited is the file that differs between the two commits of Import.
func (w Wide) Edited() string { return "images/" + w.Name(w.Leaf()) + "/app.sh" }

// Each calls f with every file of the fleet.
func (w Wide) Each(f func(path, content string)) {
	f("rootfsgen.yaml", "version: 1\nrepositories: [\"\"]\n")
	for i := range w.Images {
		f("images/"+w.Name(i)+"/Dockerfile", w.dockerfile(i))
		w.files(i, f)
	}
}

// files are those of an image's folder beside what says how it is built.
func (w Wide) files(i int, f func(path, content string)) {
	dir := "images/" + w.Name(i) + "/"
	f(dir+"app.sh", fmt.Sprintf("#!/bin/sh\nexec app --number %d\n", i))
	f(dir+"app.conf", fmt.Sprintf("number = %d\n%s", i, strings.Repeat("option = value\n", i%20)))
	f(dir+"requirements.txt", fmt.Sprintf("package==%d.%d\n", i%11, i))
	f(dir+"README.md", fmt.Sprintf("# Image %d\n\nNo instruction reads this.\n", i))
}

func (w Wide) dockerfile(i int) string {
	from := "scratch"
	if p, found := w.Parent(i); found {
		from = w.Name(p)
	}
	return fmt.Sprintf("FROM %s\nARG NUMBER=%d\nENV NUMBER=$NUMBER\nCOPY requirements.txt app.conf /etc/app/\nCOPY app.sh /usr/local/bin/app-%d\n"+
		"RUN --network=none app-install /etc/app/requirements.txt\nWORKDIR /srv/%d\nCMD [\"app-%d\"]\n", from, i, i, i, i)
}

// Import writes a tree, which is one of w's, for "git fast-import": a commit
// that is tagged v1, and after it one on main that edits one file of one image.
func (w Wide) Import(to io.Writer, tree func(f func(path, content string))) error {
	b := bufio.NewWriterSize(to, 1<<20)
	commit := func(mark int, seconds int, text string) {
		fmt.Fprintf(b, "commit refs/heads/main\nmark :%d\ncommitter fleetgen <fleetgen@example.com> %d +0000\ndata %d\n%s\n", mark, seconds, len(text), text)
	}
	file := func(path, content string) {
		fmt.Fprintf(b, "M 100644 inline %s\ndata %d\n%s\n", path, len(content), content)
	}
	const first = 1795250000
	commit(1, first, "a fleet")
	tree(file)
	fmt.Fprint(b, "\nreset refs/tags/v1\nfrom :1\n\n")
	commit(2, first+1, "one edit")
	fmt.Fprint(b, "from :1\n")
	file(w.Edited(), "#!/bin/sh\nexec app --edited\n")
	fmt.Fprint(b, "\ndone\n")
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing a fleet for git: %w", err)
	}
	return nil
}
