package pipeline

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// testsArtifact is what a test job reports. Its build job has reportsArtifact,
// and no two jobs save under one name.
var testsArtifact = Artifact{Name: "rootfsgen-tests", Path: Reports, Folder: Reports, Per: PerLeg, Report: true, JUnit: true, Days: 30}

const deviceTestScript = asRoot + testOptions + `"${root[@]}" rootfsrun services ensure
"${root[@]}" rootfsrun test "` + target + `" --platform "$ROOTFSGEN_PLATFORM" --device "$ROOTFSGEN_DEVICE" "${options[@]}"
`

// testOn gives a leg a test job where its tests need what some class has.
func (l *Leg) testOn(s *model.Settings, i *model.Image) {
	if class := s.TestClass(i, l.Platform); class != "" {
		l.Device, l.Test = i.Device(), class
	}
}

// fixTests lays out the job that tests on other machines than those that
// build, where a fleet has any.
func (p *Pipeline) fixTests(fleet *model.Fleet) {
	needed := slices.ContainsFunc(fleet.Images, func(i model.Image) bool {
		return slices.ContainsFunc(i.Platforms, func(on model.Platform) bool { return fleet.Settings.TestClass(&i, on) != "" })
	})
	if !needed {
		return
	}
	p.Fixed[Test] = Job{Kind: Test, Minutes: minutesBuild, Events: p.built(), Interrupt: true, Retry: true, Steps: p.withPlan(p.withEngines(
		p.run("Test", deviceTestScript, VarImage, VarTarget, VarPlatform, VarArch, VarDevice, VarLogin),
		Step{Verb: Save, Name: "Keep the reports", Artifact: testsArtifact},
	)...)}
}

// TestClasses are the machine classes of the test jobs, sorted.
func (p *Pipeline) TestClasses() []string {
	classes := map[string]bool{}
	for i := range p.Images {
		for _, l := range p.Images[i].Legs {
			if l.Test != "" {
				classes[l.Test] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(classes))
}
