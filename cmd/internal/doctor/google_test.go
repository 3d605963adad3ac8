package doctor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// settled is a repository that is set up as it should be, until a test spoils
// it.
func settled() artifactregistry.Repository {
	return artifactregistry.Repository{
		Place: artifactregistry.Place{Project: "team", Location: "europe", Repository: "testing"}, Docker: true, Mode: "standard",
		Scanning: artifactregistry.Scanning{Active: true, State: "SCANNING_ACTIVE"},
		Cleanup:  []artifactregistry.Policy{{Name: "newest", KeepCount: 5, Tagged: true, Untagged: true}},
	}
}

type answers struct {
	repository artifactregistry.Repository
	err        error
	asked      []string
}

func (a *answers) Repository(_ context.Context, address string) (artifactregistry.Repository, error) {
	a.asked = append(a.asked, address)
	return a.repository, a.err
}

func TestArtifactRegistry(t *testing.T) {
	t.Parallel()
	set := &model.Settings{Registry: model.Registry{PR: "ghcr.io/team/pr", Testing: "europe-docker.pkg.dev/team/testing"}}
	old := func(p artifactregistry.Policy) func(*artifactregistry.Repository) {
		p.Name, p.Delete, p.OlderThan = "old", true, time.Hour
		return func(r *artifactregistry.Repository) { r.Cleanup = append(r.Cleanup, p) }
	}
	const about = "--project=team --location=europe"
	for name, c := range map[string]struct {
		spoil             func(*artifactregistry.Repository)
		check, says, mend string
		state             doctor.State
	}{
		"another format": {func(r *artifactregistry.Repository) { r.Docker = false }, "testing repository", "Docker", "--repository-format=docker", doctor.Fail},
		"a virtual one":  {func(r *artifactregistry.Repository) { r.Mode = "virtual" }, "testing repository", "virtual", "registry.testing", doctor.Fail},
		"immutable tags": {func(r *artifactregistry.Repository) { r.ImmutableTags = true }, "testing tags", "immutable", "gcloud artifacts repositories update testing " + about + " --no-immutable-tags", doctor.Fail},
		"the API is off": {func(r *artifactregistry.Repository) {
			r.Scanning = artifactregistry.Scanning{State: "SCANNING_DISABLED", Reason: "not enabled"}
		}, "testing scanning", "SCANNING_DISABLED, not enabled", "gcloud services enable containerscanning.googleapis.com --project=team", doctor.Fail},
		"scanning is off": {func(r *artifactregistry.Repository) {
			r.Scanning = artifactregistry.Scanning{State: "SCANNING_DISABLED", Disabled: true}
		}, "testing scanning", "SCANNING_DISABLED", "update testing " + about + " --allow-vulnerability-scanning", doctor.Fail},
		"nobody knows": {func(r *artifactregistry.Repository) {
			r.Scanning = artifactregistry.Scanning{State: "ENABLEMENT_STATE_UNSPECIFIED"}
		}, "testing scanning", "UNSPECIFIED", "gcloud services enable", doctor.Unknown},
		"untagged are deleted": {old(artifactregistry.Policy{Untagged: true}), "testing cleanup old", "no tag", "gcloud artifacts repositories delete-cleanup-policies testing " + about + " --policynames=old", doctor.Fail},
		"our tags are deleted": {old(artifactregistry.Policy{Tagged: true, TagPrefixes: []string{"k"}}), "testing cleanup old", "receipts", "rootfsrun gc", doctor.Fail},
		"old are deleted":      {old(artifactregistry.Policy{Tagged: true}), "testing cleanup old", "a channel may still name", "rootfsrun gc", doctor.Warn},
		"others are deleted":   {old(artifactregistry.Policy{Tagged: true, TagPrefixes: []string{"cache-"}}), "testing cleanup old", "a channel may still name", "rootfsrun gc", doctor.Warn},
		"a dry run": {func(r *artifactregistry.Repository) {
			old(artifactregistry.Policy{Untagged: true})(r)
			r.CleanupDryRun = true
		}, "testing cleanup old", "dry run", "rootfsrun gc", doctor.Warn},
	} {
		a := &answers{repository: settled()}
		c.spoil(&a.repository)
		found := false
		for _, x := range doctor.ArtifactRegistry(t.Context(), set, true, a) {
			if x.Check == c.check {
				found = true
				if x.State != c.state || !strings.Contains(x.Says, c.says) || !strings.Contains(strings.Join(x.Mend, "\n"), c.mend) || x.Why == "" {
					t.Errorf("%s: %+v", name, x)
				}
			} else if x.State != doctor.OK || len(x.Mend) > 0 {
				t.Errorf("%s: beside it %+v", name, x)
			}
		}
		if !found {
			t.Errorf("%s: nothing about %s", name, c.check)
		}
		if len(a.asked) != 1 || a.asked[0] != "europe-docker.pkg.dev/team/testing" {
			t.Errorf("%s: asked about %v", name, a.asked)
		}
	}
}

func TestArtifactRegistryIsFine(t *testing.T) {
	t.Parallel()
	set := &model.Settings{Registry: model.Registry{PR: "eu.gcr.io/team/pr", Testing: "europe-docker.pkg.dev/team/testing", Prod: "europe-docker.pkg.dev/team/prod"}}
	a := &answers{repository: settled()}
	r := doctor.ArtifactRegistry(t.Context(), set, true, a)
	for _, x := range r {
		if x.State != doctor.OK || len(x.Mend) > 0 {
			t.Errorf("%+v", x)
		}
	}
	if len(a.asked) != 3 || len(r) != 12 {
		t.Errorf("asked %v, %d findings", a.asked, len(r))
	}
	// Nobody waits for findings where there is no gate.
	a.repository.Scanning = artifactregistry.Scanning{State: "SCANNING_DISABLED"}
	if r := doctor.ArtifactRegistry(t.Context(), set, false, a); r.Failed() {
		t.Errorf("%+v", r)
	}
	for _, c := range []struct {
		err        error
		state      doctor.State
		says, mend string
	}{
		{errors.New("no answer"), doctor.Unknown, "no answer", ""},
		{status.Error(codes.PermissionDenied, "may not"), doctor.Unknown, "may not", "roles/artifactregistry.reader"},
		{&googleapi.Failed{Err: status.Error(codes.NotFound, "gone")}, doctor.Fail, "is not there", "--location=europe --repository-format=docker"},
	} {
		a.err = c.err
		for _, x := range doctor.ArtifactRegistry(t.Context(), set, true, a) {
			mend := strings.Join(x.Mend, "\n")
			if x.State != c.state || !strings.Contains(x.Says, c.says) || !strings.Contains(mend, c.mend) || c.mend == "" && mend != "" {
				t.Errorf("%v: %+v", c.err, x)
			}
		}
	}
	none := &model.Settings{Registry: model.Registry{Testing: "ghcr.io/team"}}
	if doctor.HasArtifactRegistry(none) || len(doctor.ArtifactRegistry(t.Context(), none, true, a)) != 0 {
		t.Error("a registry of somebody else's was taken for Google's")
	}
}
