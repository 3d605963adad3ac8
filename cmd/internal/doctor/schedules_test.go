package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

func TestWhatTheClockStarts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		forge string
		spoil func(*repository)
		check string
		state doctor.State
		says  string
		mend  string
	}{
		"switched off by GitHub": {
			forge.GitHub, func(r *repository) { r.schedules[0].Active, r.schedules[0].Why = false, "disabled_inactivity" },
			"schedule .github/workflows/rootfsgen-lock.yml", doctor.Fail, "disabled_inactivity", "gh workflow enable rootfsgen-lock.yml -R acme/images",
		},
		"not there yet": {
			forge.GitHub, func(r *repository) { r.schedules = r.schedules[:1] },
			"schedule rootfsgen-bases.yml", doctor.Warn, "the default branch has no such workflow", "rootfsgen generate, then commit and push rootfsgen-bases.yml",
		},
		"a fork": {
			forge.GitHub, func(r *repository) { r.repository.Fork = true },
			"schedules", doctor.Warn, "every scheduled job is skipped", "gh variable set ROOTFSGEN_SCHEDULE --body true -R acme/images",
		},
		"a fork with another value": {
			forge.GitHub, func(r *repository) {
				r.repository.Fork = true
				r.variables = append(r.variables, forge.Variable{Name: "ROOTFSGEN_SCHEDULE", Value: "yes"})
			},
			"schedules", doctor.Warn, "every scheduled job is skipped", "gh variable set ROOTFSGEN_SCHEDULE --body true -R acme/images",
		},
		"a fork that wants them": {
			forge.GitHub, func(r *repository) {
				r.repository.Fork = true
				r.variables = append(r.variables, forge.Variable{Name: "ROOTFSGEN_SCHEDULE", Value: "true"})
			},
			"schedules", doctor.OK, "the clock starts all of them", "",
		},
		"none of them on GitLab": {
			forge.GitLab, func(r *repository) { r.schedules = r.schedules[2:] },
			"schedule lock", doctor.Warn, "ROOTFSGEN_SCHEDULE = lock",
			`glab schedule create --cron "17 5 * * 1-5" --ref main --description "rootfsgen lock" --variable ROOTFSGEN_SCHEDULE:lock -R acme/images`,
		},
		"one of them on GitLab": {
			forge.GitLab, func(r *repository) { r.schedules = r.schedules[:1] },
			"schedule bases", doctor.Warn, "ROOTFSGEN_SCHEDULE = bases", `--variable ROOTFSGEN_SCHEDULE:bases -R acme/images`,
		},
		"switched off on GitLab": {
			forge.GitLab, func(r *repository) { r.schedules[0].Active = false },
			"schedule lock", doctor.Fail, `"nightly" is switched off`, "glab api -X PUT projects/acme%2Fimages/pipeline_schedules/7 -f active=true",
		},
		"for another branch": {
			forge.GitLab, func(r *repository) { r.schedules[0].Ref = "old" },
			"schedule lock", doctor.Fail, `"nightly" is for the branch old`, "glab api -X PUT projects/acme%2Fimages/pipeline_schedules/7 -f ref=main",
		},
	} {
		r, f := good(c.forge)
		c.spoil(r)
		all := f.Look(t.Context())
		x := found(t, all, c.check)
		if x.State != c.state || !strings.Contains(x.Says, c.says) || !strings.Contains(strings.Join(x.Mend, "\n"), c.mend) || x.Why == "" {
			t.Errorf("%s: %+v", name, x)
		}
		if got := states(all)["schedules"]; (got == doctor.OK) != (c.state == doctor.OK) {
			t.Errorf("%s: schedules: %q", name, got)
		}
	}
}

// TestTheClockThatIsNotAsked has a fleet that wants fewer schedules, or more.
func TestTheClockThatIsNotAsked(t *testing.T) {
	t.Parallel()
	_, f := good(forge.GitLab)
	f.Pipeline.Judging.On = true
	if x := found(t, f.Look(t.Context()), "schedule rescan"); x.State != doctor.Warn {
		t.Errorf("%+v", x)
	}
	f.Settings.Triggers.Schedule = model.Schedule{Lock: model.TriggerOff, Bases: model.TriggerOff, Rescan: model.TriggerOff}
	before := states(f.Look(t.Context()))
	for check := range before {
		if strings.HasPrefix(check, "schedule") {
			t.Errorf("%s is looked at: %s", check, cmp.Diff(nil, before))
		}
	}
}
