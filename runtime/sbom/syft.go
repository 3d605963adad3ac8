package sbom

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// layout is the folder of the image, below the one that syft works in: its
// name is what a list calls its source, so no path of this machine is in it.
const layout = "image"

// noSettings is the name of a file without any.
const noSettings = "none.yaml"

// Program is syft.
type Program struct {
	Path string // of the program

	version *version
}

type version struct {
	once sync.Once
	said string
	err  error
}

// NewProgram is the syft of that path.
func NewProgram(path string) Program { return Program{Path: path, version: &version{}} }

var versionForm = regexp.MustCompile(`^syft [0-9A-Za-z.+-]{1,64}$`)

// Version is "syft 1.57.0".
func (p Program) Version(ctx context.Context) (string, error) {
	p.version.once.Do(func() {
		out, err := tool.Command{Name: p.Path, Args: []string{"--version"}, Env: environment}.Output(ctx)
		p.version.said, p.version.err = strings.TrimSpace(string(out)), err
		if err == nil && !versionForm.MatchString(p.version.said) {
			p.version.err = fmt.Errorf("%s is no syft: it says of itself %.80q", p.Path, out)
		}
	})
	return p.version.said, p.version.err
}

// environment keeps syft from the network, and folders of this machine out of
// what it writes.
var environment = []string{
	"SYFT_CHECK_FOR_APP_UPDATE=false", "SYFT_FORMAT_PRETTY=false",
	"SYFT_GOLANG_LOCAL_MOD_CACHE_DIR=none", "SYFT_JAVA_MAVEN_LOCAL_REPOSITORY_DIR=none",
}

// run is what syft is to read and write.
type run struct {
	source        string   // path, relative to the folder that it works in
	kinds         []string // what the source may be
	name, version string   // what the list calls it
	formats       []string
}

// run lists a source in every format. Its home is the empty folder dir, so that
// nobody's settings change what is listed.
func (p Program) run(ctx context.Context, dir string, r run) (map[string][]byte, error) {
	args := []string{"scan", r.source, "--config", noSettings, "--source-name=" + r.name, "--source-version=" + r.version}
	for _, kind := range r.kinds {
		args = append(args, "--from", kind)
	}
	for _, format := range r.formats {
		args = append(args, "--output", format+"="+format+".out")
	}
	if err := os.WriteFile(filepath.Join(dir, noSettings), nil, 0o600); err != nil {
		return nil, err
	}
	err := tool.Command{Name: p.Path, Args: args, Dir: dir, Env: append([]string{"HOME=" + dir, "TMPDIR=" + dir}, environment...)}.Run(ctx)
	if err != nil {
		return nil, err
	}
	docs := map[string][]byte{}
	for _, format := range r.formats {
		body, err := readBounded(filepath.Join(dir, format+".out"), MaxDocument)
		if err == nil {
			err = check(format, body)
		}
		if err != nil {
			return nil, fmt.Errorf("reading syft's %s: %w", format, err)
		}
		docs[format] = body
	}
	return docs, nil
}

// Archive lists an image in a tar file, as "docker save" or an OCI layout has
// it.
func (p Program) Archive(ctx context.Context, file string, formats []string) (docs map[string][]byte, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	dir, err := os.MkdirTemp("", "rootfsrun-sbom-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Symlink(file, filepath.Join(dir, layout+".tar")); err != nil {
		return nil, err
	}
	docs, err = p.run(ctx, dir, run{source: layout + ".tar", kinds: []string{"oci-archive", "docker-archive"}, name: filepath.Base(file), formats: formats})
	if err != nil {
		return nil, fmt.Errorf("listing what %s is made of: %w", filepath.Base(file), err)
	}
	return docs, nil
}

func readBounded(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return b, err
}
