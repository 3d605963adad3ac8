package audit

import "regexp"

// askedOnce are conditions of pipelines by hand, of schedules and of tags.
var askedOnce = regexp.MustCompile(`"schedule"|\b(?:web|api|trigger)\b|\$CI_COMMIT_TAG\b`)

func gitlabOvertaken(g *gitlab) {
	for i := range g.files {
		f := &g.files[i]
		for _, r := range f.root.get("workflow", "rules").items() {
			cond := r.get("if").text()
			if f.parent && askedOnce.MatchString(cond) && !kept(r) && !kept(f.root.get("workflow")) && !g.begins(cond) {
				g.at(f, r, "a newer commit stops the pipeline before its first job begins")
			}
		}
	}
	g.each(func(j *glJob) {
		for _, r := range j.node.get("rules").items() {
			switch {
			case !j.file.parent || !askedOnce.MatchString(r.get("if").text()):
			case j.node.get("trigger").there() && !g.childKept(r):
				g.atJob(j, r, "a newer commit stops the pipeline that the job starts")
			case j.get("script").there() && j.first() && !j.finishes(r):
				g.atJob(j, r, "a newer commit stops the pipeline whose first job this is")
			}
		}
	})
}

// kept tells whether a workflow, or one rule of it, is not stopped by a newer
// commit.
func kept(n node) bool { return n.get("auto_cancel", "on_new_commit").text() == "none" }

// first tells whether the job waits for no other of its pipeline.
func (j *glJob) first() bool {
	for _, n := range j.get("needs").items() {
		if !n.get("pipeline").there() {
			return false
		}
	}
	return true
}

// finishes tells whether the job runs to its end once it has begun, where the
// rule started it.
func (j *glJob) finishes(r node) bool {
	if n := r.get("interruptible"); n.there() {
		return n.text() == "false"
	}
	return j.get("interruptible").text() == "false"
}

// begins tells whether every job with which the pipelines of a condition begin
// is one that is never interrupted: what a GitLab can have that knows no more.
func (g *gitlab) begins(cond string) bool {
	some := false
	all := true
	g.each(func(j *glJob) {
		for _, r := range j.node.get("rules").items() {
			if j.file.parent && j.first() && r.get("if").text() == cond {
				some, all = true, all && j.get("interruptible").text() == "false"
			}
		}
	})
	return some && all
}

// childKept tells whether the child pipelines that a rule starts are not stopped
// by a newer commit: by a variable that they ask for, or by their first job.
func (g *gitlab) childKept(starts node) bool {
	for i := range g.files {
		f := &g.files[i]
		if f.parent || !f.root.get("workflow").there() {
			continue
		}
		byRule := false
		for _, v := range starts.get("variables").entries() {
			for _, r := range f.root.get("workflow", "rules").items() {
				byRule = byRule || kept(r) && r.get("if").text() == "$"+v.key.text()+` == "`+v.value.text()+`"`
			}
		}
		for _, j := range f.jobs {
			if !byRule && !j.hidden() && j.first() && j.get("interruptible").text() != "false" {
				return false
			}
		}
	}
	return true
}
