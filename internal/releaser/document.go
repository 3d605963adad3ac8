package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// What lies beside the files of a release.
const (
	sumsFile       = "SHA256SUMS"
	provenanceFile = "provenance.json"
	sbomSuffix     = ".cdx.json"
	bundleSuffix   = ".sigstore.json"
)

// release is a folder with the files of one version.
type release struct {
	dir             string
	version, commit string
	origin          forge.Origin
}

// originOf asks the forge's variables; a desk says that it is one.
func originOf(env func(string) string) forge.Origin {
	j := forge.OriginOf(env)
	j.Builder = cmp.Or(j.Builder, forge.DeskBuilder)
	return j
}

// file is one of the release with its SHA-256 in hexadecimal.
type file struct{ name, sum string }

// files are all of them but those that are written here, sorted.
func (r *release) files(without ...string) ([]file, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("reading the release: %w", err)
	}
	var out []file
	for _, e := range entries {
		if slices.Contains(without, e.Name()) || strings.HasSuffix(e.Name(), bundleSuffix) {
			continue
		}
		if !e.Type().IsRegular() || !fileName.MatchString(e.Name()) {
			return nil, fmt.Errorf("%q is no file of a release", e.Name())
		}
		f, err := os.Open(filepath.Join(r.dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the release: %w", err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", e.Name(), err)
		}
		out = append(out, file{e.Name(), hex.EncodeToString(h.Sum(nil))})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no files", r.dir)
	}
	return out, nil
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// document writes what is not signed: the list of packages of each program
// without what differs from run to run, where all of it comes from, and the
// digests.
func (r *release) document() error {
	if err := model.CheckProgramsVersion(r.version); err != nil {
		return err
	}
	if !model.IsObjectID(r.commit) {
		return fmt.Errorf("invalid commit %q", r.commit)
	}
	all, err := r.files(sumsFile, provenanceFile)
	if err != nil {
		return err
	}
	for _, f := range all {
		if strings.HasSuffix(f.name, sbomSuffix) {
			if err := settle(filepath.Join(r.dir, f.name)); err != nil {
				return err
			}
		}
	}
	if all, err = r.files(sumsFile, provenanceFile); err != nil {
		return err
	}
	statement, err := json.MarshalIndent(r.statement(all), "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", provenanceFile, err)
	}
	if err := r.write(provenanceFile, append(statement, '\n')); err != nil {
		return err
	}
	if all, err = r.files(sumsFile); err != nil {
		return err
	}
	return r.write(sumsFile, sums(all))
}

// sums are the files as sha256sum writes them.
func sums(all []file) []byte {
	var b bytes.Buffer
	for _, f := range all {
		fmt.Fprintf(&b, "%s  %s\n", f.sum, f.name)
	}
	return b.Bytes()
}

func (r *release) write(name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o644); err != nil { //nolint:gosec // everybody may read a release
		return fmt.Errorf("writing the release: %w", err)
	}
	return nil
}

// settle takes the time and the number of a run out of a list of packages, so
// that the same programs have the same list.
func settle(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading the packages: %w", err)
	}
	var doc map[string]any
	if err := json.Unmarshal(content, &doc); err != nil || doc["bomFormat"] != "CycloneDX" {
		return fmt.Errorf("%s is no CycloneDX document", name)
	}
	delete(doc, "serialNumber")
	if m, found := doc["metadata"].(map[string]any); found {
		delete(m, "timestamp")
	}
	if content, err = json.MarshalIndent(doc, "", "  "); err != nil {
		return fmt.Errorf("writing the packages: %w", err)
	}
	return os.WriteFile(name, append(content, '\n'), 0o644) //nolint:gosec // everybody may read a release
}

// statement says where the files come from, as SLSA has it. No time is in it:
// that is what the signature's is for.
func (r *release) statement(all []file) map[string]any {
	subjects := make([]any, 0, len(all))
	for _, f := range all {
		subjects = append(subjects, map[string]any{"name": f.name, "digest": map[string]string{"sha256": f.sum}})
	}
	source := map[string]any{"name": "source", "digest": map[string]string{"gitCommit": r.commit}}
	if r.origin.Source != "" {
		source["uri"] = "git+" + r.origin.Source + "@refs/tags/" + r.version
	}
	run := map[string]any{"builder": map[string]string{"id": r.origin.Builder}}
	if r.origin.Address != "" {
		run["metadata"] = map[string]string{"invocationId": r.origin.Address}
	}
	return map[string]any{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1", "subject": subjects,
		"predicate": map[string]any{
			"buildDefinition": map[string]any{
				"buildType":            "https://rootfsgen.dev/release/v1",
				"externalParameters":   map[string]string{"version": r.version},
				"internalParameters":   map[string]string{"go": runtime.Version()},
				"resolvedDependencies": []any{source},
			},
			"runDetails": run,
		},
	}
}
