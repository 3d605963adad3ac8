package forge

import "cmp"

// Origin is what a job knows about itself from the variables of its forge. The
// zero value is a desk.
type Origin struct {
	Forge   string // GitHub or GitLab
	Actor   string // who started it
	Address string // of its run, for people
	Builder string // of the pipeline's definition; certificates of keyless signatures name it, too, but on GitHub a workflow that it calls
	Source  string // address of the repository
}

// DeskBuilder stands for a Builder where no job runs.
const DeskBuilder = "https://rootfsgen.dev/builder/desk"

// OriginOf asks getenv, which is os.Getenv.
// https://docs.github.com/en/actions/reference/workflows-and-actions/variables
// https://docs.gitlab.com/ci/variables/predefined_variables/
func OriginOf(getenv func(string) string) Origin {
	switch "true" {
	case getenv("GITHUB_ACTIONS"):
		server := getenv("GITHUB_SERVER_URL") + "/"
		source := server + getenv("GITHUB_REPOSITORY")
		return Origin{
			Forge: GitHub, Actor: getenv("GITHUB_ACTOR"), Source: source, Builder: server + getenv("GITHUB_WORKFLOW_REF"),
			Address: source + "/actions/runs/" + getenv("GITHUB_RUN_ID") + "/attempts/" + cmp.Or(getenv("GITHUB_RUN_ATTEMPT"), "1"),
		}
	case getenv("GITLAB_CI"):
		source := getenv("CI_PROJECT_URL")
		kind := "refs/heads/"
		if getenv("CI_COMMIT_TAG") != "" {
			kind = "refs/tags/"
		}
		return Origin{
			Forge: GitLab, Actor: getenv("GITLAB_USER_LOGIN"), Source: source, Address: getenv("CI_JOB_URL"),
			Builder: source + "//" + cmp.Or(getenv("CI_CONFIG_PATH"), ".gitlab-ci.yml") + "@" + kind + getenv("CI_COMMIT_REF_NAME"),
		}
	}
	return Origin{}
}
