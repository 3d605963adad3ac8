package locking

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mirrors are the registries that are asked before another one, by its host.
// What is locked is named after the image's own registry all the same.
type Mirrors map[string][]string

// dockerHub is the registry that Docker's daemon has mirrors of, and of no
// other.
const dockerHub = "docker.io"

// DaemonFiles are where Docker's daemon is configured: for the machine, for a
// daemon without root, and on a desk.
func DaemonFiles(home string) []string {
	files := []string{"/etc/docker/daemon.json"}
	if home != "" {
		files = append(files, filepath.Join(home, ".config", "docker", "daemon.json"), filepath.Join(home, ".docker", "daemon.json"))
	}
	return files
}

// ReadMirrors reads registry-mirrors out of those files that are there and
// may be read.
func ReadMirrors(files ...string) (Mirrors, error) {
	m := Mirrors{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading mirrors: %w", err)
		}
		var daemon struct {
			Mirrors []string `json:"registry-mirrors"`
		}
		if err := json.Unmarshal(content, &daemon); err != nil {
			return nil, fmt.Errorf("reading mirrors: %s: %w", file, err)
		}
		for _, mirror := range daemon.Mirrors {
			u, err := url.Parse(mirror)
			if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
				return nil, fmt.Errorf("reading mirrors: %s: registry-mirrors: expected addresses such as https://mirror.example.com", file)
			}
			if !slices.Contains(m[dockerHub], u.Host) {
				m[dockerHub] = append(m[dockerHub], u.Host)
			}
		}
	}
	return m, nil
}

// Of are the repositories that mirror one, in the order to ask in.
func (m Mirrors) Of(repository string) []string {
	host, path, _ := strings.Cut(repository, "/")
	var out []string
	for _, mirror := range m[host] {
		out = append(out, mirror+"/"+path)
	}
	return out
}
