package gencmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/download"
	"github.com/rootfsgen/rootfsgen/runtime/release"
)

// pinned is what lock --programs --json prints.
type pinned struct {
	File    string            `json:"file"` // from the root of the repository, or as it was given
	Changed bool              `json:"changed"`
	Version string            `json:"version"`
	URL     string            `json:"url"`
	Commit  string            `json:"commit"`
	SHA256  map[string]string `json:"sha256"`
}

// releaseForm is how the version of a release begins: anything else is looked
// for in vain.
var releaseForm = regexp.MustCompile(`^v?[0-9]`)

// runLockPrograms writes a release's version and digests into the settings.
func runLockPrograms(ctx context.Context, a *app.App, o lockOptions) error {
	f, err := openSettings(ctx, a)
	if err != nil {
		return err
	}
	want := model.Programs{URL: cmp.Or(o.url, f.settings.Programs.URL, model.ProgramsURL)}
	switch {
	case len(o.names) > 1:
		return app.Fail(app.ExitUsage, errors.New("--programs takes one version"))
	case len(o.names) == 1:
		if want.Version = o.names[0]; !releaseForm.MatchString(want.Version) {
			return app.Fail(app.ExitUsage, fmt.Errorf("invalid version %q: expected that of a release, such as v1.2.3", want.Version))
		}
	case app.Released() != "":
		want.Version = app.Released()
	case f.settings.Programs.Version != "":
		want.Version = f.settings.Programs.Version
	default:
		return app.Fail(app.ExitUsage, fmt.Errorf("name a release, for example \"rootfsgen lock --programs v1.2.3\": this program (%s) is of none", app.Version()))
	}
	if err := errors.Join(model.CheckProgramsVersion(want.Version), model.CheckProgramsURL(want.URL)); err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	client, err := f.client(a)
	if err != nil {
		return err
	}
	p, err := release.Pin(ctx, client, want)
	if err != nil {
		return fmt.Errorf("reading release %s: %w", want.Version, err)
	}
	text, err := source.WritePrograms(f.content, p)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	r := pinned{File: f.name, Changed: !bytes.Equal(text, f.content), Version: p.Version, URL: p.URL, Commit: p.Commit, SHA256: p.SHA256}
	if r.Changed && !o.check {
		if err := replace(f.path, text); err != nil {
			return err
		}
	}
	if err := printPinned(a, r, o.check); err != nil {
		return err
	}
	if r.Changed && o.check {
		return app.Fail(app.ExitDrift, nil)
	}
	return nil
}

func printPinned(a *app.App, r pinned, check bool) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	done := "nothing to change"
	switch {
	case r.Changed && check:
		done = "would change"
	case r.Changed:
		done = "wrote; now run rootfsgen generate"
	}
	_, err := fmt.Fprintf(a.Out, "%s: programs %s: %s\n", r.File, r.Version, done)
	return err
}

// settingsOnDisk is rootfsgen.yaml as it lies on the disk.
type settingsOnDisk struct {
	name     string // for people
	path     string
	root     string // of the repository
	content  []byte
	settings model.Settings
}

// openSettings reads the settings, and nothing of the fleet: a release is
// pinned before anything else works.
func openSettings(ctx context.Context, a *app.App) (f settingsOnDisk, err error) {
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, repo.Close()) }()
	f.root = repo.Root()
	if f.path, err = settingsPath(a, f.root); err != nil {
		return f, err
	}
	if f.content, err = os.ReadFile(f.path); err != nil {
		return f, app.Unread("--config", err)
	}
	dir := "."
	f.name = a.Config
	if rel, err := filepath.Rel(f.root, f.path); err == nil && filepath.IsLocal(rel) {
		f.name, dir = filepath.ToSlash(rel), filepath.ToSlash(filepath.Dir(rel))
	}
	settings, list := source.ReadSettings(f.name, dir, f.content)
	f.settings = settings
	return f, list.Err()
}

// settingsPath is the file that was named, else the nearest above the working
// directory.
func settingsPath(a *app.App, root string) (string, error) {
	if a.Config != "" && a.Config != source.DefaultConfig {
		if filepath.IsAbs(a.Config) {
			return a.Config, nil
		}
		return filepath.Join(a.Dir, a.Config), nil
	}
	dir, err := filepath.Abs(a.Dir)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		file := filepath.Join(d, source.DefaultConfig)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		if d == root || d == filepath.Dir(d) || !strings.HasPrefix(d, root) {
			return "", fmt.Errorf("there is no %s: begin with rootfsgen init", source.DefaultConfig)
		}
	}
}

// client reaches the world as the settings say.
func (f settingsOnDisk) client(a *app.App) (*download.Client, error) {
	o := download.Options{Log: a.Log}
	if ca := f.settings.Network.CA; ca != "" {
		var err error
		if o.Authorities, err = os.ReadFile(filepath.Join(f.root, filepath.FromSlash(ca))); err != nil {
			return nil, fmt.Errorf("reading network.ca: %w", err)
		}
	}
	return download.New(o)
}

// replace writes a file anew in one step, with its own mode.
func replace(path string, content []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), ".rootfsgen-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // is gone where it was put in place
	_, err = part.Write(content)
	err = errors.Join(err, part.Chmod(info.Mode().Perm()), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
