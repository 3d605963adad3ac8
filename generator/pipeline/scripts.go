package pipeline

import (
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What jobs hand on to later jobs and to people lies in these folders of the
// checkout. Their names do not begin with a dot: forges do not keep hidden
// files.
const (
	Folder          = "rootfsgen-ci"                // what belongs to the pipeline itself
	PlanFile        = Folder + "/plan.json"         // what the planning job decided
	CodeQualityFile = Folder + "/code-quality.json" // what is wrong with people's files, where the forge shows that
	ChildFile       = Folder + "/child.yml"         // the jobs that it decided on, where the forge runs such a file
	Reports         = "build-artifacts"             // what steps did, for people and for the forge
	JUnitGlob       = Reports + "/junit-*.xml"      // results of tests
)

// strict begins every script: the first command that fails ends it.
const strict = "set -euo pipefail\n"

// planScript makes the plan. flags end every command that reads the settings.
func planScript(flags string) string {
	return `mkdir -p ` + Folder + `
options=(--scope "$ROOTFSGEN_SCOPE")
if [ -n "$ROOTFSGEN_SNAPSHOT" ]; then
  options+=(--snapshot-id "$ROOTFSGEN_SNAPSHOT")
fi
if [ -n "${ROOTFSGEN_FROM:-}" ]; then
  options+=(--from "$ROOTFSGEN_FROM")
fi
if [ -n "${ROOTFSGEN_REPORTS:-}" ]; then
  options+=(--code-quality ` + CodeQualityFile + `)
fi
read -r -d '' -a images <<< "${ROOTFSGEN_IMAGES:-}" || true
read -r -d '' -a platforms <<< "${ROOTFSGEN_PLATFORMS:-}" || true
for platform in "${platforms[@]}"; do
  options+=(--platform "$platform")
done
case "${ROOTFSGEN_FORCE:-false}" in
  false) ;;
  bases) options+=(--rebuild-bases) ;;
  true)
    if [ "${#images[@]}" = 0 ]; then
      options+=(--all)
    fi
    for image in "${images[@]}"; do
      options+=(--force "$image")
    done
    images=()
    ;;
  *)
    echo "ROOTFSGEN_FORCE must be true, false or bases" >&2
    exit 2
    ;;
esac
rootfsgen plan "${options[@]}" --format json` + flags + ` -- "${images[@]}" > ` + PlanFile + `
`
}

// asRoot runs what starts a buildkitd, or speaks to the one that root started.
const asRoot = `root=(env)
if [ -z "${BUILDKIT_HOST:-}" ] && [ "$(id -u)" != 0 ]; then
  root=(sudo --preserve-env env "PATH=$PATH" "HOME=$HOME")
fi
`

// target is what a command calls the job's image.
const target = "${ROOTFSGEN_TARGET:-$ROOTFSGEN_IMAGE}"

const buildScript = asRoot + `"${root[@]}" rootfsrun services ensure
"${root[@]}" rootfsrun build "` + target + `" --platform "$ROOTFSGEN_PLATFORM" --tested --plan ` + PlanFile + `
`

// testOptions are those of every command that tests.
const testOptions = `options=(--plan ` + PlanFile + ` --junit "` + Reports + `/junit-$ROOTFSGEN_IMAGE-$ROOTFSGEN_ARCH.xml")
if [ -n "${ROOTFSGEN_REPORTS:-}" ]; then
  options+=(--attach)
fi
`

const testScript = asRoot + testOptions + `"${root[@]}" rootfsrun test "` + target + `" --platform "$ROOTFSGEN_PLATFORM" "${options[@]}"
`

func manifestScript(flags string) string {
	return "rootfsrun manifest --plan " + PlanFile + flags + "\n"
}

func promoteScript(flags string) string {
	return "rootfsrun promote --plan " + PlanFile + flags + "\n"
}

// withoutSecrets drops what a forge may have given to the job all the same: a
// request from a fork is somebody else's code.
func (p *Pipeline) withoutSecrets() string {
	names := []string{string(VarLogin), string(VarToken), string(VarForgeToken), "CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CI_DEPLOY_PASSWORD", model.RegistryAuth}
	for _, scope := range model.LoginScopes() {
		names = append(names, model.RegistryAuthOf(scope))
	}
	return "unset " + strings.Join(append(names, p.LoginSecrets()...), " ") + "\n"
}

// forkScript treats the machine like a desk: it has a registry of its own. A
// plan of more than most targets is only shown.
func forkScript(flags string, most int) string {
	return `desk=(env CI=false)
if [ "$(id -u)" != 0 ]; then
  desk=(sudo --preserve-env env "PATH=$PATH" CI=false)
fi
"${desk[@]}" rootfsrun services start
"${desk[@]}" rootfsrun run --to HEAD --scope "$ROOTFSGEN_SCOPE" --snapshot-id "$ROOTFSGEN_SNAPSHOT" --without-secrets --max-targets ` + strconv.Itoa(most) + flags + `
`
}

// lockBranch is where what moved is offered. Nobody else should push to it.
const lockBranch = "rootfsgen/lock"

// lockScript offers what could be looked up, also where something could not.
// Where updates that fail are counted, it first asks what came of the last
// offer.
func lockScript(flags, file string, counted bool) string {
	ask := ""
	if counted {
		ask = "rootfsrun ci tried --branch " + lockBranch + " --out " + Folder + "/tried " + file + "\n"
		flags += " --offered " + Folder + "/tried/offered --failed " + Folder + "/tried/failed.txt"
	}
	return `mkdir -p ` + Folder + `
` + ask + `status=0
rootfsgen lock --update` + flags + ` > ` + Folder + `/lock.txt || status=$?
cat ` + Folder + `/lock.txt
rootfsrun ci request --branch ` + lockBranch + ` --base "$` + string(VarBase) + `" --title "Update images.lock" --text ` + Folder + `/lock.txt ` + file + `
exit "$status"
`
}

// resultScript is said where no job ran by a hint, which may be empty.
func resultScript(hint string) string {
	return strict + `done=no
for result in $ROOTFSGEN_RESULTS; do
  case "$result" in
    success) done=yes ;;
    skipped) ;;
    *)
      echo "A job before this one ended as: $result" >&2
      exit 1
      ;;
  esac
done
if [ "$done" = no ]; then
` + hint + `  echo "No job before this one has run" >&2
  exit 1
fi
`
}

// ManualResult is what the check that closes runs where a person has started
// the pipeline, who may have chosen another branch; it reads VarBase, too.
func ManualResult() string {
	return resultScript(`  if [ "${GITHUB_REF_NAME:-}" != "$ROOTFSGEN_BASE" ]; then
    echo "::error::A run by hand is of the branch $ROOTFSGEN_BASE and of no other: choose it under Use workflow from" >&2
  fi
`)
}

// OutputsScript tells a forge what the plan decided; it reads no value.
func OutputsScript(p *Pipeline, forge string) string {
	s := p.prologue() + "rootfsgen ci-outputs --forge " + forge + " --layout " + p.Layout + " --plan " + PlanFile + p.settingsFlags()
	if forge == GitHub {
		return s + ` --out "$GITHUB_OUTPUT"` + "\n"
	}
	return s + " --out " + ChildFile + "\n"
}
