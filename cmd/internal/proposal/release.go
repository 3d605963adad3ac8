package proposal

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// release is what a published tag has around its folder's name: a "v" before
// it, the number of a release after it.
var release = regexp.MustCompile(`^[_-]([a-z]+)[0-9]+$`)

// releases finds rules for tags that are a folder's name and the number of a
// release, such as v1.0.0_cv4 for the folder 1.0.0.
func (d *draft) releases(f *fleet) {
	tags := map[string][]string{} // last part of the folder above -> folders
	for _, dir := range f.dirs {
		above := path.Dir(dir)
		tags[path.Base(above)] = append(tags[path.Base(above)], dir)
	}
	meant := f.meanings(d.Repositories, d.References)
	type family struct{ prefix, last, above string }
	ends, count := map[family][]string{}, map[family]int{}
	var found []family
	for _, r := range f.refs {
		prefix, last, tag := r.split()
		if meant(r.name).Image != nil {
			continue
		}
		for _, dir := range tags[last] {
			end, ok := strings.CutPrefix(strings.TrimPrefix(tag, "v"), path.Base(dir))
			kind := release.FindStringSubmatch(end)
			if !ok || kind == nil {
				continue
			}
			fam := family{prefix, last, path.Dir(dir)}
			if count[fam]++; count[fam] == 1 {
				found = append(found, fam)
			}
			if end := end[:1] + kind[1] + "[0-9]+"; !slices.Contains(ends[fam], end) {
				ends[fam] = append(ends[fam], end)
			}
			break
		}
	}
	for _, fam := range found {
		if count[fam] < 3 || len(ends[fam]) > 2 {
			continue // no rule, but tags that happen to begin alike
		}
		slices.Sort(ends[fam])
		d.References = append(d.References, model.Reference{
			Match:   join(fam.prefix) + regexp.QuoteMeta(fam.last) + ":v?(?P<tag>.+?)(?:" + strings.Join(ends[fam], "|") + ")?",
			Folders: []string{path.Join(fam.above, "{tag}")},
		})
	}
}
