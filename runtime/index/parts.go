package index

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Incomplete is an index that cannot be made yet, because not every platform
// is built and tested.
type Incomplete struct {
	Name    string   // the index, "python:3.13"
	Missing []string // one clause for each thing that is missing
}

// Error lists what is missing.
func (i *Incomplete) Error() string {
	return i.Name + " is not merged: " + strings.Join(i.Missing, "; ")
}

// part is one platform of an index, as far as the tags of its repository tell.
type part struct {
	model.IndexPart
	entry *model.Entry
}

// name is the index as people know it.
func name(i *model.Index) string {
	return model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}.Node()
}

// parts finds the current generation of every platform of an index among the
// tags of its repository: the highest that is there. What is missing is listed
// instead of an error, so that all of it is said at once.
func parts(tags []string, p *model.Plan, i *model.Index) (found []part, missing []string) {
	highest := map[model.Digest]int{} // one more than the generation, 0 is none
	for _, tag := range tags {
		if key, generation, ok := model.ParseContentTag(tag); ok {
			highest[key] = max(highest[key], generation+1)
		}
	}
	for _, platform := range i.Platforms {
		e := entry(p, i, platform)
		switch {
		case e == nil:
			missing = append(missing, platform.String()+" is not in the plan")
		case highest[e.Key] == 0:
			missing = append(missing, platform.String()+" is not built")
		case highest[e.Key]-1 < e.Generation:
			missing = append(missing, fmt.Sprintf("%s is not built anew, as generation %d", platform, e.Generation))
		default:
			found = append(found, part{IndexPart: model.IndexPart{Platform: platform, Key: e.Key, Generation: highest[e.Key] - 1}, entry: e})
		}
	}
	for _, f := range found {
		if f.Generation != found[0].Generation {
			missing = append(missing, fmt.Sprintf("%s is of generation %d, %s of %d", found[0].Platform, found[0].Generation, f.Platform, f.Generation))
		}
	}
	return found, missing
}

func entry(p *model.Plan, i *model.Index, platform model.Platform) *model.Entry {
	want := model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant, Platform: platform}
	for n := range p.Entries {
		if p.Entries[n].ID() == want && p.Entries[n].Action != model.ActionRetire {
			return &p.Entries[n]
		}
	}
	return nil
}

func identity(i *model.Index, parts []part) model.Digest {
	out := make([]model.IndexPart, len(parts))
	for n, p := range parts {
		out[n] = p.IndexPart
	}
	return model.IndexIdentity(model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}.Node(), out)
}
