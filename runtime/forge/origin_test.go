package forge

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOriginOf(t *testing.T) {
	t.Parallel()
	github := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_ACTOR": "ann",
		"GITHUB_WORKFLOW_REF": "o/r/.github/workflows/w.yml@refs/heads/main", "GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2",
	}
	gitlab := map[string]string{
		"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/o/r", "GITLAB_USER_LOGIN": "ann", "CI_JOB_URL": "https://gitlab.com/o/r/-/jobs/7",
		"CI_COMMIT_REF_NAME": "main",
	}
	tag := map[string]string{"GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/o/r", "CI_CONFIG_PATH": "ci.yml", "CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}
	for name, c := range map[string]struct {
		env  map[string]string
		want Origin
	}{
		"a desk": {map[string]string{"USER": "ann"}, Origin{}},
		"a job of GitHub": {github, Origin{
			Forge: GitHub, Actor: "ann", Address: "https://github.com/o/r/actions/runs/7/attempts/2", Source: "https://github.com/o/r",
			Builder: "https://github.com/o/r/.github/workflows/w.yml@refs/heads/main",
		}},
		"a job of GitLab": {gitlab, Origin{
			Forge: GitLab, Actor: "ann", Address: "https://gitlab.com/o/r/-/jobs/7", Source: "https://gitlab.com/o/r",
			Builder: "https://gitlab.com/o/r//.gitlab-ci.yml@refs/heads/main",
		}},
		"a job of a tag": {tag, Origin{Forge: GitLab, Source: "https://gitlab.com/o/r", Builder: "https://gitlab.com/o/r//ci.yml@refs/tags/v1"}},
	} {
		if diff := cmp.Diff(c.want, OriginOf(func(name string) string { return c.env[name] })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
