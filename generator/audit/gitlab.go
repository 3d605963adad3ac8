package audit

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

var gitlabAudits = []Audit{
	{Name: "gitlab-timeout", Doc: "Each job ends by itself.", gitlab: gitlabTimeout},
	{Name: "gitlab-images", Doc: "The image of a job or of a service is a digest.", gitlab: gitlabImages},
	{Name: "gitlab-include", Doc: "What is included is of the repository, or a commit of another project, or an address with its digest.", gitlab: gitlabInclude},
	{Name: "gitlab-injection", Doc: "No script holds what people write into commits, branches and requests.", gitlab: gitlabInjection},
	{Name: "gitlab-adhoc-packages", Doc: "No script runs what it just fetched, or installs whatever is newest.", gitlab: gitlabAdhoc},
	{Name: "gitlab-debug-trace", Doc: "Traces stay switched off: they print every variable, protected ones, too.", gitlab: gitlabDebugTrace},
	{Name: "gitlab-variables", Doc: "No password is written into a file: secrets are masked, protected variables of the project.", gitlab: gitlabVariables},
	{Name: "gitlab-id-tokens", Doc: "A token that says which job it is names for whom it is.", gitlab: gitlabIDTokens},
	{Name: "gitlab-interruptible", Doc: "Each job says whether a newer pipeline may stop it, and one that publishes may not be stopped.", gitlab: gitlabInterruptible},
	{Name: "gitlab-overtaken", Doc: "No newer commit stops a pipeline by hand, of a schedule or of a tag, or the child that it starts: the next plan does not know what was asked for.", gitlab: gitlabOvertaken},
	{Name: "gitlab-resource-group", Doc: "One job at a time writes to prod.", gitlab: gitlabResourceGroup},
	{Name: "gitlab-protected-refs", Doc: "What publishes a channel, and whatever a tag starts, runs for protected branches and tags, compared as text: the variable's mere presence says nothing.", gitlab: gitlabProtectedRefs},
	{Name: "gitlab-retry", Doc: "A job runs again when its machine was lost, never because it failed.", gitlab: gitlabRetry},
	{Name: "gitlab-rules", Doc: "Each job has rules, and none by changed files, which are true for tags, new branches and schedules.", gitlab: gitlabRules},
	{Name: "gitlab-trigger", Doc: "A job that starts a child pipeline waits for it and ends as it does.", gitlab: gitlabTrigger},
	{Name: "gitlab-artifact-retention", Doc: "Each artifact says how long it is kept, and none for ever.", gitlab: gitlabRetention},
	{Name: "gitlab-cache", Doc: "No job restores a cache, which another branch could have filled.", gitlab: gitlabCache},
	{Name: "gitlab-loose-shell", Doc: "Scripts begin with set -euo pipefail, and nothing else runs before or after.", gitlab: gitlabLooseShell},
	{Name: "gitlab-fork-login", Doc: "A request of a fork runs a job that drops the project's login before it runs the fork's code.", gitlab: gitlabForkLogin},
	{Name: "gitlab-privileged", Doc: "No job asks for a Docker daemon, whose owner owns the machine.", gitlab: gitlabPrivileged},
}

// gitlab is all files of a repository that GitLab reads.
type gitlab struct {
	files  []glFile // by path
	report func(Finding)
}

type glFile struct {
	path   string
	root   node
	jobs   []*glJob
	parent bool // of the pipeline that GitLab starts, and not only of a child's
}

// glJob is one job; hidden ones, which others extend, are among them.
type glJob struct {
	in   *gitlab
	file *glFile
	id   string
	key  node
	node node
}

const (
	gitlabRoot   = ".gitlab-ci.yml"
	gitlabFolder = ".gitlab/rootfsgen"
)

// notJobs are the keys at the top of a file that are no jobs.
var notJobs = []string{"default", "include", "stages", "variables", "workflow", "spec"}

// readGitLab reads the files that GitLab reads first, those of ours, and what
// any of them includes of the repository.
func readGitLab(files map[string][]byte) (*gitlab, error) {
	g := &gitlab{}
	read := map[string]*glFile{}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == gitlabRoot || path.Dir(name) == gitlabFolder {
			names = append(names, name)
		}
	}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if read[name] != nil {
			continue
		}
		root, err := parse(name, files[name])
		if err != nil {
			return nil, err
		}
		f := &glFile{path: name, root: root}
		read[name] = f
		for _, local := range f.locals() {
			for _, file := range slices.Sorted(maps.Keys(files)) {
				if includedBy(local, file) {
					names = append(names, file)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		g.files = append(g.files, *read[name])
	}
	g.mark(gitlabRoot)
	for i := range g.files {
		f := &g.files[i]
		for _, e := range f.root.entries() {
			if e.value.isMapping() && !slices.Contains(notJobs, e.key.text()) {
				f.jobs = append(f.jobs, &glJob{in: g, file: f, id: e.key.text(), key: e.key, node: e.value})
			}
		}
	}
	return g, nil
}

// mark notes that a file, and what it includes, is of the pipeline itself.
func (g *gitlab) mark(name string) {
	for i := range g.files {
		f := &g.files[i]
		if f.parent {
			continue
		}
		if includedBy(name, f.path) {
			f.parent = true
			for _, local := range f.locals() {
				g.mark(local)
			}
		}
	}
}

// includes are what a file includes, of whatever kind.
func (f *glFile) includes() []node {
	if n := f.root.get("include"); n.isMapping() {
		return []node{n}
	}
	return f.root.get("include").items()
}

// locals are the paths of the repository that a file includes.
func (f *glFile) locals() []string {
	var all []string
	for _, n := range f.includes() {
		if local := localOf(n); local != "" {
			all = append(all, local)
		}
	}
	return all
}

// localOf is the path of the repository that an include names, which may have
// wildcards; empty for anything else, and for what leaves the repository.
func localOf(include node) string {
	text := include.get("local").text()
	if !include.isMapping() && !strings.Contains(include.text(), "://") {
		text = include.text()
	}
	local := path.Clean(strings.TrimPrefix(text, "/"))
	if text == "" || local == ".." || strings.HasPrefix(local, "../") {
		return ""
	}
	return local
}

// includedBy tells whether a file is what a path with wildcards names. Those
// that GitLab knows beside them match nothing here.
func includedBy(local, file string) bool {
	matched, err := path.Match(local, file)
	return file == local || err == nil && matched
}

// get is a keyword of a job, its own, of what it extends in any of the files, or
// of its file's default.
func (j *glJob) get(keys ...string) node { return j.seek(map[string]bool{}, keys) }

func (j *glJob) seek(seen map[string]bool, keys []string) node {
	if n := j.node.get(keys...); n.there() {
		return n
	}
	seen[j.id] = true
	for _, name := range slices.Backward(j.node.get("extends").texts()) { // the last one wins
		for i := range j.in.files {
			base := glJob{in: j.in, file: &j.in.files[i], id: name, node: j.in.files[i].root.get(name)}
			if !base.node.there() || seen[name] {
				continue
			}
			if n := base.seek(seen, keys); n.there() {
				return n
			}
		}
	}
	return j.file.root.get("default").get(keys...)
}

// hidden tells whether the job only is there to be extended.
func (j *glJob) hidden() bool { return strings.HasPrefix(j.id, ".") }

// scripts are what the job hands to a shell.
func (j *glJob) scripts() []node {
	var out []node
	for _, key := range []string{"before_script", "script", "after_script"} {
		out = append(out, j.node.get(key).items()...)
	}
	return out
}

func (g *gitlab) each(do func(*glJob)) {
	for i := range g.files {
		for _, j := range g.files[i].jobs {
			do(j)
		}
	}
}

func (g *gitlab) atJob(j *glJob, n node, format string, args ...any) {
	if !n.there() {
		n = j.key
	}
	g.report(Finding{File: j.file.path, Line: n.line(), At: "job " + j.id, Message: fmt.Sprintf(format, args...)})
}

func (g *gitlab) at(f *glFile, n node, format string, args ...any) {
	g.report(Finding{File: f.path, Line: n.line(), Message: fmt.Sprintf(format, args...)})
}
