package history

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Side is one of the texts that Merge joins, with the name that it has between
// conflict markers.
type Side struct {
	Name string
	Text []byte
}

// mostConflicts is the largest number of conflicts that git tells by its exit
// code; anything above is an error of its own.
const mostConflicts = 127

// Merge joins what two sides made of base, line by line, as git merges a file.
// Where both changed the same lines it leaves all three texts between markers,
// and conflict is true. With an empty base every line on which they do not
// agree is such a place.
func (r *Repo) Merge(ctx context.Context, base, ours, theirs Side) (text []byte, conflict bool, err error) {
	dir, err := os.MkdirTemp("", "rootfsgen-merge-")
	if err != nil {
		return nil, false, fmt.Errorf("merging: %w", err)
	}
	defer os.RemoveAll(dir)
	args := []string{"-c", "merge.conflictStyle=merge", "merge-file", "--stdout"}
	if len(base.Text) > 0 { // else git would not take the lines apart on which both agree
		args = append(args, "--diff3")
	}
	for _, s := range []Side{ours, base, theirs} { // the order that git wants
		args = append(args, "-L", s.Name)
	}
	for i, s := range []Side{ours, base, theirs} {
		name := filepath.Join(dir, []string{"ours", "base", "theirs"}[i])
		if err := os.WriteFile(name, s.Text, 0o600); err != nil {
			return nil, false, fmt.Errorf("merging: %w", err)
		}
		args = append(args, name)
	}
	out, err := command(dir, nil, args...).Output(ctx)
	switch conflicts := code(err); {
	case err == nil:
		return out, false, nil
	case conflicts > 0 && conflicts <= mostConflicts:
		return out, true, nil
	}
	return nil, false, fmt.Errorf("merging: %w", notInstalled(err))
}
