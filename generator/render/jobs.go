package render

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// checkOwn refuses what would be an expression or a pattern in a pipeline.
func checkOwn(p *pipeline.Pipeline) error {
	for i := range p.Own {
		j := &p.Own[i]
		errs := []error{model.CheckJobName(j.Name)}
		if j.GitHub != "" {
			errs = append(errs, model.CheckWorkflowPath(j.GitHub))
		}
		if j.GitLab != "" {
			errs = append(errs, model.CheckHiddenJob(j.GitLab))
		}
		for _, s := range j.Secrets {
			errs = append(errs, model.CheckSecretName(s))
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("rendering the job %q: %w", j.Name, err)
		}
	}
	return nil
}

// ownWorkflow is what counts of a workflow that a job of one's own calls.
type ownWorkflow struct {
	On          yaml.Node `yaml:"on"`
	Permissions yaml.Node `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions yaml.Node `yaml:"permissions"`
	} `yaml:"jobs"`
}

// interfaceOf is what the callers of a workflow hand on.
type interfaceOf struct {
	Inputs  map[string]struct{ Required bool }
	Secrets map[string]struct{ Required bool }
}

// called is the interface of a workflow that others may call.
func (w *ownWorkflow) called() (of interfaceOf, callable bool) {
	var events map[string]yaml.Node
	if w.On.Decode(&events) != nil {
		var names []string // of events: a list, or one
		if w.On.Decode(&names) != nil {
			names = []string{w.On.Value}
		}
		return of, slices.Contains(names, "workflow_call")
	}
	call, callable := events["workflow_call"]
	return of, callable && call.Decode(&of) == nil
}

// CheckOwnWorkflow says why GitHub would not start a workflow as the job that
// calls it, nil if it would.
func CheckOwnWorkflow(j *model.OwnJob, text []byte) error {
	var w ownWorkflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	of, callable := w.called()
	if !callable {
		return errors.New("it has no \"on: workflow_call\"")
	}
	if err := of.fits(j); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(w.Jobs)) {
		permissions := w.Jobs[id].Permissions
		if permissions.IsZero() {
			permissions = w.Permissions
		}
		if err := allowed(j, permissions); err != nil {
			more := "alone"
			if len(j.Rights) > 0 {
				more = "and the rights " + strings.Join(j.Rights, " and ")
			}
			return fmt.Errorf("its job %s %w: it is called with contents: read %s", id, err, more)
		}
	}
	return nil
}

// fits tells whether a job hands on what is asked for, and nothing else.
func (of *interfaceOf) fits(j *model.OwnJob) error {
	for _, name := range slices.Sorted(maps.Keys(of.Inputs)) {
		if of.Inputs[name].Required {
			return fmt.Errorf("it requires an input %s, and is called without inputs", name)
		}
	}
	for _, name := range j.Secrets {
		if _, declared := of.Secrets[name]; !declared {
			return fmt.Errorf("it does not name the secret %s under workflow_call", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of.Secrets)) {
		if of.Secrets[name].Required && !slices.Contains(j.Secrets, name) {
			return fmt.Errorf("it requires the secret %s, which is not listed under secrets", name)
		}
	}
	return nil
}

// allowed refuses rights that a caller does not have.
func allowed(j *model.OwnJob, permissions yaml.Node) error {
	if permissions.IsZero() {
		return nil
	}
	var rights map[string]string
	if err := permissions.Decode(&rights); err != nil {
		return fmt.Errorf("wants %s", permissions.Value)
	}
	for _, scope := range slices.Sorted(maps.Keys(rights)) {
		access := rights[scope]
		switch {
		case access == "none", scope == "contents" && access == "read":
		case scope == "contents" && slices.Contains(j.Rights, model.RightRelease):
		case scope == "id-token" && slices.Contains(j.Rights, model.RightIdentity):
		default:
			return fmt.Errorf("wants %s: %s", scope, access)
		}
	}
	return nil
}

// CheckOwnHidden says why a file does not have the hidden job that a job
// extends, nil if it has.
func CheckOwnHidden(j *model.OwnJob, text []byte) error {
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return Readable(text)
	}
	if _, found := doc[j.GitLab]; !found {
		return fmt.Errorf("it has no job %s", j.GitLab)
	}
	return nil
}
