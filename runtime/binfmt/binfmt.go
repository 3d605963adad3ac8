// Package binfmt lets programs of another architecture run on this machine,
// by qemu's user emulation. The kernel keeps a registration for as long as
// its file system is mounted somewhere, so each program that needs emulation
// holds a mount in a namespace of its own: nothing is left behind when the
// last of them has ended, and a registration that the machine has already is
// used as it is.
package binfmt

import (
	"os"
	"path/filepath"
	"runtime"
)

// dir is where Debian's packages describe how each emulator is registered.
const dir = "/usr/lib/binfmt.d"

// mounted is where a machine that registers emulators at boot shows them.
const mounted = "/proc/sys/fs/binfmt_misc"

// names are what qemu calls the architectures.
var names = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// registration is the file with the line that registers the emulator of arch.
func registration(arch string) string {
	return filepath.Join(dir, "qemu-"+names[arch]+".conf")
}

// Runs tells whether programs for arch can run here: it is the machine's own
// architecture, an emulator is registered, or one can be.
func Runs(arch string) bool {
	if arch == runtime.GOARCH {
		return true
	}
	if names[arch] == "" {
		return false
	}
	if _, err := os.Stat(filepath.Join(mounted, "qemu-"+names[arch])); err == nil {
		return true
	}
	_, err := os.Stat(registration(arch))
	return err == nil
}

// register mounts the file system in the namespace of this shell and
// registers every emulator that is there and not registered yet, then becomes
// the program. Two shells may register at once: the slower one's write fails,
// and that is as good.
const register = `
for f in ` + dir + `/qemu-x86_64.conf ` + dir + `/qemu-aarch64.conf; do
	[ -r "$f" ] || continue
	[ -e ` + mounted + `/status ] || mount -t binfmt_misc binfmt_misc ` + mounted + ` || break
	n=${f##*/}; n=${n%.conf}
	[ "$n" = "$0" ] || [ -e "` + mounted + `/$n" ] || cat "$f" > ` + mounted + `/register || true
done 2>/dev/null
exec "$@"`

// Wrap returns the command that registers the emulators and then becomes
// argv. It must be run by "unshare --mount", as root.
func Wrap(argv ...string) []string {
	own := "qemu-" + names[runtime.GOARCH] // needs no emulator
	return append([]string{"sh", "-c", register, own}, argv...)
}
