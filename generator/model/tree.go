package model

import "context"

// The file modes that git knows.
const (
	ModeFile       = 0o100644
	ModeExecutable = 0o100755
	ModeSymlink    = 0o120000
	ModeGitlink    = 0o160000 // a submodule: its content is not in this repository
)

// ModeFolder is an empty folder. Git has none: only a Recipe's files can have
// it, where an ignore file leaves a folder without files. It has no OID.
const ModeFolder = 0o040000

// ModeUnsentLink is a symlink that an ignore file leaves out. BuildKit's client
// follows it all the same when it finds out what to send. Only a Recipe's files
// can have it, where that matters.
const ModeUnsentLink = 0o120001

// TreeEntry is one file of a Tree.
type TreeEntry struct {
	Path string `json:"path"` // slash-separated, from the root of the tree
	Mode uint32 `json:"mode"` // one of the Mode constants
	// OID is git's object id of the content, SHA-1 or SHA-256 in hexadecimal. It
	// is empty for a file of a Recipe that is empty in the build, whatever it
	// holds in the tree.
	OID string `json:"oid"`
}

// Tree is a snapshot of a whole repository: a commit, or the work tree as git
// would commit it. It is what every model is loaded from; nothing reads the
// disk. Implementations are safe for concurrent use.
type Tree interface {
	// Entries lists every file, sorted by path. The slice must not be changed.
	Entries() []TreeEntry
	// Lookup finds one file; false when there is none (or it is a folder).
	Lookup(path string) (TreeEntry, bool)
	// Read returns the content of the file at path, the link text for a symlink.
	// The error wraps fs.ErrNotExist when the tree has no such file.
	Read(ctx context.Context, path string) ([]byte, error)
}
