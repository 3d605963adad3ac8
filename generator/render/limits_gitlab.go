package render

import "strings"

// gitlab counts what GitLab limits.
func (m *meter) gitlab(g *gitlab, files Files) {
	m.gitlabFiles(files)
	m.count(glJobSize, maxCarried, stagePlan)
	jobs := 0
	for name, f := range map[string]*glFile{GitLabFile: g.root(), GitLabPipeline: g.parent(), GitLabFleet: g.fleet(g.p.Images, nil)} {
		jobs += m.gitlabFile(name, f)
	}
	m.gitlabJobs(jobs)
}

func (m *meter) gitlabFiles(files Files) {
	for name, text := range files {
		kept := 0
		if name == GitLabFleet {
			kept = maxCarried // what the child pipeline has beside its jobs
		}
		m.keep(glFileSize, len(text), kept, name)
	}
}

// gitlabFile counts one file, and returns how many jobs it has.
func (m *meter) gitlabFile(name string, f *glFile) (jobs int) {
	m.count(glIncludes, len(f.Include), name)
	for i := range f.Jobs {
		m.gitlabJob(&f.Jobs[i])
		if !strings.HasPrefix(f.Jobs[i].Name, ".") {
			jobs += max(1, len(f.Jobs[i].Matrix))
		}
	}
	return jobs
}

func (m *meter) gitlabJobs(jobs int) {
	m.count(glJobsFree, jobs, "")
	m.count(glJobsPremium, jobs, "")
}

func (m *meter) gitlabJob(j *glJob) {
	m.count(glNeeds, len(j.Needs), j.Name)
	m.count(glMatrix, len(j.Matrix), j.Name)
	for _, leg := range j.Matrix {
		length := 0
		for _, v := range leg {
			text, _ := v.Value.(string)
			length += len(text)
		}
		m.count(glMatrixName, length, j.Name)
	}
}
