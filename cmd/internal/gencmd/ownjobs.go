package gencmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// checkOwnJobs refuses people's own jobs that a forge would not start.
func checkOwnJobs(ctx context.Context, tree model.Tree, p *pipeline.Pipeline) error {
	var all []error
	for i := range p.Own {
		j := &p.Own[i]
		all = append(all,
			checkOwnFile(ctx, tree, j.Name, strings.TrimPrefix(j.GitHub, "./"), func(text []byte) error { return render.CheckOwnWorkflow(j, text) }),
			checkOwnFile(ctx, tree, j.Name, j.Include, func(text []byte) error { return render.CheckOwnHidden(j, text) }))
	}
	if err := errors.Join(all...); err != nil {
		return app.Fail(app.ExitInvalid, err)
	}
	return nil
}

// checkOwnFile checks one file of a job; an empty path is none.
func checkOwnFile(ctx context.Context, tree model.Tree, job, path string, check func([]byte) error) error {
	if path == "" {
		return nil
	}
	text, err := tree.Read(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("jobs: %s: there is no %s", job, path)
	case err != nil:
		return fmt.Errorf("jobs: %s: %w", job, err)
	}
	if err := check(text); err != nil {
		return fmt.Errorf("jobs: %s: %s: %w", job, path, err)
	}
	return nil
}
