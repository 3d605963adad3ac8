// Package spot deals with machines that are taken away: it tells jobs that
// were lost with their machine from those that failed or that a person
// cancelled, and runs the lost ones again, a bounded number of times.
package spot

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// Verdict is what became of a job.
type Verdict string

// The verdicts.
const (
	Passed    Verdict = "passed"
	Lost      Verdict = "lost"      // with its machine; may be run again
	Failed    Verdict = "failed"    // by what it did
	Cancelled Verdict = "cancelled" // by a person, or by a newer run
	Blocked   Verdict = "blocked"   // did not run, or failed, because of another job
	Open      Verdict = "open"      // has not ended
)

// Judged is a job with its verdict.
type Judged struct {
	ID      int64   `json:"id"`
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`

	conclusion forge.Conclusion
}

// What GitHub notes at a job, in lower case. The first two lists are of the
// runner's and the service's own words.
var (
	goneNotes   = []string{"lost communication with the server", "received a shutdown signal"}
	personNotes = []string{"the run was canceled by", "the run was cancelled by", "canceling since a higher priority waiting request"}
	slowNotes   = []string{"exceeded the maximum execution time"}
)

// Judge gives each job of a run its verdict.
func Judge(run *forge.Run) []Judged {
	out := make([]Judged, 0, len(run.Jobs))
	for i := range run.Jobs {
		j := &run.Jobs[i]
		v, why := judge(run, j)
		out = append(out, Judged{ID: j.ID, Name: firstLine(j.Name), Verdict: v, Why: why, conclusion: j.Conclusion})
	}
	return out
}

func judge(run *forge.Run, j *forge.Job) (Verdict, string) {
	switch {
	case j.Conclusion == "":
		return Open, "it has not ended"
	case j.Conclusion == forge.Success || j.Conclusion == forge.Other:
		return Passed, ""
	case j.Conclusion == forge.Skipped:
		return Blocked, "it was not wanted, or what it waits for did not succeed"
	case sumsUp(j.Name):
		return Blocked, "it fails when any other job does"
	case j.Machine == "" && j.Conclusion == forge.Cancelled:
		return Cancelled, "it was cancelled before a machine took it"
	case run.Forge == forge.GitLab:
		return judgeReason(j)
	case j.Machine == "":
		return Failed, "it never came to a machine"
	}
	return judgeNotes(run, j)
}

// sumsUp tells whether a job is the one that fails whenever another does. It
// is called by nobody, so its name is whole.
func sumsUp(name string) bool { return name == model.ResultCheck }

// judgeReason goes by GitLab's own word for why a job ended.
func judgeReason(j *forge.Job) (Verdict, string) {
	switch {
	case j.Conclusion == forge.Cancelled:
		return Cancelled, "it was cancelled"
	case slices.Contains(model.LostReasons(), j.Reason):
		return Lost, "GitLab says " + j.Reason
	case j.Reason != "":
		return Failed, "GitLab says " + j.Reason
	}
	return Failed, "its script failed"
}

// judgeNotes goes by what GitHub noted at a job that a machine had, and by how
// its steps ended.
func judgeNotes(run *forge.Run, j *forge.Job) (Verdict, string) {
	person, gone := noted(j, personNotes), noted(j, goneNotes)
	failed := firstFailed(j.Steps)
	switch {
	case person != "":
		return Cancelled, person
	case j.Conclusion == forge.TimedOut || noted(j, slowNotes) != "":
		return Failed, "it took longer than its time limit"
	case gone != "" && failed >= 0 && wentOn(j.Steps[failed+1:]):
		return Failed, fmt.Sprintf("the step %q had failed before its machine went", j.Steps[failed].Name)
	case gone != "":
		return Lost, gone
	case failed >= 0 && slices.Contains(model.AgainCodes(), j.ExitCode):
		return Lost, fmt.Sprintf("the step %q ended with exit code %d, which asks for another try", j.Steps[failed].Name, j.ExitCode)
	case failed >= 0:
		return Failed, fmt.Sprintf("the step %q failed", j.Steps[failed].Name)
	case j.Conclusion == forge.Failure:
		return Lost, "it failed and none of its steps did: its machine ended without a word"
	case run.Conclusion == forge.Cancelled:
		return Cancelled, "the whole run was cancelled"
	}
	return Lost, "it was cancelled and its run was not: its machine shut down"
}

// noted is the first note that has one of the words, empty where none has.
func noted(j *forge.Job, words []string) string {
	for _, n := range j.Notes {
		for _, w := range words {
			if strings.Contains(strings.ToLower(n), w) {
				return firstLine(n)
			}
		}
	}
	return ""
}

// maxNote bounds what is repeated of a note, in bytes.
const maxNote = 160

// firstLine is the first line of what a job may have written itself, without
// what could move a terminal's cursor.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	if len(line) > maxNote {
		line = strings.ToValidUTF8(line[:maxNote], "") + "..."
	}
	return line
}

// firstFailed is the first step that failed, -1 where none did.
func firstFailed(steps []forge.Step) int {
	return slices.IndexFunc(steps, func(s forge.Step) bool { return s.Conclusion == forge.Failure })
}

// wentOn tells whether a step of the job's own still succeeded. The runner
// tidies up even while its machine shuts down.
func wentOn(steps []forge.Step) bool {
	return slices.ContainsFunc(steps, func(s forge.Step) bool {
		return s.Conclusion == forge.Success && s.Name != "Complete job" && !strings.HasPrefix(s.Name, "Post ")
	})
}
