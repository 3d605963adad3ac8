package pipeline

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestJobsBringWhatTheyRun holds what each job that begins a pipeline compiles,
// or fetches, against the programs that its scripts run: nothing is missing, and
// nothing is brought for nobody.
func TestJobsBringWhatTheyRun(t *testing.T) {
	t.Parallel()
	released := model.Programs{Version: "v1.2.3", Commit: strings.Repeat("a", 40), URL: "https://example.com/{program}-{arch}"}
	for name, p := range map[string]*Pipeline{
		"source":            {Runtime: model.RuntimeSource},
		"source, judged":    {Runtime: model.RuntimeSource, Judging: model.Judging{On: true}},
		"source or release": {Runtime: model.RuntimeSource, Programs: released},
		"release":           {Runtime: model.RuntimeRelease, Programs: released},
	} {
		for job, steps := range map[string][]Step{
			"plan": p.planSteps(), "fork": p.forkSteps(), "lock": p.lockSteps(), "rescan": p.rescanJob().Steps, "purge": p.purgeJob().Steps, "finish": p.finishJob().Steps,
		} {
			var brought, run, values string
			handsOn := false
			for _, s := range steps {
				handsOn = handsOn || s.Verb == Save && s.Artifact == programsArtifact
				if strings.Contains(s.Name, "programs") && s.Verb == Run {
					brought += s.Script
					for _, v := range s.Values {
						if v.Name == VarPrograms {
							values += " " + v.Text
						}
					}
					continue
				}
				run += s.Script
			}
			for _, program := range model.ProgramNames() {
				has := strings.Contains(brought, " ./cmd/"+program+"\n") || strings.Contains(brought, " ./cmd/"+program+" ") || strings.Contains(values+" ", " "+program+" ")
				if wants := strings.Contains(run, program+" ") || handsOn && program == "rootfsrun"; has != wants {
					t.Errorf("%s: %s: brings %s: %t, runs it, or hands it on: %t", name, job, program, has, wants)
				}
			}
			if every := strings.Contains(brought, "for arch in"); every != handsOn {
				t.Errorf("%s: %s: for every machine: %t, hands it on: %t", name, job, every, handsOn)
			}
			scans := strings.Contains(run, "make tools-scan") || strings.Contains(run, "install syft grype")
			if wants := p.Judging.On && (job == "fork" || job == "finish") || job == "rescan"; scans != wants {
				t.Errorf("%s: %s: gets scanners: %t", name, job, scans)
			}
		}
	}
}
