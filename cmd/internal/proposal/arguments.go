package proposal

import (
	"cmp"
	"slices"
	"strings"
)

// arguments proposes values for those that FROMs need and nothing gives: the
// default that other build files give to an argument of that name.
func (d *draft) arguments() {
	defaults := map[string]map[string]int{}
	for _, s := range d.survey.sites {
		if s.file == nil {
			continue
		}
		for name, value := range s.file.Defaults() {
			value = strings.Trim(value, `"'`)
			if strings.Contains(value, "$") || value == "" {
				continue
			}
			if defaults[name] == nil {
				defaults[name] = map[string]int{}
			}
			defaults[name][value]++
		}
	}
	for _, s := range d.survey.sites {
		for _, name := range s.unset {
			values := sortedKeys(defaults[name])
			slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(defaults[name][b], defaults[name][a]) })
			if len(values) == 0 {
				continue
			}
			if d.Args == nil {
				d.Args = map[string]string{}
			}
			d.Args[name] = values[0]
		}
	}
	d.blank()
	d.survey.resolve(d.Args)
}

// blank gives the empty value to arguments that only end a tag: a reference
// is one without them too, and that is what an unset argument is to a builder.
func (d *draft) blank() {
	for _, s := range d.survey.sites {
		for _, name := range s.unset {
			if _, given := d.Args[name]; given || s.file == nil || !s.file.Ends(name) {
				continue
			}
			if d.Args == nil {
				d.Args = map[string]string{}
			}
			d.Args[name] = ""
		}
	}
}
