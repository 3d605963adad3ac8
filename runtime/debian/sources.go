package debian

import (
	"fmt"
	"path"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Where Debian's archives are when no mirror is named.
const (
	mainArchive     = "http://deb.debian.org/debian"
	securityArchive = "http://security.debian.org/debian-security"
	snapshotArchive = "http://snapshot.debian.org/archive"
)

// keyring is what the archives are signed with, of the package
// debian-archive-keyring, here and in the root filesystem.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// source is one suite of one archive.
type source struct {
	uri   string
	suite string
}

// line is the source as apt reads it.
func (s source) line() string {
	return fmt.Sprintf("deb [signed-by=%s] %s %s main", keyring, s.uri, s.suite)
}

// indexFile is what apt calls the suite's InRelease among its lists.
func (s source) indexFile() string {
	_, rest, _ := strings.Cut(s.uri, "://")
	p := path.Join(rest, "dists", s.suite, "InRelease")
	return strings.NewReplacer("_", "%5f", "/", "_").Replace(p)
}

// rolling are the suites that have no updates beside them.
var rolling = map[string]bool{"sid": true, "unstable": true, "experimental": true, "rc-buggy": true}

// sources are where the packages come from: the suite, and for a release its
// updates and security updates. A mirror or a suite with a dash in its name is
// taken as it is, alone. A snapshot is a moment of the mirror, or of Debian's
// own.
func sources(d model.Debian) []source {
	archive, security := mainArchive, securityArchive
	if d.Snapshot != "" {
		archive = snapshotArchive + "/debian/" + d.Snapshot
		security = snapshotArchive + "/debian-security/" + d.Snapshot
	}
	if d.Mirror != "" {
		archive = strings.TrimSuffix(d.Mirror, "/")
		if d.Snapshot != "" {
			archive += "/" + d.Snapshot
		}
		return []source{{archive, d.Suite}}
	}
	list := []source{{archive, d.Suite}}
	if !rolling[d.Suite] && !strings.Contains(d.Suite, "-") {
		list = append(list, source{archive, d.Suite + "-updates"}, source{security, d.Suite + "-security"})
	}
	return list
}

// aptOptions are settings of apt that hold while the root filesystem is made
// and in it.
func aptOptions(d model.Debian) []string {
	options := []string{`Acquire::Languages "none"`, `Acquire::Retries "3"`}
	if d.Snapshot != "" {
		options = append(options, `Acquire::Check-Valid-Until "false"`)
	}
	return options
}
