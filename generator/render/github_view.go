package render

// workflow is a GitHub file as its template lays it out. Scalars are string
// (text), expr, int or bool.
type workflow struct {
	About       []string // comment lines
	Name        string
	On          triggers
	Concurrency *concurrency
	Shell       bool // has steps that run scripts
	Jobs        []ghJob
}

type triggers struct {
	Branches    []string // push to these
	Tags        []string // push of these
	PullRequest bool
	Closed      bool     // of a pull request, merged or not
	MergeGroup  bool     // what a merge queue tries
	Schedule    []string // cron expressions in UTC
	Dispatch    []input  // by a person, who fills these in
	Watched     []string // the end of a run of these workflows
	Call        bool     // by another workflow
	Inputs      []input
	Outputs     []output // that a caller hears
	Secrets     []secret // that a caller may hand on
}

type output struct {
	Name, Description string
	Value             expr
}

type secret struct{ Name, Description string }

type input struct {
	Name        string
	Description string
	Type        string // string, number or boolean
	Required    bool
	HasDefault  bool
	Default     any
}

type concurrency struct {
	Group  expr
	Cancel bool
}

type ghJob struct {
	ID          string
	Name        any
	Needs       []string
	If          expr
	Uses        string   // a reusable workflow, instead of RunsOn and Steps
	RunsOn      []string // labels
	RunsOnExpr  expr     // labels that are known only at run time
	Container   any      // image that the steps run in, nil for none
	Services    []ghService
	Env         []pair
	Environment string
	Minutes     any
	Permissions []permission
	Matrix      expr
	Outputs     []pair
	With        []pair
	Secrets     []pair // handed on to Uses, each by name
	Steps       []ghStep
}

type permission struct{ Name, Access, Why string }

type pair struct {
	Name  string
	Value any
}

type ghStep struct {
	Name string
	ID   string
	If   expr
	Uses *Pin
	With []pair
	Env  []pair
	Run  string
}

// tree is the workflow as a YAML reader must see it: what the text that came
// out of the template is compared with.
func (w *workflow) tree() map[string]any {
	t := map[string]any{"name": w.Name, "on": w.On.tree(), "permissions": map[string]any{}}
	if c := w.Concurrency; c != nil {
		t["concurrency"] = map[string]any{"group": string(c.Group), "cancel-in-progress": c.Cancel}
	}
	if w.Shell {
		t["defaults"] = map[string]any{"run": map[string]any{"shell": "bash"}}
	}
	jobs := map[string]any{}
	for i := range w.Jobs {
		jobs[w.Jobs[i].ID] = w.Jobs[i].tree()
	}
	t["jobs"] = jobs
	return t
}

func (t *triggers) tree() map[string]any {
	m := map[string]any{}
	if len(t.Branches) > 0 {
		m["push"] = map[string]any{"branches": list(t.Branches)}
	}
	if len(t.Tags) > 0 {
		m["push"] = map[string]any{"tags": list(t.Tags)}
	}
	if t.PullRequest {
		m["pull_request"] = map[string]any{}
	}
	if t.Closed {
		m["pull_request"] = map[string]any{"types": []any{"closed"}}
	}
	if t.MergeGroup {
		m["merge_group"] = map[string]any{"types": []any{"checks_requested"}}
	}
	if len(t.Schedule) > 0 {
		var all []any
		for _, cron := range t.Schedule {
			all = append(all, map[string]any{"cron": cron})
		}
		m["schedule"] = all
	}
	if len(t.Dispatch) > 0 {
		m["workflow_dispatch"] = map[string]any{"inputs": inputTrees(t.Dispatch)}
	}
	if len(t.Watched) > 0 {
		m["workflow_run"] = map[string]any{"workflows": list(t.Watched), "types": []any{"completed"}}
	}
	if t.Call {
		call := map[string]any{"inputs": inputTrees(t.Inputs)}
		if len(t.Outputs) > 0 {
			outputs := map[string]any{}
			for _, o := range t.Outputs {
				outputs[o.Name] = map[string]any{"description": o.Description, "value": value(o.Value)}
			}
			call["outputs"] = outputs
		}
		if len(t.Secrets) > 0 {
			secrets := map[string]any{}
			for _, s := range t.Secrets {
				secrets[s.Name] = map[string]any{"description": s.Description, "required": false}
			}
			call["secrets"] = secrets
		}
		m["workflow_call"] = call
	}
	return m
}

func inputTrees(inputs []input) map[string]any {
	trees := map[string]any{}
	for _, i := range inputs {
		v := map[string]any{"description": i.Description, "type": i.Type, "required": i.Required}
		if i.HasDefault {
			v["default"] = value(i.Default)
		}
		trees[i.Name] = v
	}
	return trees
}

func (j *ghJob) tree() map[string]any {
	t := map[string]any{"name": value(j.Name)}
	set := func(name string, v any, present bool) {
		if present {
			t[name] = v
		}
	}
	set("needs", list(j.Needs), len(j.Needs) > 0)
	set("if", string(j.If), j.If != "")
	set("uses", j.Uses, j.Uses != "")
	set("runs-on", list(j.RunsOn), len(j.RunsOn) > 0)
	set("runs-on", string(j.RunsOnExpr), j.RunsOnExpr != "")
	set("container", value(j.Container), j.Container != nil)
	services := map[string]any{}
	for _, s := range j.Services {
		services[s.Name] = map[string]any{"image": value(s.Image)}
	}
	set("services", services, len(j.Services) > 0)
	set("env", pairs(j.Env), len(j.Env) > 0)
	set("environment", j.Environment, j.Environment != "")
	set("timeout-minutes", value(j.Minutes), j.Minutes != nil)
	permissions := map[string]any{}
	for _, p := range j.Permissions {
		permissions[p.Name] = p.Access
	}
	t["permissions"] = permissions
	set("strategy", map[string]any{"fail-fast": false, "matrix": map[string]any{"include": string(j.Matrix)}}, j.Matrix != "")
	set("outputs", pairs(j.Outputs), len(j.Outputs) > 0)
	set("with", pairs(j.With), len(j.With) > 0)
	set("secrets", pairs(j.Secrets), len(j.Secrets) > 0)
	steps := make([]any, 0, len(j.Steps))
	for i := range j.Steps {
		steps = append(steps, j.Steps[i].tree())
	}
	set("steps", steps, len(steps) > 0)
	return t
}

func (s *ghStep) tree() map[string]any {
	t := map[string]any{"name": s.Name}
	if s.ID != "" {
		t["id"] = s.ID
	}
	if s.If != "" {
		t["if"] = string(s.If)
	}
	if s.Uses != nil {
		t["uses"] = s.Uses.Action + "@" + s.Uses.Commit
	}
	if len(s.With) > 0 {
		t["with"] = pairs(s.With)
	}
	if len(s.Env) > 0 {
		t["env"] = pairs(s.Env)
	}
	if s.Run != "" {
		t["run"] = s.Run
	}
	return t
}

func pairs(ps []pair) map[string]any {
	m := map[string]any{}
	for _, p := range ps {
		m[p.Name] = value(p.Value)
	}
	return m
}

func list(s []string) []any {
	out := make([]any, 0, len(s))
	for _, v := range s {
		out = append(out, v)
	}
	return out
}

// value is a scalar as a YAML reader returns it.
func value(v any) any {
	if e, is := v.(expr); is {
		return string(e)
	}
	return v
}
