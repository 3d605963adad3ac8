// Package artifact writes build-artifacts/*.json: what a run made, for the
// programs that have always read it there.
package artifact

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Artifact is one image that was made. An index has several architectures and
// is written to <id>.json; the image of one platform has one, and is written
// to <id>-<arch>.json.
type Artifact struct {
	ImageID   string
	File      string       // what the file's name begins with; ImageID where empty
	Ref       string       // "host/repository:tag"
	Tag       string       //
	Digest    model.Digest // of the index or manifest
	Size      int64        // of what is fetched, in bytes, compressed
	Arch      Arch         //
	Index     bool         // also with one architecture
	UpdatedAt time.Time    //
}

// Arch is the architectures, "amd64" and the like.
type Arch []string

// file is the form on disk; the order of keys is the readers'.
type file struct {
	ImageID   string       `json:"image_id"`
	Ref       string       `json:"ref"`
	Tag       string       `json:"tag"`
	Digest    model.Digest `json:"digest"`
	Size      int64        `json:"size"`
	Arch      any          `json:"arch"` // a list for an index, a word for one platform
	UpdatedAt string       `json:"updated_at"`
}

// Name is the file's name in its folder.
func (a Artifact) Name() string {
	name := cmp.Or(a.File, a.ImageID)
	if a.Index || len(a.Arch) != 1 {
		return name + ".json"
	}
	return name + "-" + a.Arch[0] + ".json"
}

// Write writes the artifact to its file in dir, in one step, and makes dir
// where it is missing. The id must be a valid image name: it becomes a file's
// name.
func Write(dir string, a Artifact) error {
	for _, name := range []string{a.ImageID, cmp.Or(a.File, a.ImageID)} {
		if err := model.CheckImageName(name); err != nil {
			return fmt.Errorf("writing a build artifact: %w", err)
		}
	}
	for _, arch := range a.Arch {
		if err := model.CheckImageName(arch); err != nil {
			return fmt.Errorf("writing the build artifact of %s: architecture: %w", a.ImageID, err)
		}
	}
	f := file{
		ImageID: a.ImageID, Ref: a.Ref, Tag: a.Tag, Digest: a.Digest, Size: a.Size, Arch: []string(a.Arch),
		UpdatedAt: a.UpdatedAt.UTC().Format("2006-01-02T15:04:05.000000Z"),
	}
	if !a.Index && len(a.Arch) == 1 {
		f.Arch = a.Arch[0]
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(dir, a.Name(), append(b, '\n')); err != nil {
		return fmt.Errorf("writing the build artifact of %s: %w", a.ImageID, err)
	}
	return nil
}

// Index tells whether the file of an index in dir, whose name begins with name, speaks of this reference and
// digest. One that is not there, or cannot be read, does not.
func Index(dir, name, ref string, digest model.Digest) bool {
	if model.CheckImageName(name) != nil {
		return false
	}
	b, err := os.ReadFile(filepath.Join(dir, Artifact{File: name, Index: true}.Name()))
	var f file
	return err == nil && json.Unmarshal(b, &f) == nil && f.Ref == ref && f.Digest == digest
}

// WriteFile writes another file of a run into dir, in one step, and makes dir
// where it is missing. The name must be one below dir.
func WriteFile(dir, name string, content []byte) error {
	if filepath.Base(name) != name {
		return fmt.Errorf("writing %q: not the name of a file", name)
	}
	if err := replace(dir, name, content); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// replace writes a file so that a reader sees the old one or the new one.
func replace(dir, name string, content []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := ignored(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+name+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, name))
}

// ignored keeps the folder out of what git sees: an image whose context is the
// whole repository must not be another one after each run.
func ignored(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, ".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("*\n")
	return errors.Join(err, f.Close())
}
