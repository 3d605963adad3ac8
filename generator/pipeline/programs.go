package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// Where a job keeps the programs, in its checkout.
const (
	programs = Folder + "/programs" // for each architecture
	bin      = Folder + "/bin"      // for this machine
)

// programsArtifact hands compiled programs on to later jobs.
var programsArtifact = Artifact{Name: "rootfsgen-programs", Path: programs, Folder: programs, Days: 7}

// prologue begins a script that runs one of the programs.
func (p *Pipeline) prologue() string {
	if p.Runtime == model.RuntimeSource {
		return strict + onPath
	}
	return strict
}

// engines are for a machine that has nothing.
func (p *Pipeline) engines() []Step {
	if p.Runtime != model.RuntimeSource {
		return nil
	}
	return []Step{{Verb: Run, Name: "Get the engines", Script: enginesScript}}
}

// withEngines begins a job that builds.
func (p *Pipeline) withEngines(steps ...Step) []Step {
	if p.Runtime != model.RuntimeSource {
		return steps
	}
	return append(append([]Step{{Verb: SetupGo, Name: "Set up Go"}}, p.engines()...), steps...)
}

// compile adds what makes the programs, where they come from source.
func (p *Pipeline) compile(steps ...Step) []Step {
	if p.Runtime != model.RuntimeSource {
		return steps
	}
	return append(steps,
		Step{Verb: SetupGo, Name: "Set up Go"},
		Step{Verb: Run, Name: "Compile the programs", Script: compileScript})
}

// handOn ends the planning job: what it compiled is for the jobs after it.
func (p *Pipeline) handOn() []Step {
	if p.Runtime != model.RuntimeSource {
		return nil
	}
	return []Step{{Verb: Save, Name: "Hand on the programs", Artifact: programsArtifact}}
}

// install makes the programs of the planning job this job's own.
func (p *Pipeline) install() []Step {
	if p.Runtime != model.RuntimeSource {
		return nil
	}
	return []Step{
		{Verb: Fetch, Name: "Fetch the programs", Artifact: programsArtifact},
		{Verb: Run, Name: "Install the programs", Script: installScript},
	}
}

// onPath makes the programs of this job's own folder come first.
const onPath = `PATH="$PWD/` + bin + `:$PATH"` + "\n"

const compileScript = strict + `mkdir -p ` + bin + `
CGO_ENABLED=0 go build -trimpath -o ` + bin + `/ ./cmd/rootfsgen ./cmd/rootfsrun
for arch in amd64 arm64; do
  CGO_ENABLED=0 GOOS=linux GOARCH="$arch" go build -trimpath -o "` + programs + `/linux-$arch/" ./cmd/rootfsrun
done
`

const installScript = strict + `case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *)
    echo "no program for this machine: $(uname -m)" >&2
    exit 1
    ;;
esac
install -D -m 0755 "` + programs + `/linux-$arch/rootfsrun" ` + bin + `/rootfsrun
`

// enginesScript brings what "rootfsrun services" starts, where no BuildKit is
// offered: services look for it in .cache/bin. The targets are those of the
// programs' own repository.
const enginesScript = strict + `if [ -z "${BUILDKIT_HOST:-}" ]; then
  make packages-run tools-run
fi
`
