package main

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// product is a module with one rule, and a test of it.
var product = map[string]string{
	"go.mod":     "module example.com/product\n\ngo 1.26\n",
	"product.go": "// Package product has a rule.\npackage product\n\n// Rule holds.\nfunc Rule() bool {\n\treturn true\n}\n\n// Other is nobody's business.\nfunc Other() int {\n\treturn 1\n}\n",
	"test/traps/rule_test.go": "package traps\n\nimport (\n\t\"testing\"\n\n\t\"example.com/product\"\n)\n\n" +
		"func TestTrap01Rule(t *testing.T) {\n\tif !product.Rule() {\n\t\tt.Error(\"the rule is broken\")\n\t}\n}\n",
	"testdata/mutants/01.patch": patch("\treturn true\n", "\treturn false\n"),
}

// patch changes a line of product.go.
func patch(old, now string) string {
	return "--- a/product.go\n+++ b/product.go\n@@ -5,3 +5,3 @@\n func Rule() bool {\n-" + old + "+" + now + " }\n"
}

func TestRun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		files   map[string]string // beside those of product
		numbers []string
		out     string // part of what is printed
		err     string // part of the error; empty is none
	}{
		"caught":   {out: "01  caught"},
		"says how": {out: "TestTrap01Rule: rule_test.go:11: the rule is broken"},
		"counts":   {out: "all 1 mutants were caught"},
		"survives": {files: map[string]string{"testdata/mutants/01.patch": "--- a/product.go\n+++ b/product.go\n@@ -10,3 +10,3 @@\n func Other() int {\n-\treturn 1\n+\treturn 2\n }\n"},
			out: "01  SURVIVED", err: "1 of 1 mutants were not caught"},
		"does not apply": {files: map[string]string{"testdata/mutants/01.patch": patch("\treturn 1 == 1\n", "\treturn false\n")},
			out: "01  DOES NOT APPLY", err: "1 of 1 mutants were not caught"},
		"names what does not apply": {files: map[string]string{"testdata/mutants/01.patch": patch("\treturn 1 == 1\n", "\treturn false\n")},
			out: "testdata/mutants/01.patch must be made anew", err: "not caught"},
		"does not compile": {files: map[string]string{"testdata/mutants/01.patch": patch("\treturn true\n", "\treturn nothing\n")},
			out: "01  DOES NOT COMPILE", err: "not caught"},
		"crashes": {files: map[string]string{"testdata/mutants/01.patch": patch("\treturn true\n", "\tpanic(\"out of order\")\n")},
			out: "01  TEST CRASHED", err: "not caught"},
		"fails unpatched": {files: map[string]string{"product.go": strings.Replace(product["product.go"], "true", "false", 1)}, err: "without any patch: caught: TestTrap01Rule: rule_test.go:11"},
		"no patch":        {files: map[string]string{"test/traps/more_test.go": "package traps\n\nimport \"testing\"\n\nfunc TestTrap02More(t *testing.T) {}\n"}, err: "TestTrap02More has no patch testdata/mutants/02.patch"},
		"no test":         {files: map[string]string{"testdata/mutants/03.patch": ""}, err: "testdata/mutants/03.patch has no test TestTrap03..."},
		"two tests":       {files: map[string]string{"test/traps/more_test.go": "package traps\n\nimport \"testing\"\n\nfunc TestTrap01More(t *testing.T) {}\n"}, err: "trap 01 has two tests"},
		"a patch of a test": {files: map[string]string{"testdata/mutants/01.patch": "--- a/test/traps/rule_test.go\n+++ b/test/traps/rule_test.go\n@@ -8,3 +8,3 @@\n \n func TestTrap01Rule(t *testing.T) {\n-\tif !product.Rule() {\n+\tif product.Rule() {\n"},
			err: "it touches a test"},
		"another file":   {files: map[string]string{"testdata/mutants/readme": ""}, err: "is no NN.patch"},
		"by number":      {numbers: []string{"1"}, out: "all 1 mutants"},
		"unknown number": {numbers: []string{"7"}, err: "there is no mutant 7"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := gittest.New(t)
			r.Commit(product)
			r.Write(tt.files) // uncommitted work counts
			var out strings.Builder
			err := run(t.Context(), &out, r.Dir, 1, tt.numbers)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q\n%s", err, tt.err, out.String())
			}
			if !strings.Contains(out.String(), tt.out) {
				t.Errorf("%q is not in\n%s", tt.out, out.String())
			}
		})
	}
}

// TestTreeIsRestored tries one mutant after another in the same copy.
func TestTreeIsRestored(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(product)
	r.Write(map[string]string{
		"test/traps/two_test.go":    strings.ReplaceAll(product["test/traps/rule_test.go"], "TestTrap01Rule", "TestTrap02Again"),
		"testdata/mutants/02.patch": product["testdata/mutants/01.patch"],
	})
	var out strings.Builder
	if err := run(t.Context(), &out, r.Dir, 1, nil); err != nil || !strings.Contains(out.String(), "all 2 mutants were caught") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
