package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/binfmt"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// hooks are what mmdebstrap's package brings for special root filesystems.
const hooks = "/usr/share/mmdebstrap/hooks"

// The packages that were downloaded once are put where apt looks for them,
// and what was downloaded is taken out again, each in one step. apt checks
// them against the archive's hashes. $DEBS is the folder they are kept in.
const (
	bringPackages = `mkdir -p "$1/var/cache/apt/archives/partial" && find "$DEBS" -maxdepth 1 -name "*.deb" -exec cp -t "$1/var/cache/apt/archives" {} +`
	keepPackages  = `for f in "$1"/var/cache/apt/archives/*.deb; do [ -e "$f" ] || continue; ` +
		`n="$DEBS/${f##*/}"; if [ -e "$n" ]; then touch "$n"; else cp "$f" "$n.$$.part" && mv "$n.$$.part" "$n"; fi; done`
)

// unused is how long a downloaded package is kept that nobody asks for.
const unused = 30 * 24 * time.Hour

// dpkgOptions hold while the root filesystem is made and in it: images need
// no manuals, and a build that is cut off is made anew, so that waiting for
// the disk gains nothing. Licences stay.
var dpkgOptions = []string{
	"force-unsafe-io",
	"path-exclude=/usr/share/man/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/locale/*",
	"path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright",
}

// require tells at once everything that is missing for the build.
func (r Request) require() error {
	names := []string{"apt-get", "mmdebstrap", "unshare"}
	if r.Platform.Arch != runtime.GOARCH {
		names = append(names, "arch-test")
		if !binfmt.Runs(r.Platform.Arch) {
			names = append(names, "qemu-user")
		}
	}
	if _, err := tools.FindAll("", names...); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("building from Debian's packages needs root")
	}
	return nil
}

// bootstrap runs mmdebstrap and writes what it makes to path, as a layer.
func (r Request) bootstrap(ctx context.Context, path string) (*blob, map[string]string, error) {
	debs, err := filepath.Abs(filepath.Join(r.CacheDir, "debs", r.Platform.Arch))
	if err != nil {
		return nil, nil, fmt.Errorf("finding the folder of packages: %w", err)
	}
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return nil, nil, fmt.Errorf("making the folder of packages: %w", err)
	}
	if err := prune(debs, time.Now().Add(-unused)); err != nil {
		return nil, nil, err
	}
	temporary, err := os.MkdirTemp(r.WorkDir, "mmdebstrap-")
	if err != nil {
		return nil, nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(temporary) }()
	if err := os.Chmod(temporary, 0o755); err != nil { // apt reads as a user of its own
		return nil, nil, fmt.Errorf("opening a temporary folder: %w", err)
	}
	return r.pipe(ctx, path, debs, temporary)
}

// pipe reads mmdebstrap's archive while it is written.
func (r Request) pipe(ctx context.Context, path, debs, temporary string) (*blob, map[string]string, error) {
	in, out := io.Pipe()
	var made *blob
	var installed map[string]string
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		// In namespaces of its own, nothing that a package starts outlives the
		// build, and no mount is left of one that is cut off.
		args := append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc"}, binfmt.Wrap(r.arguments()...)...)
		err := tool.Command{
			Name: "unshare", Args: args, Dir: "/", Stdout: out, Stderr: r.Progress,
			Env: []string{
				"PATH=" + tools.Path(""), "TMPDIR=" + temporary, "DEBS=" + debs, "LC_ALL=C.UTF-8",
				"SOURCE_DATE_EPOCH=" + strconv.Itoa(model.SourceDateEpoch),
			},
		}.Run(ctx)
		err = fetching(err)
		_ = out.CloseWithError(err) // nil is the end of the archive
		return err
	})
	g.Go(func() (err error) {
		made, installed, err = writeLayer(path, in)
		_ = in.CloseWithError(err) // nobody reads on
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return made, installed, nil
}

// arguments are mmdebstrap's, itself first.
func (r Request) arguments() []string {
	d := r.Debian
	variant := d.Variant
	if variant == "" {
		variant = "minbase"
	}
	args := []string{
		"mmdebstrap", "--mode=root", "--format=tar", "--variant=" + variant, "--architectures=" + r.Platform.Arch,
		"--skip=download/empty", "--skip=essential/unlink",
		"--setup-hook=" + bringPackages, "--customize-hook=" + keepPackages,
	}
	if mergesUsr(variant) {
		args = append(args, "--hook-dir="+filepath.Join(hooks, "maybe-merged-usr"))
	}
	for _, o := range aptOptions(d) {
		args = append(args, "--aptopt="+o)
	}
	for _, o := range dpkgOptions {
		args = append(args, "--dpkgopt="+o)
	}
	if len(d.Packages) > 0 {
		args = append(args, "--include="+strings.Join(d.Packages, ","))
	}
	args = append(args, d.Suite, "-")
	for _, s := range sources(d) {
		args = append(args, s.line())
	}
	return args
}

// prune removes the packages that nobody has asked for since the given time.
func prune(dir string, since time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("reading the folder of packages: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.ModTime().After(since) {
			continue // gone meanwhile, or in use
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing an old package: %w", err)
		}
	}
	return nil
}
