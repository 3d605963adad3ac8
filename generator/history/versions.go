package history

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Versions are the contents that a file had: what is staged, then what the
// commits of any branch or tag hold, the newest first. Contents that are the
// same come once. A path that git never saw has none.
func (r *Repo) Versions(ctx context.Context, path string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		ids, err := r.versionIDs(ctx, path)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, id := range ids {
			content, err := r.blob(ctx, id)
			if !yield(content, err) || err != nil {
				return
			}
		}
	}
}

func (r *Repo) versionIDs(ctx context.Context, path string) ([]string, error) {
	var ids []string
	add := func(id string) {
		if strings.Trim(id, "0") != "" && isObjectID(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	staged, err := r.git(ctx, nil, nil, "--literal-pathspecs", "ls-files", "--stage", "--", path)
	if err != nil {
		return nil, fmt.Errorf("looking for earlier contents of %s: %w", path, err)
	}
	for _, line := range lines(staged) {
		if f := strings.Fields(line); len(f) > 1 { // mode, id, stage, path
			add(f[1])
		}
	}
	past, err := r.git(ctx, nil, nil, "--literal-pathspecs", "log", "--all", "--full-history", "-m", "--format=", "--raw", "--no-abbrev", "--no-renames", "--", path)
	if err != nil {
		return nil, fmt.Errorf("looking for earlier contents of %s: %w", path, err)
	}
	for _, line := range lines(past) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasPrefix(f[0], ":") { // modes, old id, new id, status, path
			add(f[3])
			add(f[2])
		}
	}
	return ids, nil
}
