package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/download"
)

// Tool is a program as it is on this machine.
type Tool struct {
	Name    string `json:"name"`
	Path    string `json:"path,omitempty"`    // empty where it is missing
	Version string `json:"version,omitempty"` // first line of what it says of itself
	Use     string `json:"use"`
	Get     string `json:"get"` // the command that brings it
}

// List looks for every program, sorted by name.
func List(ctx context.Context, bin string) []Tool {
	var list []Tool
	for _, p := range Programs() {
		t := Tool{Name: p.Name, Use: p.Use, Get: p.HowToGet(bin)}
		if path, err := Find(bin, p.Name); err == nil {
			t.Path = path
			if len(p.Version) > 0 {
				if out, err := (tool.Command{Name: path, Args: p.Version}).Output(ctx); err == nil {
					t.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
				}
			}
		}
		list = append(list, t)
	}
	return list
}

// Options say where the programs come from that no Debian package brings.
type Options struct {
	Bin    string            // folder that they are put into
	Mirror string            // address that stands in for https://github.com; empty is none
	Sums   map[string]string // SHA-256 of archives, hexadecimal, by file name; a program without one is compiled
	Client *download.Client
	Only   []string // names of programs to install; none means all of them
}

// Install brings the programs that are missing, all or those of o.Only: those of
// Debian's packages with apt, as root, and then the pinned ones into o.Bin. What is said of it goes to
// progress. It does nothing where nothing is missing.
func Install(ctx context.Context, progress io.Writer, o Options) error {
	for _, name := range o.Only {
		if !slices.ContainsFunc(Programs(), func(p Program) bool { return p.Name == name }) {
			return fmt.Errorf("no step needs a program called %q", name)
		}
	}
	if err := installPackages(ctx, progress, o.wanted); err != nil {
		return err
	}
	for _, p := range PinnedPrograms() {
		if !o.wanted(p.Name) {
			continue
		}
		if _, err := Find(o.Bin, p.Name); err == nil {
			continue
		}
		if err := o.install(ctx, p, progress); err != nil {
			return &InstallError{Packages: []string{p.Name}, Err: err}
		}
	}
	return nil
}

func (o Options) wanted(name string) bool { return len(o.Only) == 0 || slices.Contains(o.Only, name) }

// install brings one of them, which nothing on this machine may be half of at
// any moment.
func (o Options) install(ctx context.Context, p Pinned, progress io.Writer) error {
	if err := os.MkdirAll(o.Bin, 0o755); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	address, file := p.Archive(runtime.GOARCH, o.Mirror)
	if sum := o.Sums[file]; sum != "" {
		_, _ = fmt.Fprintf(progress, "%s %s: %s\n", p.Name, p.Version, address) // is for people only
		return fromArchive(ctx, o.Client, p, address, sum, o.Bin)
	}
	if _, err := Find("", "go"); err != nil {
		return fmt.Errorf("neither the SHA-256 of %s is given, nor is there a Go to compile it with", file)
	}
	_, _ = fmt.Fprintf(progress, "%s %s: compiling %s, as no SHA-256 of %s is given\n", p.Name, p.Version, p.Module, file) // is for people only
	return compileModule(ctx, p, o.Bin, progress)
}

// InstallPackages brings the Debian packages of the programs that are missing,
// with apt, as root. What apt says goes to progress. It does nothing where
// nothing is missing.
func InstallPackages(ctx context.Context, progress io.Writer) error {
	return installPackages(ctx, progress, func(string) bool { return true })
}

func installPackages(ctx context.Context, progress io.Writer, wanted func(string) bool) error {
	var packages []string
	for _, p := range Programs() {
		if p.Package == "" || !wanted(p.Name) {
			continue
		}
		if _, err := Find("", p.Name); err != nil {
			packages = append(packages, p.Package)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	slices.Sort(packages)
	if os.Geteuid() != 0 {
		return &InstallError{Packages: packages, Err: errors.New("installing packages needs root")}
	}
	apt, err := Find("", "apt-get")
	if err != nil {
		return &InstallError{Packages: packages, Err: err}
	}
	// The lists of a fresh machine are empty, and those of an old one name
	// packages that are no longer there.
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...),
	} {
		err := tool.Command{
			Name: apt, Args: append([]string{"-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3"}, args...),
			Env: []string{"DEBIAN_FRONTEND=noninteractive", "PATH=" + Path("")}, Stdout: progress, Stderr: progress,
		}.Run(ctx)
		if err != nil {
			return &InstallError{Packages: packages, Err: err}
		}
	}
	return nil
}

// InstallError is packages that could not be installed.
type InstallError struct {
	Packages []string
	Err      error
}

// Error names the packages and the cause.
func (e *InstallError) Error() string {
	return fmt.Sprintf("installing %s: %v", strings.Join(e.Packages, " "), e.Err)
}

// Unwrap is the cause.
func (e *InstallError) Unwrap() error { return e.Err }

// ExitCode is that of trouble with the machine; a program that is not the
// pinned one will not be another the next time.
func (e *InstallError) ExitCode() int {
	if _, other := errors.AsType[*download.MismatchError](e.Err); other {
		return 1
	}
	return 75
}
