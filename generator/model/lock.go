package model

// Lock is images.lock: what the outside world looked like when it was last
// looked at. Maps are written sorted.
type Lock struct {
	Bases  map[string]LockedBase  // by reference as Dockerfiles normalise it, "docker.io/library/busybox:1.36"
	Debian map[string]LockedSuite // by suite
	Failed map[string]FailedBase  // updates of Bases that failed, and were not taken since
}

// FailedBase is what a base moved to, and what then came of its images.
type FailedBase struct {
	Digest   Digest         // of what it moved to
	Failures int            // how often the image failed with it that did so most often, from 1
	Last     string         // when one last did, RFC 3339, UTC
	Images   map[string]int // by node, how often each failed with it; nil where only Failures is known
}

// LockedBase is one outside base.
type LockedBase struct {
	Digest    Digest                   // of the index, or of the manifest where there is no index
	Platforms map[string]LockedVariant // by platform, "linux/amd64"
}

// LockedVariant is one platform of an outside base.
type LockedVariant struct {
	Digest Digest     // of the platform's manifest
	Config BaseConfig // what a build inherits from it
}

// BaseConfig is the part of an image's configuration that a child inherits.
type BaseConfig struct {
	Env        []string // "NAME=value", in the image's order
	WorkingDir string
	User       string
	OnBuild    []string
}

// LockedSuite is the state of one Debian suite.
type LockedSuite struct {
	InRelease Digest                       // of the suite's InRelease file
	Images    map[string]map[string]string // image id + " " + platform -> package -> version
}

// DebianPackages are the resolved packages for one target of an image that is
// built from the suite; nil when they were never resolved.
func (l *Lock) DebianPackages(suite string, t TargetID) map[string]string {
	images := l.Debian[suite].Images
	if packages, found := images[DebianLockKey(t, true)]; found {
		return packages
	}
	return images[DebianLockKey(t, false)]
}

// DebianLockKey is how images.lock names a target that is built from packages:
// by its image, so that a new version moves nothing; where the image has
// several tags or variants, by its node.
func DebianLockKey(t TargetID, several bool) string {
	if several {
		return t.Node() + " " + t.Platform.String()
	}
	return t.Image + " " + t.Platform.String()
}
