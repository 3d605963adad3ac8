package tools

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// goSettings are the variables by which people tell Go where modules come from.
var goSettings = []string{"GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GOFLAGS", "GOTOOLCHAIN", "GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "NETRC"}

// compileModule makes the program with the Go of this machine. The module must have
// the pinned sum; what it requires is verified by Go's checksum database.
func compileModule(ctx context.Context, p Pinned, bin string, progress io.Writer) error {
	program, err := Find("", "go")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(bin, ".compile-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there is of no use
	env := []string{"CGO_ENABLED=0", "GOWORK=off"}
	for _, name := range goSettings {
		if v, set := os.LookupEnv(name); set {
			env = append(env, name+"="+v)
		}
	}
	run := func(args ...string) error {
		return tool.Command{Name: program, Args: args, Dir: dir, Env: env, Stdout: progress, Stderr: progress}.Run(ctx)
	}
	if err := run("mod", "init", "rootfsrun.invalid/tools"); err != nil {
		return err
	}
	for _, r := range p.Replace {
		if err := run("mod", "edit", "-replace", r); err != nil {
			return err
		}
	}
	pkg := p.Module + "/" + p.Package
	if err := run("get", pkg+"@"+p.Version); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return fmt.Errorf("reading the sums of modules: %w", err)
	}
	if want := p.Module + " " + p.Version + " " + p.Sum + "\n"; !bytes.Contains(append([]byte("\n"), sums...), []byte("\n"+want)) {
		return fmt.Errorf("module %s@%s is not the pinned one: its sum is not %s", p.Module, p.Version, p.Sum)
	}
	if err := run("build", "-trimpath", "-ldflags", strings.TrimSpace("-s -w "+p.Flags), "-o", "program", pkg); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "program"), filepath.Join(bin, p.Name)); err != nil {
		return fmt.Errorf("putting %s in place: %w", p.Name, err)
	}
	return nil
}
