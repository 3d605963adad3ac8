package offer

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
	"github.com/rootfsgen/rootfsgen/runtime/spot"
)

// Runs finds what was run of a commit.
type Runs interface {
	Tried(ctx context.Context, commit string) ([]*forge.Run, error)
}

// Tried is what was offered last, and what came of it.
type Tried struct {
	Commit string   `json:"commit"` // empty where nothing is offered
	File   []byte   `json:"-"`      // the offered file, nil where the branch does not have it
	Failed []string `json:"failed"` // the images whose jobs failed, as jobs call them, sorted
}

// Try reads a branch that is offered, one of its files, and what failed with
// it. What was lost with its machine, or cancelled, has not failed.
func Try(ctx context.Context, r *gitremote.Remote, runs Runs, branch, file string) (*Tried, error) {
	at, err := r.Address(ctx)
	if err != nil {
		return nil, err
	}
	t := &Tried{Failed: []string{}}
	if t.Commit, err = r.Head(ctx, at, branch); err != nil || t.Commit == "" {
		return t, err
	}
	if err := r.Fetch(ctx, at, branch, t.Commit, depth(ctx, r)); err != nil {
		return nil, err
	}
	if r.Git("cat-file", "-e", t.Commit+":"+file).Run(ctx) == nil {
		if t.File, err = r.Git("show", t.Commit+":"+file).Output(ctx); err != nil {
			return nil, fmt.Errorf("reading what is offered: %w", err)
		}
	}
	tried, err := runs.Tried(ctx, t.Commit)
	if err != nil {
		return nil, err
	}
	for _, run := range tried {
		for _, j := range spot.Judge(run) {
			if image := imageOf(j.Name); image != "" && j.Verdict == spot.Failed {
				t.Failed = append(t.Failed, image)
			}
		}
	}
	slices.Sort(t.Failed)
	t.Failed = slices.Compact(t.Failed)
	return t, nil
}

var (
	// "fleet / build python / linux/amd64", "fleet / merge python / index"
	hubJob = regexp.MustCompile(`(?:^|/ )(?:build|merge) ([a-z0-9][a-z0-9._-]*)(?: /|$)`)
	// "build:python:amd64", "merge:python", and in waves "build:1.1:amd64: [python, ...]"
	labJob  = regexp.MustCompile(`^(?:build|test|merge):([a-z0-9][a-z0-9._-]*)(?::(?:amd64|arm64))?$`)
	labWave = regexp.MustCompile(`^(?:build|test|merge):[0-9]+\.[0-9]+\S*: \[([a-z0-9][a-z0-9._-]*)[,\]]`)
)

// imageOf is the image that a job of ours is about, empty for any other job.
func imageOf(job string) string {
	for _, form := range []*regexp.Regexp{hubJob, labWave, labJob} {
		if m := form.FindStringSubmatch(strings.TrimSpace(job)); m != nil {
			return m[1]
		}
	}
	return ""
}
