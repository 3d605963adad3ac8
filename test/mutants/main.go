// Command mutants shows that no test of a trap is empty. Each patch in
// testdata/mutants undoes what keeps the program out of one trap; applied to a
// copy of the tree, it must make the test that is named after the trap fail.
//
//	go run ./test/mutants [NUMBER...]
//
// A patch that does not apply, a mutant that does not compile, a test that does
// not run and a test that crashes are errors, each named: none of them shows
// anything.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func main() {
	workers := flag.Int("j", min(2, runtime.NumCPU()), "mutants that are tried at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root, err := module(ctx)
	if err == nil {
		err = run(ctx, os.Stdout, root, *workers, flag.Args())
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries the mutants of a module with the given numbers, all where none are
// given.
func run(ctx context.Context, out io.Writer, root string, workers int, numbers []string) (err error) {
	mutants, err := find(root)
	if err != nil {
		return err
	}
	if mutants, err = choose(mutants, numbers); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rootfsgen-mutants-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copies := make(chan *tree, max(1, workers))
	for n := range cap(copies) {
		t, err := copyTree(ctx, root, fmt.Sprintf("%s/%d", dir, n))
		if err != nil {
			return err
		}
		copies <- t
	}
	if err := sound(ctx, out, copies, mutants); err != nil {
		return err
	}
	return try(ctx, out, copies, mutants)
}

// sound shows that the tests pass where nothing is undone.
func sound(ctx context.Context, out io.Writer, copies chan *tree, mutants []mutant) error {
	t := <-copies
	defer func() { copies <- t }()
	start := time.Now()
	v, err := t.judge(ctx, mutants)
	if err != nil {
		return err
	}
	if v.kind != survived {
		return fmt.Errorf("without any patch: %s: %s", v.kind, v.detail)
	}
	_, err = fmt.Fprintf(out, "without any patch every test passes (%s)\n", time.Since(start).Round(100*time.Millisecond))
	return err
}

// try tries each mutant in a copy and prints a line for it, in order.
func try(ctx context.Context, out io.Writer, copies chan *tree, mutants []mutant) error {
	lines := make([]chan string, len(mutants))
	wrong := make([]bool, len(mutants))
	for i := range lines {
		lines[i] = make(chan string, 1)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(cap(copies) + 1)
	g.Go(func() error {
		for _, line := range lines {
			select {
			case s := <-line:
				if _, err := fmt.Fprintln(out, s); err != nil {
					return err
				}
			case <-gctx.Done():
				return context.Cause(gctx)
			}
		}
		return nil
	})
	for i, m := range mutants {
		g.Go(func() error {
			t := <-copies
			defer func() { copies <- t }()
			start := time.Now()
			v, err := t.try(gctx, m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.patch, err)
			}
			wrong[i] = v.kind != caught
			lines[i] <- fmt.Sprintf("%s  %-18s %4.1fs  %s", m.number, v.kind, time.Since(start).Seconds(), cmp.Or(v.detail, m.test))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if n := len(slices.DeleteFunc(wrong, func(w bool) bool { return !w })); n > 0 {
		return fmt.Errorf("%d of %d mutants were not caught", n, len(mutants))
	}
	_, err := fmt.Fprintf(out, "all %d mutants were caught\n", len(mutants))
	return err
}
