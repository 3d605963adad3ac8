package build

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

// bytes makes the target and pushes it by digest.
func (j *job) bytes(ctx context.Context) (model.Digest, error) {
	switch b := j.entry.Recipe.Builder; b {
	case model.BuilderDockerfile:
		return j.dockerfile(ctx)
	case model.BuilderDebian:
		return j.debian(ctx)
	default:
		return "", fmt.Errorf("building %s: unknown builder %q: this program may be older than the plan", j.entry.ID(), b)
	}
}

func (j *job) dockerfile(ctx context.Context) (model.Digest, error) {
	r := j.entry.Recipe
	if r.Dockerfile == nil {
		return "", fmt.Errorf("building %s: the plan names no Dockerfile", j.entry.ID())
	}
	secrets, err := j.secrets()
	if err != nil {
		return "", err
	}
	content, err := gitcontext.ReadAll(ctx, j.Objects, r.Dockerfile.OID)
	if err != nil {
		return "", fmt.Errorf("reading %s from git: %w", r.Dockerfile.Path, err)
	}
	if content, err = r.Rewritten(content); err != nil {
		return "", fmt.Errorf("building %s: %w", j.entry.ID(), err)
	}
	files, err := gitcontext.New(ctx, j.Objects, r.Files)
	if err != nil {
		return "", fmt.Errorf("building %s: %w", j.entry.ID(), err)
	}
	folders, err := j.folders(ctx)
	if err != nil {
		return "", err
	}
	client, err := j.BuildKit(ctx)
	if err != nil {
		return "", err
	}
	if err := j.triggers(ctx, client); err != nil {
		return "", err
	}
	return client.Build(ctx, buildkit.Request{
		Name: j.entry.ID().String(), Repository: j.repo, Platform: j.entry.Platform,
		Dockerfile: content, Path: r.Dockerfile.Path, Files: files,
		Stage: r.Stage, Args: r.Args, Secrets: secrets, Contexts: j.inputs.contexts, Folders: folders, Syntax: r.Syntax,
		NoCache:  asked(j.entry),
		Progress: buildkit.Progress{Mode: j.Progress, Out: j.Output, Prefix: j.prefix()},
	})
}

// folders are the named contexts that are folders of the tree.
func (j *job) folders(ctx context.Context) ([]buildkit.Folder, error) {
	var out []buildkit.Folder
	for _, c := range j.entry.Recipe.Contexts {
		if c.Folder == "" {
			continue
		}
		files, err := gitcontext.New(ctx, j.Objects, c.Files)
		if err != nil {
			return nil, fmt.Errorf("building %s: the context %s: %w", j.entry.ID(), c.Ref, err)
		}
		out = append(out, buildkit.Folder{Name: c.Ref, Files: files})
	}
	return out, nil
}

// triggers refuses a base with instructions that the plan could not see. They
// could copy whatever files of the context are there, and would not find those
// that no other instruction reads.
func (j *job) triggers(ctx context.Context, client *buildkit.Client) error {
	for _, c := range j.entry.Recipe.Contexts {
		at := slices.IndexFunc(j.inputs.contexts, func(b buildkit.Context) bool { return b.Ref == c.Ref })
		if !c.Inherits || at < 0 {
			continue
		}
		platform := j.entry.Platform
		if _, written, found := strings.Cut(c.Ref, "::"); found {
			platform.OS, platform.Arch, _ = strings.Cut(written, "/")
		}
		all, err := client.Triggers(ctx, j.inputs.contexts[at].Source, platform)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return fmt.Errorf("building %s: its base %s has an ONBUILD %q, which the plan did not know of\nhint: run 'rootfsgen lock', and commit images.lock",
				j.entry.ID(), reference(named(c)), all[0])
		}
	}
	return nil
}

// prefix is what stands before each line of progress.
func (j *job) prefix() string {
	if !j.Attribute {
		return ""
	}
	return j.entry.ID().String() + " | "
}

func (j *job) debian(ctx context.Context) (model.Digest, error) {
	r := j.entry.Recipe
	if r.Debian == nil {
		return "", fmt.Errorf("building %s: the plan does not say from which suite", j.entry.ID())
	}
	work := filepath.Join(j.Cache, "work")
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", fmt.Errorf("making the folder of the build: %w", err)
	}
	dir, err := os.MkdirTemp(work, j.entry.Image+"-")
	if err != nil {
		return "", fmt.Errorf("making the folder of the build: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is below .cache
	var shown io.Writer
	if j.Output != nil && j.Progress != "quiet" && j.Progress != "rawjson" {
		lines := buildkit.Prefixed(j.Output, j.prefix())
		defer func() { _ = lines.Close() }() // progress that nobody sees is no failure
		shown = lines
	}
	img, err := j.Debian(ctx, debian.Request{
		Debian: *r.Debian, Platform: j.entry.Platform, Packages: r.Packages,
		WorkDir: dir, CacheDir: filepath.Join(j.Cache, "debian"), Progress: shown,
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("building %s: %w", j.entry.ID(), err)
	}
	return j.Registry.PushImage(ctx, j.repo, img)
}
