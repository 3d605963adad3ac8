package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// GoogleSettings tells how the repository of an address in Artifact Registry
// is set up; *artifactregistry.Client does.
type GoogleSettings interface {
	Repository(ctx context.Context, address string) (artifactregistry.Repository, error)
}

// ArtifactRegistry looks at the repositories of the scopes that lie in
// Artifact Registry: whether what is pushed there is scanned, where a gate waits
// for it, and whether anything there moves against how rootfsgen uses tags.
func ArtifactRegistry(ctx context.Context, set *model.Settings, gate bool, ask GoogleSettings) Report {
	var r Report
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		prefix := set.Registry.Prefix(scope)
		if _, google := artifactregistry.PlaceOf(prefix); !google {
			continue
		}
		x := Finding{Area: "google", Check: scope + " repository", State: OK, Why: "images are pushed there"}
		found, err := ask.Repository(ctx, prefix)
		if err != nil {
			r = append(r, unasked(x, prefix, err))
			continue
		}
		g := google{scope: scope, prefix: prefix, Repository: found}
		r = append(r, g.usable(x), g.tags())
		if gate || scope != model.ScopePR {
			r = append(r, g.scanned(gate))
		}
		r = append(r, g.cleanup()...)
	}
	return r
}

// unasked is a finding about a repository that says nothing of itself.
func unasked(x Finding, prefix string, err error) Finding {
	x = unseen(x, err)
	switch {
	case googleapi.Missing(err):
		p, _ := artifactregistry.PlaceOf(prefix) // it lies there, or nobody was asked
		x.State, x.Says = Fail, prefix+" is not there"
		x.Mend = []string{google{Repository: artifactregistry.Repository{Place: p}}.gcloud("create", "--repository-format=docker")}
	case googleapi.Denied(err):
		x.Mend = []string{"grant roles/artifactregistry.reader to whoever asks: docs/guide/google.md", "gcloud auth application-default login, on a desk"}
	}
	return x
}

// HasArtifactRegistry tells whether a scope lies there.
func HasArtifactRegistry(set *model.Settings) bool {
	return slices.ContainsFunc([]string{model.ScopePR, model.ScopeTesting, model.ScopeProd}, func(scope string) bool {
		_, google := artifactregistry.PlaceOf(set.Registry.Prefix(scope))
		return google
	})
}

// google is one scope's repository.
type google struct {
	scope, prefix string
	artifactregistry.Repository
}

// gcloud is a command about the repository.
func (g google) gcloud(verb, flags string) string {
	return strings.TrimSpace(fmt.Sprintf("gcloud artifacts repositories %s %s --project=%s --location=%s %s", verb, g.Place.Repository, g.Place.Project, g.Place.Location, flags))
}

func (g google) usable(x Finding) Finding {
	switch {
	case !g.Docker:
		x.State, x.Says = Fail, g.prefix+" is a repository of another format than Docker"
		x.Mend = []string{g.gcloud("create", "--repository-format=docker") + " (under another name)"}
	case g.Mode != "standard":
		x.State, x.Says = Fail, g.prefix+" is a "+g.Mode+" repository: nothing can be pushed to it, and nothing in it is scanned"
		x.Mend = []string{"name a standard repository under registry." + g.scope + " in rootfsgen.yaml"}
	default:
		x.Says = g.prefix + " is a standard repository"
	}
	return x
}

// tags: receipts of a gate, snapshots and aliases move, and the list of what is
// about a manifest is written anew where the registry does not make it.
func (g google) tags() Finding {
	x := Finding{Area: "google", Check: g.scope + " tags", State: OK, Says: "they can be moved", Why: "receipts, aliases and the images of requests have tags that move; content tags never do, by themselves"}
	if g.ImmutableTags {
		x.State, x.Says = Fail, "they are immutable: neither a receipt can be renewed nor a promotion move an alias, and nothing can be deleted"
		x.Mend = []string{g.gcloud("update", "--no-immutable-tags")}
	}
	return x
}

func (g google) scanned(gate bool) Finding {
	x := Finding{Area: "google", Check: g.scope + " scanning", State: OK, Says: "what is pushed is scanned", Why: "the gate waits for the findings of Artifact Analysis"}
	if g.scope == model.ScopeProd {
		x.Why = "what prod runs is asked about again: new findings come to old images"
	}
	if g.Scanning.Active && !g.Scanning.Disabled {
		return x
	}
	x.Says = "nothing is scanned: " + g.Scanning.State
	if g.Scanning.Reason != "" {
		x.Says += ", " + g.Scanning.Reason
	}
	x.State = Fail
	switch {
	case !gate:
		x.State, x.Says = OK, x.Says+"; nothing asks for it"
		return x
	case g.Scanning.State == "ENABLEMENT_STATE_UNSPECIFIED" && !g.Scanning.Disabled:
		x.State = Unknown
	case g.scope != model.ScopeTesting:
		x.State = Warn
	}
	if g.Scanning.Disabled {
		x.Mend = append(x.Mend, g.gcloud("update", "--allow-vulnerability-scanning"))
	}
	x.Mend = append(x.Mend, "gcloud services enable containerscanning.googleapis.com --project="+g.Place.Project)
	return x
}

// ourTags are the beginnings of the tags that hold a repository's state.
var ourTags = []string{"k-", "d-", "r-", "i-", "w-", "sha256-"}

// cleanup judges policies that delete behind rootfsgen's back: it deletes by
// what can be reached, Artifact Registry by age and tag alone.
func (g google) cleanup() Report {
	x := Finding{Area: "google", Check: g.scope + " cleanup", State: OK, Says: "no policy deletes anything", Why: "what is attached to an image has no tag, and a kept image may be old: rootfsrun gc deletes what nothing reaches"}
	var r Report
	for _, p := range g.Cleanup {
		if !p.Delete {
			continue
		}
		y := x
		y.Check += " " + p.Name
		y.Mend = []string{g.gcloud("delete-cleanup-policies", "--policynames="+p.Name), "rootfsrun gc --scope " + g.scope}
		switch {
		case p.Untagged:
			y.State, y.Says = Fail, "it deletes what has no tag: lists of packages, findings, verdicts, signatures, and platforms that only an index names"
		case overlaps(p.TagPrefixes):
			y.State, y.Says = Fail, "it deletes what has tags such as "+strings.Join(ourTags, ", ")+": contents, receipts, states, marks of withdrawals and lists of what is attached"
		case p.Tagged:
			y.State, y.Says = Warn, "it deletes by age or name what a channel may still name"
		}
		if g.CleanupDryRun {
			y.State, y.Says = Warn, "in a dry run only: "+y.Says
		}
		r = append(r, y)
	}
	if len(r) == 0 {
		r = Report{x}
	}
	return r
}

// overlaps tells whether a tag of ours may begin with one of the prefixes.
func overlaps(prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		return slices.ContainsFunc(ourTags, func(own string) bool { return strings.HasPrefix(own, p) || strings.HasPrefix(p, own) })
	})
}
