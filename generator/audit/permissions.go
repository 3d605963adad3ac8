package audit

import "slices"

var permissionAudits = []Audit{
	{Name: "excessive-permissions", Doc: "A workflow begins with no rights, and each job names those that it has: what gets into one job gets no further.", github: excessivePermissions},
	{Name: "undocumented-permissions", Doc: "A comment behind each right says what it is for.", github: undocumentedPermissions},
	{Name: "callee-permissions", Doc: "A called workflow wants no more than its caller has: GitHub refuses such a run when it starts, and no linter says so.", github: calleePermissions},
}

func excessivePermissions(g *github, w *workflow) {
	if p := w.root.get("permissions"); !p.isMapping() || len(p.entries()) > 0 {
		g.at(w, p, "the workflow does not begin with permissions: {}")
	}
	for _, j := range w.jobs {
		p := j.node.get("permissions")
		if !p.isMapping() {
			g.atJob(w, j, p, "the job does not name its permissions")
		}
		for _, e := range p.entries() {
			scope, access := e.key.text(), e.value.text()
			allowed := func(r Right) bool { return r.of(j.id, scope) }
			if access == "read" || access == "none" || slices.ContainsFunc(g.rules.Write, allowed) {
				continue
			}
			g.atJob(w, j, e.key, "%s: %s is not among the rights that jobs may have", scope, access)
		}
	}
}

func undocumentedPermissions(g *github, w *workflow) {
	for _, j := range w.jobs {
		for _, e := range j.node.get("permissions").entries() {
			if e.value.comment() == "" {
				g.atJob(w, j, e.key, "nothing says why the job has %s: %s", e.key.text(), e.value.text())
			}
		}
	}
}

func calleePermissions(g *github, w *workflow) {
	for _, j := range w.jobs {
		callee := g.callee(j)
		if callee == nil {
			continue
		}
		for _, inner := range callee.jobs {
			for _, e := range inner.node.get("permissions").entries() {
				have := j.node.get("permissions", e.key.text()).text()
				if rank(have) < rank(e.value.text()) {
					g.atJob(w, j, node{}, "job %s of %s wants %s: %s, and the caller has %q", inner.id, callee.path, e.key.text(), e.value.text(), have)
				}
			}
		}
	}
}

func rank(access string) int { return slices.Index([]string{"read", "write"}, access) + 1 }
