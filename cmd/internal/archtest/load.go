package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Load lists the packages of the module that lies in dir. It compiles nothing
// and fetches nothing: a library that is missing is listed by name.
func Load(ctx context.Context, dir string) ([]Package, error) {
	module, err := golang(ctx, dir, "list", "-m")
	if err != nil {
		return nil, fmt.Errorf("asking for the module's name: %w", err)
	}
	out, err := golang(ctx, dir, "list", "-e", "-json=ImportPath,Name,GoFiles,CgoFiles,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	root := strings.TrimSpace(string(module))
	relative := func(paths []string) []string {
		var rel []string
		for _, p := range paths {
			if below, own := strings.CutPrefix(p, root+"/"); own {
				p = "./" + below
			}
			rel = append(rel, p)
		}
		slices.Sort(rel)
		return slices.Compact(rel)
	}
	var packages []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Name                                      string
			GoFiles, CgoFiles, Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading the list of packages: %w", err)
		}
		path := strings.TrimPrefix(p.ImportPath, root+"/")
		if p.ImportPath == root {
			path = "."
		}
		packages = append(packages, Package{
			Path: path, Name: p.Name, Files: slices.Concat(p.GoFiles, p.CgoFiles),
			Imports: relative(p.Imports), TestImports: relative(slices.Concat(p.TestImports, p.XTestImports)),
		})
	}
}

// golang runs the go command with the caller's own settings of Go.
func golang(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := tool.Command{Name: "go", Args: args, Dir: dir}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GO") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd.Output(ctx)
}
