package history

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Objects of uncommitted work are for the run that reads them. Git gives an
// object the time of now whenever it is added again, so that what is old
// belongs to no work that is still there.
const (
	keptFor = 14 * 24 * time.Hour
	sampled = "17" // the folder that git, too, counts to guess how many objects there are
	many    = 40   // in it, so about ten thousand in all
)

// expire removes old objects of uncommitted work where there are many. One
// that cannot be removed stays.
func (r *Repo) expire(now time.Time) {
	entries, err := os.ReadDir(filepath.Join(r.ObjectDir(), sampled))
	if err != nil || len(entries) < many {
		return
	}
	_ = filepath.WalkDir(r.ObjectDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // another process may do the same
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > keptFor {
			_ = os.Remove(path)
		}
		return nil
	})
}
