package imagetest

import (
	"context"
	"path"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
)

// defaultPath is where programs are looked for in an image that does not say.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// arguments is how a test's command is run: by "bash -lc" where the image has
// bash, else by "sh -lc", else, in an image without a shell, by itself, split
// at blanks.
func arguments(ctx context.Context, root *buildkit.Rootfs, cmd string) ([]string, error) {
	for _, shell := range []string{"bash", "sh"} {
		found, err := find(ctx, root, shell)
		if err != nil {
			return nil, err
		}
		if found != "" {
			return []string{found, "-lc", cmd}, nil
		}
	}
	args := strings.Fields(cmd)
	if len(args) == 0 || strings.Contains(args[0], "/") {
		return args, nil
	}
	// The container's runtime has a search path of its own.
	found, err := find(ctx, root, args[0])
	if found != "" {
		args[0] = found
	}
	return args, err
}

// find looks for a program on the image's search path, empty where there is
// none.
func find(ctx context.Context, root *buildkit.Rootfs, name string) (string, error) {
	for dir := range strings.SplitSeq(searchPath(root.Config.Env), ":") {
		if !strings.HasPrefix(dir, "/") {
			continue
		}
		p := path.Join(dir, name)
		mode, found, err := root.Stat(ctx, p)
		if err != nil {
			return "", err
		}
		if found && mode.IsRegular() && mode.Perm()&0o111 != 0 {
			return p, nil
		}
	}
	return "", nil
}

func searchPath(env []string) string {
	for _, v := range env {
		if p, found := strings.CutPrefix(v, "PATH="); found {
			return p
		}
	}
	return defaultPath
}

// environment is the image's, with a search path where it has none.
func environment(env []string) []string {
	for _, v := range env {
		if strings.HasPrefix(v, "PATH=") {
			return env
		}
	}
	return append([]string{"PATH=" + defaultPath}, env...)
}

func directory(dir string) string {
	if dir == "" {
		return "/"
	}
	return dir
}
