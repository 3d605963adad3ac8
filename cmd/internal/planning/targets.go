package planning

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// Targets are the targets of Now that names mean ("name", "name:tag" or
// "name:tag:variant", see plan.Means; none means all), on one platform where one is given,
// sorted. An unknown name is a *plan.UnknownImageError.
func (s *Session) Targets(names []string, platform string) ([]model.TargetID, error) {
	return s.matching(slices.Collect(maps.Keys(s.Now.Keys)), names, platform)
}

// Matching is Targets among those of a plan: retired ones have names too.
func (s *Session) Matching(p *model.Plan, names []string, platform string) ([]model.TargetID, error) {
	all := make([]model.TargetID, len(p.Entries))
	for i := range p.Entries {
		all[i] = p.Entries[i].ID()
	}
	return s.matching(all, names, platform)
}

func (s *Session) matching(all []model.TargetID, names []string, platform string) ([]model.TargetID, error) {
	var only model.Platform
	if platform != "" {
		var err error
		if only, err = model.ParsePlatform(platform); err != nil {
			return nil, usage("--platform: %w", err)
		}
	}
	slices.SortFunc(all, model.TargetID.Compare)
	found := map[model.TargetID]bool{}
	for _, name := range names {
		hit := false
		for _, t := range all {
			if plan.Means(name, t) {
				found[t], hit = true, true
			}
		}
		if !hit {
			return nil, plan.Unknown(name, all)
		}
	}
	return slices.DeleteFunc(all, func(t model.TargetID) bool {
		return len(names) > 0 && !found[t] || platform != "" && t.Platform != only
	}), nil
}
