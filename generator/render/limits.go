package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// Limit is how near a pipeline is to one limit of a forge.
type Limit struct {
	Forge string
	What  string
	Where string // file or image that is nearest; empty for all of it
	Used  int
	Max   int
}

// String is "github: jobs in one matrix 2 of 256 (python)".
func (l Limit) String() string {
	s := fmt.Sprintf("%s: %s %d of %d", l.Forge, l.What, l.Used, l.Max)
	if l.Where != "" {
		s += " (" + l.Where + ")"
	}
	return s
}

// Exceeded tells whether the forge would refuse the pipeline.
func (l Limit) Exceeded() bool { return l.Used > l.Max }

// The limits of the forges.
const (
	maxGitHubFile       = 500_000 // bytes of a workflow
	maxGitHubMatrix     = 256     // jobs of a matrix
	maxGitHubExpression = 21_000  // characters
	maxGitHubOutputs    = 400_000 // bytes of what the planning job tells: 1 MB in UTF-16
	maxGitLabFile       = 2_000_000
	maxGitLabNeeds      = 50
)

// Limits tells how near the pipeline and its files are to the limits of a
// forge, in a fixed order.
func Limits(p *pipeline.Pipeline, forge string, files Files) []Limit {
	switch forge {
	case pipeline.GitHub:
		return gitHubLimits(p, files)
	case pipeline.GitLab:
		return gitLabLimits(p, files)
	}
	return nil
}

func gitHubLimits(p *pipeline.Pipeline, files Files) []Limit {
	file := Limit{Forge: pipeline.GitHub, What: "bytes in one workflow", Max: maxGitHubFile}
	for name, text := range files {
		if strings.HasPrefix(name, ghFolder) {
			file.raise(len(text), name)
		}
	}
	matrix := Limit{Forge: pipeline.GitHub, What: "jobs in one matrix", Max: maxGitHubMatrix}
	expression := Limit{Forge: pipeline.GitHub, What: "characters in one condition", Max: maxGitHubExpression}
	all := map[string][]pipeline.Platform{}
	g := &github{p: p}
	for i := range p.Images {
		img := &p.Images[i]
		matrix.raise(len(img.Legs), img.ID)
		for _, j := range g.imageJobs(img) {
			expression.raise(len(j.If), img.ID)
		}
		for _, l := range img.Legs {
			all[img.ID] = append(all[img.ID], pipeline.Platform{Platform: l.Platform.String(), Arch: l.Platform.Arch, Runner: p.Runners[l.Runner].GitHub})
		}
	}
	outputs := Limit{Forge: pipeline.GitHub, What: "bytes that the planning job tells when everything runs", Max: maxGitHubOutputs}
	if b, err := json.Marshal(all); err == nil { // strings always marshal
		outputs.raise(len(b), "")
	}
	return []Limit{file, matrix, expression, outputs}
}

func gitLabLimits(p *pipeline.Pipeline, files Files) []Limit {
	file := Limit{Forge: pipeline.GitLab, What: "bytes in one file", Max: maxGitLabFile}
	for name, text := range files {
		file.raise(len(text), name)
	}
	needs := Limit{Forge: pipeline.GitLab, What: "needs of one job", Max: maxGitLabNeeds}
	g := &gitlab{p: p}
	for i := range p.Images {
		for _, j := range g.imageJobs(&p.Images[i]) {
			needs.raise(len(j.Needs), j.Name)
		}
	}
	return []Limit{file, needs}
}

// raise takes the nearer of two values; of equal ones the first by name.
func (l *Limit) raise(used int, where string) {
	if used > l.Used || used == l.Used && (l.Where == "" || where < l.Where) {
		l.Used, l.Where = used, where
	}
}

// LimitError is a pipeline that a forge would refuse.
type LimitError struct{ Limits []Limit }

// Error names every limit that is exceeded.
func (e *LimitError) Error() string {
	var all []string
	for _, l := range e.Limits {
		all = append(all, l.String())
	}
	return "the forge would refuse the pipeline: " + strings.Join(all, "; ")
}

// ExitCode is that of an invalid fleet.
func (e *LimitError) ExitCode() int { return 3 }

// CheckLimits is an error when any of the limits is exceeded.
func CheckLimits(limits []Limit) error {
	var over []Limit
	for _, l := range limits {
		if l.Exceeded() {
			over = append(over, l)
		}
	}
	if over != nil {
		return &LimitError{Limits: over}
	}
	return nil
}
