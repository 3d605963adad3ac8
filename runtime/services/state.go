package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/runtime/flock"
)

// record is state.json: what was started.
type record struct {
	Version   int     `json:"version"`
	Buildkitd *daemon `json:"buildkitd,omitempty"`
	Registry  *daemon `json:"registry,omitempty"`
	Port      int     `json:"port,omitempty"` // the registry's last one, kept while it is stopped
}

// daemon is one service that was started.
type daemon struct {
	process
	Address  string `json:"address"`            // for clients
	Instance string `json:"instance,omitempty"` // what the registry says of itself, so that another's is not taken for it
}

// layout is where everything lies. All paths are absolute.
type layout struct {
	dir string
}

func newLayout(cache string) (layout, error) {
	abs, err := filepath.Abs(cache)
	if err != nil {
		return layout{}, fmt.Errorf("finding the services' folder: %w", err)
	}
	return layout{dir: filepath.Join(abs, "services")}, nil
}

func (l layout) path(name string) string { return filepath.Join(l.dir, name) }

// read returns the state. One that is missing or cannot be understood is
// empty: what it named is then found among the running processes.
func (l layout) read() record {
	var r record
	b, err := os.ReadFile(l.path("state.json"))
	if err != nil || json.Unmarshal(b, &r) != nil || r.Version != 1 {
		return record{Version: 1}
	}
	return r
}

// write replaces the state in one step.
func (l layout) write(r record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the services' state: %w", err)
	}
	temporary := l.path("state.json.new")
	if err := os.WriteFile(temporary, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the services' state: %w", err)
	}
	if err := os.Rename(temporary, l.path("state.json")); err != nil {
		return fmt.Errorf("writing the services' state: %w", err)
	}
	return nil
}

// lock makes this the only process that starts or stops these services.
func (l layout) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the services' folder: %w", err)
	}
	return flock.Lock(ctx, l.path("lock"))
}

// logFile opens the log of a service anew; the last one is kept beside it.
func (l layout) logFile(name string) (*os.File, error) {
	path := l.path(name + ".log")
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keeping the last log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	return f, nil
}

// mostLog is how long the log of a service that runs may get, in bytes.
const mostLog = 1 << 20

// trimLog empties the log of a running service that has grown long; what it
// held is kept beside it. The service appends, so it goes on at the start.
func (l layout) trimLog(name string) error {
	path := l.path(name + ".log")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() <= mostLog {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the log: %w", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("keeping the last log: %w", err)
	}
	if err := os.WriteFile(path+".1", b[max(0, len(b)-mostLog):], 0o600); err != nil {
		return fmt.Errorf("keeping the last log: %w", err)
	}
	if err := os.Truncate(path, 0); err != nil {
		return fmt.Errorf("emptying the log: %w", err)
	}
	return nil
}

// logTail is the end of a service's log, for an error.
func (l layout) logTail(name string) string {
	const most = 2000
	b, err := os.ReadFile(l.path(name + ".log"))
	if err != nil {
		return ""
	}
	return string(b[max(0, len(b)-most):])
}
