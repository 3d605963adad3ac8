package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Where the mutants and the tests lie, from the module's root.
const (
	patchDir = "testdata/mutants"
	testDir  = "test/traps"
)

// mutant is one patch and the test that must notice it.
type mutant struct {
	number string // "07"
	patch  string // path from the module's root
	test   string // "TestTrap07SharedFileOutside"
}

// module is the root of the module in the working directory.
func module(ctx context.Context) (string, error) {
	out, err := tool.Command{Name: "go", Args: []string{"list", "-m", "-f", "{{.Dir}}"}, Env: environ()}.Output(ctx)
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

var (
	testName  = regexp.MustCompile(`(?m)^func (TestTrap(\d\d)\w*)\(`)
	patchName = regexp.MustCompile(`^(\d\d)\.patch$`)
)

// find pairs patches and tests. One without the other, and two tests of one
// number, are errors.
func find(root string) ([]mutant, error) {
	tests := map[string]string{}
	files, err := filepath.Glob(filepath.Join(root, testDir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, m := range testName.FindAllStringSubmatch(string(text), -1) {
			if other, twice := tests[m[2]]; twice {
				return nil, fmt.Errorf("trap %s has two tests, %s and %s", m[2], other, m[1])
			}
			tests[m[2]] = m[1]
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, patchDir))
	if err != nil {
		return nil, err
	}
	var out []mutant
	for _, e := range entries {
		m := patchName.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s/%s is no NN.patch", patchDir, e.Name())
		}
		if tests[m[1]] == "" {
			return nil, fmt.Errorf("%s/%s has no test TestTrap%s... in %s", patchDir, e.Name(), m[1], testDir)
		}
		out = append(out, mutant{number: m[1], patch: patchDir + "/" + e.Name(), test: tests[m[1]]})
		delete(tests, m[1])
	}
	for number, test := range tests {
		return nil, fmt.Errorf("%s has no patch %s/%s.patch", test, patchDir, number)
	}
	return out, nil
}

// choose keeps the mutants with these numbers, all where none are given.
func choose(all []mutant, numbers []string) ([]mutant, error) {
	if len(numbers) == 0 {
		return all, nil
	}
	var out []mutant
	for _, n := range numbers {
		i := slices.IndexFunc(all, func(m mutant) bool { return m.number == fmt.Sprintf("%02s", n) })
		if i < 0 {
			return nil, fmt.Errorf("there is no mutant %s", n)
		}
		out = append(out, all[i])
	}
	return out, nil
}
