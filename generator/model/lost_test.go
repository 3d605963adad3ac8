package model_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestRetryReasons(t *testing.T) {
	t.Parallel()
	before := []string{"runner_system_failure", "scheduler_failure", "api_failure", "data_integrity_failure", "stuck_or_timeout_failure"}
	since := []string{
		"runner_system_failure", "scheduler_failure", "api_failure", "data_integrity_failure",
		"runner_interrupted", "runner_external_dependency_failure", "stuck_pending_with_matching_runners", "no_updates_running",
	}
	for _, c := range []struct {
		url, version string
		want         []string
		codes        bool
	}{
		{"", "", since, true}, {model.DefaultGitLabURL, "", since, true}, {"https://gitlab.example.com", "", before[:4], false},
		{"", "17.4", before, false}, {"", "17.5", before, true}, {"", "18.11", before, true}, {"https://gitlab.example.com", "19.0.9", before, true},
		{"", "19.1", since, true}, {"", "19.1.0", since, true}, {"https://gitlab.example.com", "19.10", since, true}, {"", "20.0", since, true},
	} {
		site := model.GitLabSite{URL: c.url, Version: c.version}
		if d := cmp.Diff(c.want, model.RetryReasons(site)); d != "" || model.RetriesExitCodes(site) != c.codes {
			t.Errorf("%+v: exit codes %v, reasons -want +got:\n%s", site, model.RetriesExitCodes(site), d)
		}
		for _, r := range c.want {
			if !slices.Contains(model.LostReasons(), r) {
				t.Errorf("%s is repeated and not said to be lost", r)
			}
		}
	}
}

func TestKeepsByRule(t *testing.T) {
	t.Parallel()
	for site, want := range map[model.GitLabSite]bool{
		{}: true, {URL: model.DefaultGitLabURL}: true, {URL: "https://gitlab.example.com"}: false,
		{Version: "16.9"}: false, {Version: "16.10"}: true, {Version: "17.0"}: true, {URL: "https://gitlab.example.com", Version: "18.2"}: true,
	} {
		if got := model.KeepsByRule(site); got != want {
			t.Errorf("%+v: %v", site, got)
		}
	}
}

func TestCheckGitLabVersion(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"18.2": true, "18.2.1": true, "18": false, "v18.2": false, "18.x": false, "1.2.3.4": false, "": false, "18.-2": false, "99999999.1": false} {
		if err := model.CheckGitLabVersion(version); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}
