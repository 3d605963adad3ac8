package render_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

type keptRule struct {
	If            string
	Interruptible *bool
	Variables     map[string]string
	AutoCancel    struct {
		OnNewCommit string `yaml:"on_new_commit"`
	} `yaml:"auto_cancel"`
}

type keptJob struct {
	Interruptible bool
	Rules         []keptRule
}

type keptFile struct {
	Workflow struct{ Rules []keptRule }
	Plan     keptJob `yaml:"rootfsgen-plan"`
	Images   keptJob `yaml:"rootfsgen-images"`
	Carrier  keptJob `yaml:"plan"`
}

func readKept(t *testing.T, files render.Files, name string) keptFile {
	t.Helper()
	var f keptFile
	if err := yaml.Unmarshal(files[name], &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// overtaken tells whether the condition is of an event whose pipelines a newer
// one makes needless.
func overtaken(condition string) bool {
	return strings.Contains(condition, `"merge_request_event"`) || strings.Contains(condition, `"push" && $CI_COMMIT_BRANCH == "main"`)
}

// TestGitLabKeepsWhatIsAskedOnce holds the pipelines by hand, of schedules and of
// releases against GitLab's cancellation of redundant pipelines: no later plan
// knows what they were asked for.
func TestGitLabKeepsWhatIsAskedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		site   model.GitLabSite
		byRule bool
	}{
		{model.GitLabSite{}, true}, {model.GitLabSite{URL: "https://gitlab.example.com", Version: "16.10"}, true},
		{model.GitLabSite{URL: "https://gitlab.example.com", Version: "16.9"}, false}, {model.GitLabSite{URL: "https://gitlab.example.com"}, false},
	} {
		f := fixtures()["one"]
		f.fleet.Settings.GitLab = c.site
		f.fleet.Settings.Channels.Promotion = model.PromotionRequest
		files := f.files(t)
		root, parent, fleet := readKept(t, files, render.GitLabFile), readKept(t, files, render.GitLabPipeline), readKept(t, files, render.GitLabFleet)
		if want := len(pipeline.Events()) - 1; len(root.Workflow.Rules) != want || len(parent.Plan.Rules) != 6 || len(parent.Images.Rules) != 6 {
			t.Fatalf("%+v: %d pipelines, %d plans, %d children", c.site, len(root.Workflow.Rules), len(parent.Plan.Rules), len(parent.Images.Rules))
		}
		for _, r := range root.Workflow.Rules {
			if kept := r.AutoCancel.OnNewCommit == "none"; kept != (c.byRule && !overtaken(r.If)) {
				t.Errorf("%+v: a newer commit stops the pipeline: %v: %s", c.site, !kept, r.If)
			}
		}
		for i, r := range parent.Plan.Rules {
			finishes := r.Interruptible != nil && !*r.Interruptible
			if finishes != (c.byRule && !overtaken(r.If)) {
				t.Errorf("%+v: the plan runs to its end: %v: %s", c.site, finishes, r.If)
			}
			child := parent.Images.Rules[i]
			if kept := child.Variables["ROOTFSGEN_KEEP"] == "true"; child.If != r.If || kept != finishes {
				t.Errorf("%+v: the child is kept: %v: %s", c.site, kept, child.If)
			}
		}
		if parent.Plan.Interruptible != c.byRule || fleet.Carrier.Interruptible != c.byRule {
			t.Errorf("%+v: the first jobs may be stopped: %v, and in the child %v", c.site, parent.Plan.Interruptible, fleet.Carrier.Interruptible)
		}
		if first := fleet.Workflow.Rules[0]; (first.If == `$ROOTFSGEN_KEEP == "true"` && first.AutoCancel.OnNewCommit == "none") != c.byRule {
			t.Errorf("%+v: the child's first rule is %+v", c.site, first)
		}
	}
}
