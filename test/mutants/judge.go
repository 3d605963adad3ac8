package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// kind is how a mutant fared.
type kind string

const (
	caught      kind = "caught"            // the test failed, as it must
	survived    kind = "SURVIVED"          // the test passed
	noPatch     kind = "DOES NOT APPLY"    // the code that it changes is another by now
	noCompile   kind = "DOES NOT COMPILE"  //
	testMissing kind = "TEST DOES NOT RUN" //
	crashed     kind = "TEST CRASHED"      // or took too long
)

// verdict is a kind and what there is to say about it, on one line.
type verdict struct {
	kind   kind
	detail string
}

// limit is how long one test program may take.
const limit = "3m"

// try applies a mutant, runs its test and takes the patch back.
func (t *tree) try(ctx context.Context, m mutant) (v verdict, err error) {
	touched, err := t.apply(ctx, m.patch)
	if exit, failed := errors.AsType[*tool.ExitError](err); failed {
		return verdict{noPatch, m.patch + " must be made anew: " + oneLine(exit.Tail)}, nil
	}
	if err != nil {
		return v, err
	}
	defer func() {
		for _, file := range touched {
			err = errors.Join(err, t.restore(file))
		}
	}()
	return t.judge(ctx, []mutant{m})
}

// judge runs the tests of mutants on the copy as it is.
func (t *tree) judge(ctx context.Context, mutants []mutant) (verdict, error) {
	binary := t.dir + ".test"
	_, err := tool.Command{
		Name: "go", Args: []string{"test", "-c", "-trimpath", "-vet=off", "-ldflags", "-s -w", "-o", binary, "./" + testDir},
		Dir: t.dir, Env: environ(),
	}.Output(ctx)
	if exit, failed := errors.AsType[*tool.ExitError](err); failed {
		return verdict{noCompile, oneLine(exit.Tail)}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("compiling the tests: %w", err)
	}
	names := make([]string, len(mutants))
	for i, m := range mutants {
		names[i] = m.test
	}
	var out bytes.Buffer
	err = tool.Command{
		Name: binary, Args: []string{"-test.v", "-test.timeout", limit, "-test.run", "^(" + strings.Join(names, "|") + ")$"},
		Dir: filepath.Join(t.dir, testDir), Env: environ(), Stdout: &out,
	}.Run(ctx)
	exit, failed := errors.AsType[*tool.ExitError](err)
	switch {
	case err != nil && !failed:
		return verdict{}, fmt.Errorf("running the tests: %w", err)
	case failed && exit.Code != 1: // what a failed test ends with
		return verdict{crashed, oneLine(exit.Tail)}, nil
	}
	return read(out.String(), names), nil
}

var failure = regexp.MustCompile(`(?m)^\s+\w+_test\.go:\d+: .*`)

// read says what the output of a test program means.
func read(out string, names []string) verdict {
	complaint := oneLine(failure.FindString(out))
	if _, what, found := strings.Cut(out, "compiling rootfsgen: "); found {
		return verdict{noCompile, oneLine(what)}
	}
	failed := ""
	for _, name := range names {
		switch {
		case strings.Contains(out, "--- FAIL: "+name+" "):
			failed = name
		case !strings.Contains(out, "--- PASS: "+name+" "):
			return verdict{testMissing, name + ": " + oneLine(out)}
		}
	}
	if failed == "" {
		return verdict{survived, ""}
	}
	return verdict{caught, failed + ": " + complaint}
}

// oneLine is the beginning of what a program said.
func oneLine(s string) string {
	const most = 160
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// environ is what the compiler sees: its own settings, and no part of a
// repository or a C compiler, so that every copy shares one cache.
func environ() []string {
	env := []string{"CGO_ENABLED=0", "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false"), "GOWORK=off"}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(v, "GO") && name != "GOFLAGS" && name != "GOWORK" {
			env = append(env, v)
		}
	}
	return env
}
