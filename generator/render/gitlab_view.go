package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// glFile is a GitLab file as its template lays it out.
type glFile struct {
	About    []string // comment lines
	Include  []string // local files
	Stages   []string
	Workflow []rule  // which events make a pipeline at all
	Form     []field // what a person who starts one is asked
	Jobs     []glJob
}

type glJob struct {
	Name          string
	Extends       string
	Stage         string
	Tags          []string
	Minutes       string // "120 minutes"
	Image         string
	Services      []model.Service
	Interruptible *boolean
	Retry         *retry
	IDToken       string // audience of the job's token, empty for none
	SignToken     string // audience of the token that it signs with, empty for none
	Environment   string
	OnStop        string // job that ends Environment when the request closes
	Stops         bool   // the job is that one
	Access        bool   // the job deploys nothing to Environment, and only has what belongs to it
	ResourceGroup string
	Variables     []pair
	Matrix        [][]pair // the variables of each leg
	Needs         []need
	Rules         []rule
	Trigger       *trigger
	Script        []string
	Artifacts     *glArtifacts
}

// boolean is a setting that differs from not being set.
type boolean struct{ Value bool }

type need struct {
	Job       string
	Artifacts bool
	Optional  bool   // there are pipelines without the job
	Pipeline  string // variable that names another pipeline; empty is this one
}

type rule struct {
	If        string
	When      string
	Variables []pair
	Optional  bool // for When manual: nothing waits until a person starts it
	Keep      bool // no newer commit stops the pipeline, in a rule of one
	Finish    bool // no newer pipeline stops the job, in a rule of one
	event     pipeline.Event
}

// field is a variable that a person may fill in.
type field struct {
	Name, Value, Description string
	Options                  []string // what Value may be; nil is anything
}

// trigger starts the child pipeline that a job saved.
type trigger struct{ Artifact, Job string }

type glArtifacts struct {
	Paths       []string
	When        string
	Expire      string
	JUnit       string
	CodeQuality string
	Findings    string
	Packages    string
	days        int
}

func (f *glFile) tree() map[string]any {
	t := map[string]any{"stages": list(f.Stages)}
	if len(f.Include) > 0 {
		var files []any
		for _, i := range f.Include {
			files = append(files, map[string]any{"local": i})
		}
		t["include"] = files
	}
	if len(f.Workflow) > 0 {
		t["workflow"] = map[string]any{"rules": ruleTrees(f.Workflow)}
	}
	if len(f.Form) > 0 {
		form := map[string]any{}
		for _, v := range f.Form {
			m := map[string]any{"value": v.Value, "description": v.Description}
			if len(v.Options) > 0 {
				m["options"] = list(v.Options)
			}
			form[v.Name] = m
		}
		t["variables"] = form
	}
	for i := range f.Jobs {
		t[f.Jobs[i].Name] = f.Jobs[i].tree()
	}
	return t
}

func ruleTrees(rules []rule) []any {
	var out []any
	for _, r := range rules {
		m := map[string]any{}
		for k, v := range map[string]string{"if": r.If, "when": r.When} {
			if v != "" {
				m[k] = v
			}
		}
		if r.Optional {
			m["allow_failure"] = true
		}
		if r.Keep {
			m["auto_cancel"] = map[string]any{"on_new_commit": "none"}
		}
		if r.Finish {
			m["interruptible"] = false
		}
		if len(r.Variables) > 0 {
			m["variables"] = pairs(r.Variables)
		}
		out = append(out, m)
	}
	return out
}

func (j *glJob) tree() map[string]any {
	t := map[string]any{}
	for k, v := range map[string]string{"extends": j.Extends, "stage": j.Stage, "timeout": j.Minutes, "resource_group": j.ResourceGroup} {
		if v != "" {
			t[k] = v
		}
	}
	set := func(name string, v any, present bool) {
		if present {
			t[name] = v
		}
	}
	set("tags", list(j.Tags), len(j.Tags) > 0)
	set("image", j.Image, j.Image != "")
	set("services", serviceTrees(j.Services), len(j.Services) > 0)
	set("script", list(j.Script), len(j.Script) > 0)
	tokens := map[string]any{}
	for name, audience := range map[string]string{string(pipeline.VarIDToken): j.IDToken, string(pipeline.VarSignToken): j.SignToken} {
		if audience != "" {
			tokens[name] = map[string]any{"aud": audience}
		}
	}
	set("id_tokens", tokens, len(tokens) > 0)
	set("variables", pairs(j.Variables), len(j.Variables) > 0)
	set("rules", ruleTrees(j.Rules), len(j.Rules) > 0)
	set("parallel", map[string]any{"matrix": legTrees(j.Matrix)}, len(j.Matrix) > 0)
	set("needs", needTrees(j.Needs), len(j.Needs) > 0)
	if j.Environment != "" {
		e := map[string]any{"name": j.Environment}
		if j.Access {
			e["action"] = "access"
		}
		if j.Stops {
			e["action"] = "stop"
		}
		if j.OnStop != "" {
			e["on_stop"] = j.OnStop
		}
		t["environment"] = e
	}
	if j.Interruptible != nil {
		t["interruptible"] = j.Interruptible.Value
	}
	if r := j.Retry; r != nil {
		t["retry"] = r.tree()
	}
	if g := j.Trigger; g != nil {
		t["trigger"] = map[string]any{"include": []any{map[string]any{"artifact": g.Artifact, "job": g.Job}}, "strategy": "depend"}
	}
	if a := j.Artifacts; a != nil {
		m := map[string]any{"when": a.When, "expire_in": a.Expire, "paths": list(a.Paths)}
		if r := a.reports(); len(r) > 0 {
			m["reports"] = r
		}
		t["artifacts"] = m
	}
	return t
}

// reports are what the forge shows of the artifacts, by kind.
func (a *glArtifacts) reports() map[string]any {
	r := map[string]any{}
	if a.JUnit != "" {
		r["junit"] = a.JUnit
	}
	if a.CodeQuality != "" {
		r["codequality"] = a.CodeQuality
	}
	if a.Findings != "" {
		r["container_scanning"] = a.Findings
	}
	if a.Packages != "" {
		r["cyclonedx"] = a.Packages
	}
	return r
}

func legTrees(legs [][]pair) []any {
	out := make([]any, 0, len(legs))
	for _, l := range legs {
		out = append(out, pairs(l))
	}
	return out
}

func needTrees(needs []need) []any {
	var out []any
	for _, n := range needs {
		if n.Pipeline != "" {
			out = append(out, map[string]any{"pipeline": n.Pipeline, "job": n.Job})
			continue
		}
		m := map[string]any{"job": n.Job, "artifacts": n.Artifacts}
		if n.Optional {
			m["optional"] = true
		}
		out = append(out, m)
	}
	return out
}
