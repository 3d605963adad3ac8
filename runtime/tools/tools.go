// Package tools finds the programs that the runtime starts, and says how to
// get one that is missing.
package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Program is one outside program.
type Program struct {
	Name    string   // as it is called
	Use     string   // what needs it, one clause
	Package string   // Debian package; empty where "make tools" builds it
	Version []string // arguments that make it tell its version; nil where it has none
	File    string   // a file that tells that it is there, where it is no program on PATH
}

// Programs are all of them, sorted by name.
func Programs() []Program {
	return []Program{
		{Name: "apt-get", Use: "locking and building from Debian's packages", Package: "apt", Version: []string{"--version"}},
		{Name: "arch-test", Use: "building from Debian's packages for another architecture", Package: "arch-test"},
		{Name: "buildctl", Use: "looking into a buildkitd by hand", Version: []string{"--version"}},
		{Name: "buildkitd", Use: "building and testing images", Version: []string{"--version"}},
		{Name: "git", Use: "reading the repository", Package: "git", Version: []string{"--version"}},
		{Name: "grype", Use: "scanning images on this machine", Version: []string{"--version"}},
		{Name: "mmdebstrap", Use: "building from Debian's packages", Package: "mmdebstrap", Version: []string{"--version"}},
		{Name: "qemu-user", Use: "running programs of another architecture", Package: "qemu-user-static", File: "/usr/lib/binfmt.d/qemu-aarch64.conf"},
		{Name: "registry", Use: "a registry on this machine", Version: []string{"--version"}},
		{Name: "runc", Use: "running the steps of a build", Package: "runc", Version: []string{"--version"}},
		{Name: "syft", Use: "listing what images are made of", Version: []string{"--version"}},
		{Name: "unshare", Use: "keeping buildkitd's processes and mounts together", Package: "util-linux", Version: []string{"--version"}},
	}
}

// lookup is the program of that name; one that is not listed is taken to be
// on PATH or nowhere.
func lookup(name string) Program {
	for _, p := range Programs() {
		if p.Name == name {
			return p
		}
	}
	return Program{Name: name}
}

// HowToGet is the command that brings the program, for people; bin is the
// folder that it was looked for in, below the repository they work in.
func (p Program) HowToGet(bin string) string {
	if p.Package == "" {
		return compile(bin)
	}
	return "apt-get install -y --no-install-recommends " + p.Package
}

// Module is the one whose checkout has a Makefile that compiles the programs
// which no package brings.
const Module = "github.com/rootfsgen/rootfsgen"

// compile is how the programs that no package brings are made. bin is
// .cache/bin of the repository at hand, which is rarely that of Module.
func compile(bin string) string {
	if bin != "" {
		goMod, err := os.ReadFile(filepath.Join(bin, "..", "..", "tools", "go.mod"))
		if first, _, _ := strings.Cut(string(goMod), "\n"); err == nil && strings.TrimSpace(first) == "module "+Module+"/tools" {
			return "make tools"
		}
	}
	return "rootfsrun tools install"
}

// Find returns the path of a program: in bin, which may be empty, else on
// PATH, else in the folders of a system's administrator, which PATH may lack.
// The error is a *MissingError.
func Find(bin, name string) (string, error) {
	p := lookup(name)
	if p.File != "" {
		if _, err := os.Stat(p.File); err != nil {
			return "", &MissingError{Programs: []Program{p}, Bin: bin}
		}
		return p.File, nil
	}
	if bin != "" {
		path := filepath.Join(bin, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	for _, candidate := range []string{name, "/usr/local/sbin/" + name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := tool.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{Programs: []Program{p}, Bin: bin}
}

// FindAll finds every named program, in order. All that are missing are in
// one *MissingError.
func FindAll(bin string, names ...string) ([]string, error) {
	paths := make([]string, 0, len(names))
	missing := &MissingError{Bin: bin}
	for _, name := range names {
		path, err := Find(bin, name)
		if m, ok := errors.AsType[*MissingError](err); ok {
			missing.Programs = append(missing.Programs, m.Programs...)
		}
		paths = append(paths, path)
	}
	if len(missing.Programs) > 0 {
		return nil, missing
	}
	return paths, nil
}

// Path is the value of PATH for a program that starts others: bin first, then
// this process's own, then the administrator's folders.
func Path(bin string) string {
	parts := []string{os.Getenv("PATH"), "/usr/local/sbin", "/usr/sbin", "/sbin"}
	if bin != "" {
		parts = append([]string{bin}, parts...)
	}
	return strings.Join(parts, ":")
}

// MissingError is programs that are not on this machine.
type MissingError struct {
	Programs []Program // in the order in which they were asked for
	Bin      string    // the folder that was looked in beside PATH, empty for none
}

// Error names each program and, on a line each, the commands that bring them.
func (e *MissingError) Error() string {
	var b strings.Builder
	b.WriteString("missing on this machine:")
	var built bool
	var packages []string
	for _, p := range e.Programs {
		fmt.Fprintf(&b, "\n  %s", p.Name)
		if p.Use != "" {
			fmt.Fprintf(&b, " (%s)", p.Use)
		}
		if p.Package == "" {
			built = true
		} else {
			packages = append(packages, p.Package)
		}
	}
	b.WriteString("\nhint: to get them:")
	if built {
		b.WriteString("\n    " + compile(e.Bin))
	}
	if len(packages) > 0 {
		b.WriteString("\n    apt-get install -y --no-install-recommends " + strings.Join(packages, " "))
	}
	return b.String()
}

// ExitCode is that of a failure: trying again brings no program.
func (e *MissingError) ExitCode() int { return 1 }
