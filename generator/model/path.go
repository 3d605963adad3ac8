package model

import "strings"

// Relative is a path of the repository as seen from the folder root, "." for
// root itself; false where it lies elsewhere.
func Relative(root, path string) (string, bool) {
	switch {
	case root == ".":
		return path, true
	case path == root:
		return ".", true
	}
	return strings.CutPrefix(path, root+"/")
}
