package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
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

// Install brings the Debian packages of the programs that are missing, with
// apt, as root. What "make tools" builds is not its business. What apt says
// goes to progress. It does nothing where nothing is missing.
func Install(ctx context.Context, progress io.Writer) error {
	var packages []string
	for _, p := range Programs() {
		if p.Package == "" {
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

// ExitCode is that of trouble with the machine.
func (e *InstallError) ExitCode() int { return 75 }
