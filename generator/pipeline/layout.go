package pipeline

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The forges that a pipeline is written for.
const (
	GitHub = "github"
	GitLab = "gitlab"
)

// Edges says what each target is built from.
type Edges map[model.TargetID][]model.TargetID

// Options choose a part of a fleet.
type Options struct {
	Only map[model.TargetID]bool // nil is every target
	// Merge are the nodes whose platforms are joined, nil is those of Only.
	Merge map[model.TargetID]bool
}

// The time limits of jobs, in minutes.
const (
	minutesShort = 15
	minutesBuild = 120
	minutesFork  = 350 // the forge's own machines stop at 360
	minutesTests = 30  // beside a build that has a limit of its own
)

// Layout decides on the jobs of a fleet. What a forge could take for an
// expression or a pattern is a diagnostic; the error is a cycle in edges.
func Layout(fleet *model.Fleet, edges Edges, o Options) (*Pipeline, diag.List, error) {
	s := &fleet.Settings
	p := &Pipeline{
		DefaultBranch: s.DefaultBranch, ReleaseTags: s.ReleaseTags,
		GitHub: s.GitHub, GitLab: s.GitLab, Own: s.Jobs, Templates: Templates{Dir: s.Templates},
		Runtime: cmp.Or(s.Runtime, model.RuntimeInstalled), Layout: cmp.Or(s.Layout, model.LayoutAuto),
		Programs: s.Programs, Network: s.Network, Identity: s.Identity,
		Runners: map[string]model.Runner{}, Forges: slices.Sorted(slices.Values(s.Forges)),
		Triggers: s.Triggers, Fork: s.Fork, Spot: s.Spot, Judging: s.Judging, Signing: s.Signing, Channels: s.Channels, ChannelBranch: s.ChannelBranch,
		Sealed: s.Signing.On() && len(s.Trust.Builders) > 0,
	}
	p.Counted = s.Updates.BackoffSeconds > 0 || s.Updates.Quarantine > 0
	if s.Dir != "" && s.Dir != "." {
		p.Config = s.Dir + "/" + settingsFile
	}
	list := checkSettings(s)
	p.fix()
	p.fixTests(fleet)
	p.equip()
	images, err := p.images(fleet, edges, o)
	if err != nil {
		return nil, list, err
	}
	p.Images = images
	p.prolong()
	list = append(list, p.takeRunners(s)...)
	if p.Said, err = p.said(s); err != nil {
		return nil, list, err
	}
	list = append(list, p.takeOnDemand(s)...)
	list = append(list, p.bounded(fleet)...)
	p.watch()
	return p, list, nil
}

// images lays out the chosen images, parents before children.
func (p *Pipeline) images(fleet *model.Fleet, edges Edges, o Options) ([]Image, error) {
	names := namesOf(fleet)
	level, err := levels(edges, names)
	if err != nil {
		return nil, err
	}
	images := []Image{}
	for i := range fleet.Images {
		src := &fleet.Images[i]
		node := src.Node()
		img := Image{ID: names[node], Minutes: minutesBuild, Merge: o.Merge == nil || o.Merge[node], Level: level[names[node]], Secrets: src.SecretVariables()}
		if img.ID != src.ID {
			img.Target = exactly(node, names)
		}
		if t := src.TimeoutSeconds; t > 0 {
			img.Minutes = (t+59)/60 + minutesTests
		}
		for _, id := range src.Targets() {
			if o.Only != nil && !o.Only[id] {
				continue
			}
			leg := Leg{Platform: id.Platform, Runner: classOf(src, id.Platform)}
			leg.waitFor(parentsOf(id, edges, o), names)
			leg.testOn(&fleet.Settings, src)
			img.Legs = append(img.Legs, leg)
		}
		if p.Judging.On && img.Merge {
			img.After = joinedBefore(src, edges, o, names)
		}
		if len(img.Legs) == 0 && (o.Only == nil || !o.Merge[node]) {
			continue
		}
		slices.SortFunc(img.Legs, func(a, b Leg) int { return cmp.Compare(a.Platform.String(), b.Platform.String()) })
		images = append(images, img)
	}
	slices.SortFunc(images, func(a, b Image) int { return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.ID, b.ID)) })
	return images, nil
}

// exactly is what commands call one node of an image with several, and none of
// its variants; see plan.Means.
func exactly(node model.TargetID, names map[model.TargetID]string) string {
	for other := range names {
		if other.Image == node.Image && other.Tag == node.Tag && other.Variant != node.Variant {
			return node.Exactly()
		}
	}
	return node.Node()
}

// classOf is the machine class that builds an image for a platform.
func classOf(i *model.Image, p model.Platform) string {
	return cmp.Or(i.Runner, DefaultClass(p))
}

// DefaultClass is the machine class that builds for a platform where an image
// names none.
func DefaultClass(p model.Platform) string {
	if p == model.LinuxARM64 {
		return model.RunnerSpotARM64
	}
	return model.RunnerSpotAMD64
}

// namesOf are the names of a fleet's nodes in its pipelines.
func namesOf(fleet *model.Fleet) map[model.TargetID]string {
	nodes := make([]model.TargetID, len(fleet.Images))
	for i := range fleet.Images {
		nodes[i] = fleet.Images[i].Node()
	}
	return model.NodeNames(nodes)
}

// parentsOf are the other targets that have a job which id must wait for.
func parentsOf(id model.TargetID, edges Edges, o Options) []model.TargetID {
	var parents []model.TargetID
	for _, parent := range edges[id] {
		if parent.AllPlatforms() != id.AllPlatforms() && (o.Only == nil || o.Only[parent]) {
			parents = append(parents, parent)
		}
	}
	return parents
}

// waitFor sorts what a leg waits for into what is on its platform and what is
// on another.
func (l *Leg) waitFor(parents []model.TargetID, names map[model.TargetID]string) {
	var ids []string
	for _, parent := range parents {
		if id := names[parent.AllPlatforms()]; parent.Platform == l.Platform {
			ids = append(ids, id)
		} else {
			l.Across = append(l.Across, Wait{id, parent.Platform})
		}
	}
	l.Parents = sortedSet(ids)
	slices.SortFunc(l.Across, func(a, b Wait) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Platform.String(), b.Platform.String()))
	})
	l.Across = slices.Compact(l.Across)
}

// joinedBefore are the other nodes that an image is built from and that have a
// job which joins them: what the policy refuses takes its children with it.
func joinedBefore(src *model.Image, edges Edges, o Options, names map[model.TargetID]string) []string {
	var ids []string
	for _, id := range src.Targets() {
		for _, parent := range edges[id] {
			if node := parent.AllPlatforms(); node != src.Node() && (o.Merge == nil || o.Merge[node]) {
				ids = append(ids, names[node])
			}
		}
	}
	return sortedSet(ids)
}

// takeRunners keeps the machine classes that are used, and tells which are
// not there or have names that a forge could misread.
func (p *Pipeline) takeRunners(s *model.Settings) diag.List {
	var list diag.List
	missing := map[string]bool{}
	for _, forge := range p.Forges {
		users := p.users(forge)
		for _, class := range slices.Sorted(maps.Keys(users)) {
			r, found := s.Runners[class]
			if !found {
				if !missing[class] {
					list.Errorf("runner", diag.Pos{File: settingsFile}, "name it under runners; there are "+strings.Join(slices.Sorted(maps.Keys(s.Runners)), ", "),
						"%s wants a machine of class %q, which is not set up", users[class], class)
				}
				missing[class] = true
				continue
			}
			p.Runners[class] = r
			list = append(list, checkLabels(class, forge, users[class], Labels(r, forge))...)
		}
	}
	return list
}

// Labels are how a forge selects a machine.
func Labels(r model.Runner, forge string) []string {
	if forge == GitHub {
		return r.GitHub
	}
	return r.GitLab
}

// users tells for each machine class of a forge who wants it.
func (p *Pipeline) users(forge string) map[string]string {
	users := map[string]string{}
	for _, kind := range slices.Sorted(maps.Keys(p.Fixed)) {
		j := p.Fixed[kind]
		if _, named := users[j.Runner]; j.Runner == "" || len(j.Events) == 0 || named && kind == Result {
			continue // another one says more than the job that sums all up
		}
		users[j.Runner] = "the job " + string(kind)
	}
	for _, i := range p.Images {
		for _, l := range i.Legs {
			users[l.Runner] = "image " + i.ID
			if l.Test != "" {
				users[l.Test] = "the tests of image " + i.ID
			}
		}
	}
	return users
}

func checkLabels(class, forge, user string, labels []string) diag.List {
	var list diag.List
	at := diag.Pos{File: settingsFile}
	if len(labels) == 0 {
		list.Errorf("runner", at, "give runners: "+class+": "+forge+": a list of labels",
			"%s wants a machine of class %q, which has no labels for %s", user, class, forge)
	}
	for _, l := range labels {
		if model.CheckRunnerLabel(l) != nil {
			list.Errorf("runner", at, "labels are made of letters, digits and . _ - : / = @ +", "the machine class %q has the label %q", class, l)
		}
	}
	return list
}

// settingsFile is where mistakes in settings are reported.
const settingsFile = "rootfsgen.yaml"

var (
	folder = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)
	branch = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)
	glob   = regexp.MustCompile(`^[A-Za-z0-9_*][A-Za-z0-9_./*-]*$`)
)

// checkSettings refuses what the forges would read as something else.
func checkSettings(s *model.Settings) diag.List {
	var list diag.List
	at := diag.Pos{File: settingsFile}
	if !branch.MatchString(s.DefaultBranch) {
		list.Errorf("branch", at, "use letters, digits and . _ / -", "default_branch %q cannot be written into a pipeline", s.DefaultBranch)
	}
	if s.Dir != "" && s.Dir != "." && !folder.MatchString(s.Dir) {
		list.Errorf("folder", at, "use letters, digits and . _ / -", "the fleet's folder %q cannot be written into a pipeline", s.Dir)
	}
	if !glob.MatchString(s.ReleaseTags) || strings.Contains(s.ReleaseTags, "**") {
		list.Errorf("release-tags", at, "use letters, digits, . _ / - and single *", "release.tags %q means different things to the forges", s.ReleaseTags)
	}
	switch s.Runtime {
	case "", model.RuntimeInstalled, model.RuntimeSource:
	case model.RuntimeRelease:
		if s.Programs.Version == "" {
			list.Errorf("runtime", at, "run \"rootfsgen lock --programs VERSION\"", "runtime is release, and no release is pinned")
		}
	default:
		list.Errorf("runtime", at, "use release, installed or source", "unknown runtime %q", s.Runtime)
	}
	for _, f := range s.Forges {
		if f != GitHub && f != GitLab {
			list.Errorf("forge", at, "use github or gitlab", "unknown forge %q", f)
		}
	}
	return list
}

func sortedSet(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
