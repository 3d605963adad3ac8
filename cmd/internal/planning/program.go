package planning

import (
	"debug/elf"
	"fmt"
	"os"
	"runtime/debug"
)

// program identifies this program to its own later runs: how it was built, and
// the linker's name for the result. Where the linker gave it none and the
// sources are no commit, it is the file that runs. Another name may be given
// instead.
func program(instead string) string {
	if instead != "" {
		return instead
	}
	file, err := os.Executable()
	if err != nil {
		file = ""
	}
	info, known := debug.ReadBuildInfo()
	id := buildID(file)
	built := ""
	if known {
		built = info.String() // of all modules, and of the commit
	}
	if id == "" && (!known || !committed(info)) {
		id = stamp(file)
	}
	return built + "\n" + id
}

// committed tells whether a program was built from exactly one commit, or from
// a release of its module.
func committed(info *debug.BuildInfo) bool {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	return settings["vcs.revision"] != "" && settings["vcs.modified"] == "false" || info.Main.Sum != ""
}

// buildID is what the Go linker wrote into the program about its content;
// empty where it did not, or wrote it elsewhere.
func buildID(file string) string {
	f, err := elf.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	if section := f.Section(".note.go.buildid"); section != nil {
		if note, err := section.Data(); err == nil {
			return string(note)
		}
	}
	return ""
}

// stamp tells a file from what takes its place.
func stamp(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Sprintf("process %d", os.Getpid()) // shared with nobody
	}
	return fmt.Sprintf("%s %d %d", file, info.Size(), info.ModTime().UnixNano())
}
