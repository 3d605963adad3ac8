package services

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/binfmt"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// longestSocket is what fits into a socket's address, with room to spare.
const longestSocket = 100

// How long a service may take to end after it was asked to. A buildkitd that
// is building waits for its steps, which nobody waits for any more.
const (
	askedToEnd = 10 * time.Second
	forcedEnd  = 5 * time.Second
)

// buildkitConfig is buildkitd.toml. A registry on this machine needs no entry:
// buildkitd speaks plain HTTP to 127.0.0.1.
const buildkitConfig = `root = %q

[log]
  level = "warn"

[grpc]
  address = [%q]

[otel]
  socketPath = %q

[cdi]
  disabled = true

[history]
  maxEntries = 20

[worker.containerd]
  enabled = false

[worker.oci]
  enabled = true
  snapshotter = "overlayfs"
  binary = "runc"
  networkMode = "host"
  gc = true
  reservedSpace = "5GB"
  maxUsedSpace = "20GB"
  minFreeSpace = "5%%"
`

// ownRunc gives runc's notes about running steps to this buildkitd alone: the
// steps end with it, and so must the notes.
const ownRunc = `mkdir -p /run/runc && mount -t tmpfs -o mode=0700 tmpfs /run/runc || exit
exec "$@"`

// socketFolder is where buildkitd's sockets lie: with everything else, or,
// where that path is too long for a socket, in a folder of the system's
// temporary files that is named after it.
func (l layout) socketFolder() string {
	if len(l.path("buildkitd.sock")) <= longestSocket {
		return l.dir
	}
	sum := sha256.Sum256([]byte(l.dir))
	name := fmt.Sprintf("rootfsgen-%d-%s", os.Getuid(), hex.EncodeToString(sum[:6]))
	folder := filepath.Join(os.TempDir(), name)
	if len(folder)+len("/buildkitd.sock") > longestSocket {
		folder = filepath.Join("/tmp", name)
	}
	return folder
}

// makeSocketFolder makes sure that nobody else can put a socket there.
func makeSocketFolder(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making a folder for sockets: %w", err)
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return fmt.Errorf("looking at the folder for sockets: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("folder for sockets %s belongs to somebody else", folder)
	}
	return nil
}

func (l layout) startBuildkitd(ctx context.Context, last *daemon, o Options) (*daemon, error) {
	if last.running(ctx) {
		return last, l.trimLog("buildkitd")
	}
	d, err := l.runBuildkitd(ctx, last, o)
	if err != nil {
		return nil, &Error{Service: "buildkitd", Err: err, Log: l.logTail("buildkitd")}
	}
	return d, nil
}

func (l layout) runBuildkitd(ctx context.Context, last *daemon, o Options) (*daemon, error) {
	if err := l.stopBuildkitd(ctx, last); err != nil { // one that hangs, or that nobody wrote down
		return nil, err
	}
	folder := l.socketFolder()
	if err := makeSocketFolder(folder); err != nil {
		return nil, err
	}
	socket, config := filepath.Join(folder, "buildkitd.sock"), l.path("buildkitd.toml")
	address := "unix://" + socket
	text := fmt.Sprintf(buildkitConfig, l.path("buildkit"), address, filepath.Join(folder, "otel.sock")) + o.Mirrors.config()
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing its settings: %w", err)
	}
	paths, err := tools.FindAll(o.Bin, "unshare", "buildkitd")
	if err != nil {
		return nil, err
	}
	// In namespaces of its own, killing the outermost process takes every step
	// and every mount with it.
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", ownRunc, "sh"}
	args = append(args, binfmt.Wrap(paths[1], "--config", config)...)
	return l.launch(ctx, "buildkitd", daemon{Address: address}, tool.Command{
		Name: paths[0], Args: args, Env: append([]string{"PATH=" + tools.Path(o.Bin)}, o.Env...),
	})
}

// stopBuildkitd ends the one that the state names and any that it does not,
// and removes the sockets.
func (l layout) stopBuildkitd(ctx context.Context, d *daemon) error {
	all := d.processes("unshare", l.path("buildkitd.toml"))
	for _, p := range all {
		// unshare ignores SIGTERM; its only child is buildkitd.
		for _, child := range p.children() {
			child.signal(unix.SIGTERM)
		}
	}
	for _, p := range all {
		if p.wait(ctx, askedToEnd) {
			continue
		}
		if !p.kill() {
			return &Error{Service: "buildkitd", Err: fmt.Errorf("process %d does not end", p.PID)}
		}
	}
	// One whose unshare was killed is about to end, and holds its data until then.
	for _, p := range strays("buildkitd", l.path("buildkitd.toml")) {
		if !p.kill() {
			return &Error{Service: "buildkitd", Err: fmt.Errorf("process %d does not end", p.PID)}
		}
	}
	folder := l.socketFolder()
	for _, name := range []string{"buildkitd.sock", "otel.sock"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing a socket: %w", err)
		}
	}
	if !strings.HasPrefix(folder, l.dir) {
		if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the folder for sockets: %w", err)
		}
	}
	return nil
}
