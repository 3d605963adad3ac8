// Package release reads a published release of these programs: which files it
// has, what their SHA-256 is, and which commit they were made from.
package release

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/download"
)

// The longest files that are read, in bytes.
const (
	maxSums    = 1 << 20
	maxProgram = 200 << 20
)

// Pin reads the release whose Version and URL are given. Each of its files is
// fetched once, and must be what SHA256SUMS beside it says.
func Pin(ctx context.Context, c *download.Client, p model.Programs) (model.Programs, error) {
	if err := errors.Join(model.CheckProgramsVersion(p.Version), model.CheckProgramsURL(p.URL)); err != nil {
		return p, err
	}
	content, err := c.Bytes(ctx, p.Sums(), maxSums)
	if err != nil {
		return p, err
	}
	sums := parse(content)
	dir, err := os.MkdirTemp("", "rootfsgen-release-")
	if err != nil {
		return p, fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // is of no use to anybody
	p.SHA256, p.Commit = map[string]string{}, ""
	commits := map[string]bool{}
	for _, program := range model.ProgramNames() {
		for _, arch := range model.ProgramArchs() {
			address := p.Address(program, arch)
			name := address[strings.LastIndex(address, "/")+1:]
			sum := sums[name]
			if sum == "" {
				return p, fmt.Errorf("%s names no file %s", p.Sums(), name)
			}
			key := model.ProgramKey(program, arch)
			file := filepath.Join(dir, key)
			if err := c.File(ctx, address, file, sum, maxProgram, 0o600); err != nil {
				return p, err
			}
			p.SHA256[key] = sum
			commits[commitOf(file)] = true
		}
	}
	if len(commits) == 1 {
		for c := range commits {
			p.Commit = c
		}
	}
	return p, nil
}

// sumLine is a line as sha256sum writes it.
var sumLine = regexp.MustCompile(`^([0-9a-f]{64})[ \t]+\*?([^\s/]+)$`)

// parse reads SHA256SUMS: digests by file name.
func parse(content []byte) map[string]string {
	sums := map[string]string{}
	for line := range bytes.Lines(content) {
		if m := sumLine.FindSubmatch(bytes.TrimRight(line, "\r\n")); m != nil {
			sums[string(m[2])] = string(m[1])
		}
	}
	return sums
}

// commitOf is the commit that a program says it was made from, empty where it
// says none, or was made from uncommitted work.
func commitOf(file string) string {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return ""
	}
	commit := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.modified" && s.Value != "false":
			return ""
		case s.Key == "vcs.revision":
			commit = s.Value
		}
	}
	return commit
}
