package scan

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func sortedScans(m map[string]model.Scan) []model.Scan {
	var out []model.Scan
	for _, source := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[source])
	}
	return out
}

// Difference is what is wrong with one image and not with another.
type Difference struct {
	Gone []model.Finding `json:"gone"` // of the first; sorted, each id and package once
	New  []model.Finding `json:"new"`  // of the second
	Both int             `json:"both"`
}

// Diff compares the findings of two images. A package in another version with
// the same vulnerability is the same finding.
func Diff(from, to []model.Finding) Difference {
	before, after := unversioned(from), unversioned(to)
	d := Difference{Gone: []model.Finding{}, New: []model.Finding{}}
	for key, f := range before {
		if _, still := after[key]; still {
			d.Both++
		} else {
			d.Gone = append(d.Gone, f)
		}
	}
	for key, f := range after {
		if _, was := before[key]; !was {
			d.New = append(d.New, f)
		}
	}
	d.Gone, d.New = Sort(d.Gone), Sort(d.New)
	return d
}

type unversionedKey struct{ id, kind, pkg string }

func unversioned(list []model.Finding) map[unversionedKey]model.Finding {
	m := map[unversionedKey]model.Finding{}
	for _, f := range list {
		key := unversionedKey{f.ID, f.Kind, f.Package}
		if p, err := model.ParsePURL(f.PURL); err == nil {
			key.pkg = p.Type + "/" + p.Namespace + "/" + p.Name
		}
		if _, had := m[key]; !had {
			m[key] = f
		}
	}
	return m
}
