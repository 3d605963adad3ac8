package pipeline

// What jobs hand on to later jobs and to people lies in these folders of the
// checkout. Their names do not begin with a dot: forges do not keep hidden
// files.
const (
	Folder    = "rootfsgen-ci"           // what belongs to the pipeline itself
	PlanFile  = Folder + "/plan.json"    // what the planning job decided
	ChildFile = Folder + "/child.yml"    // the jobs that it decided on, where the forge runs such a file
	Reports   = "build-artifacts"        // what steps did, for people and for the forge
	JUnitGlob = Reports + "/junit-*.xml" // results of tests
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
rootfsgen plan "${options[@]}" --format json` + flags + ` > ` + PlanFile + `
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
"${root[@]}" rootfsrun build "` + target + `" --platform "$ROOTFSGEN_PLATFORM" --plan ` + PlanFile + `
`

const testScript = asRoot + `"${root[@]}" rootfsrun test "` + target + `" --platform "$ROOTFSGEN_PLATFORM" --plan ` + PlanFile +
	` --junit "` + Reports + `/junit-$ROOTFSGEN_IMAGE-$ROOTFSGEN_ARCH.xml"
`

const mergeScript = `rootfsrun merge "` + target + `" --plan ` + PlanFile + `
`

func manifestScript(flags string) string {
	return "rootfsrun manifest --plan " + PlanFile + flags + "\n"
}

func promoteScript(flags string) string {
	return "rootfsrun promote --plan " + PlanFile + flags + "\n"
}

// forkScript treats the machine like a desk: it has a registry of its own.
func forkScript(flags string) string {
	return `desk=(env CI=false)
if [ "$(id -u)" != 0 ]; then
  desk=(sudo --preserve-env env "PATH=$PATH" CI=false)
fi
"${desk[@]}" rootfsrun services start
"${desk[@]}" rootfsrun run --to HEAD --scope "$ROOTFSGEN_SCOPE" --snapshot-id "$ROOTFSGEN_SNAPSHOT"` + flags + `
`
}

const resultScript = strict + `done=no
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
[ "$done" = yes ]
`

// OutputsScript tells a forge what the plan decided; it reads no value.
func OutputsScript(p *Pipeline, forge string) string {
	s := p.prologue() + "rootfsgen ci-outputs --forge " + forge + " --plan " + PlanFile + p.settingsFlags()
	if forge == GitHub {
		return s + ` --out "$GITHUB_OUTPUT"` + "\n"
	}
	return s + " --out " + ChildFile + "\n"
}
