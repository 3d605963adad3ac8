package pipeline

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Where a job keeps the programs, in its checkout.
const (
	programs = Folder + "/programs" // for each architecture
	bin      = Folder + "/bin"      // for this machine
)

// programsArtifact hands programs on to later jobs.
var programsArtifact = Artifact{Name: "rootfsgen-programs", Path: programs, Folder: programs, Days: 7}

// Value is a variable of a script that is the same whenever it runs.
type Value struct {
	Name Var
	Text string // without what a forge could take for an expression or a variable
}

// The variables that say which release is fetched.
const (
	VarPrograms Var = "ROOTFSGEN_PROGRAMS"         // names of the programs, separated by spaces
	VarAddress  Var = "ROOTFSGEN_PROGRAMS_ADDRESS" // of one file, with {program} and {arch}
	VarSums     Var = "ROOTFSGEN_PROGRAMS_SHA256"  // FILE=SHA256, separated by spaces
	VarCommit   Var = "ROOTFSGEN_PROGRAMS_COMMIT"  // that the release was made from
)

// prologue begins a script that runs one of the programs.
func (p *Pipeline) prologue() string {
	s := strict + p.trust()
	if p.Runtime != model.RuntimeInstalled {
		s += onPath
	}
	return s
}

// handsOn tells whether the planning job hands programs on.
func (p *Pipeline) handsOn() bool { return p.Runtime == model.RuntimeSource }

// fetch is a step that takes programs out of the release.
func (p *Pipeline) fetch(names ...string) Step {
	return Step{Verb: Run, Name: "Get the programs", Script: strict + p.trust() + fetchFunction + fetchScript,
		Values: append([]Value{{VarPrograms, strings.Join(names, " ")}}, p.release()...)}
}

// release says to a script which release is pinned.
func (p *Pipeline) release() []Value {
	r := p.Programs
	var sums []string
	for _, key := range model.ProgramKeys() {
		sums = append(sums, key+"="+r.SHA256[key])
	}
	return []Value{{VarAddress, r.Address("{program}", "{arch}")}, {VarSums, strings.Join(sums, " ")}}
}

// engines are for a machine that has nothing.
func (p *Pipeline) engines() []Step {
	switch p.Runtime {
	case model.RuntimeSource:
		return []Step{{Verb: Run, Name: "Get the engines", Script: enginesScript}}
	case model.RuntimeRelease:
		return []Step{{Verb: Run, Name: "Get the engines", Script: p.prologue() + installEnginesScript}}
	}
	return nil
}

// withEngines begins a job that builds.
func (p *Pipeline) withEngines(steps ...Step) []Step {
	begin := p.engines()
	if p.Runtime == model.RuntimeSource {
		begin = slices.Insert(begin, 0, Step{Verb: SetupGo, Name: "Set up Go"})
	}
	return append(begin, steps...)
}

// compile adds what brings both programs to the planning job, and in the source
// flavour those that it hands on.
func (p *Pipeline) compile(steps ...Step) []Step {
	return p.bring(model.ProgramNames(), p.handsOn(), steps)
}

// compileFor adds what brings some programs to a job that begins a pipeline and
// hands nothing on: it is spared what it does not run.
func (p *Pipeline) compileFor(names []string, steps ...Step) []Step {
	return p.bring(names, false, steps)
}

// runtimeAlone is what a job needs that plans nothing by itself.
var runtimeAlone = []string{"rootfsrun"}

// bring adds what brings programs to a job, and those for both architectures
// that it hands on.
func (p *Pipeline) bring(names []string, handOn bool, steps []Step) []Step {
	switch p.Runtime {
	case model.RuntimeRelease:
		return append(steps, p.fetch(names...))
	case model.RuntimeSource:
		step := Step{Verb: Run, Name: "Compile the programs", Script: strict + compileScript(names, handOn)}
		if p.Programs.Version != "" {
			step.Name = "Get or compile the programs"
			step.Script = strict + p.trust() + fetchFunction + sourceScript(names, handOn)
			step.Values = append([]Value{{VarCommit, p.Programs.Commit}}, p.release()...)
			for i := range steps {
				steps[i].History = steps[i].History || steps[i].Verb == Checkout // to have the release's commit, too
			}
		}
		return append(steps, Step{Verb: SetupGo, Name: "Set up Go"}, step)
	}
	return steps
}

// handOn ends the planning job: what it compiled is for the jobs after it.
func (p *Pipeline) handOn() []Step {
	if !p.handsOn() {
		return nil
	}
	return []Step{{Verb: Save, Name: "Hand on the programs", Artifact: programsArtifact}}
}

// install brings rootfsrun to a job after the planning one.
func (p *Pipeline) install() []Step {
	switch p.Runtime {
	case model.RuntimeRelease:
		return []Step{p.fetch("rootfsrun")}
	case model.RuntimeSource:
		return []Step{
			{Verb: Fetch, Name: "Fetch the programs", Artifact: programsArtifact},
			{Verb: Run, Name: "Install the programs", Script: strict + installScript},
		}
	}
	return nil
}

// onPath makes the programs of this job's own folder come first.
const onPath = `PATH="$PWD/` + bin + `:$PATH"` + "\n"

// compileScript compiles programs for this machine, and rootfsrun for every one
// where it is handed on.
func compileScript(names []string, handOn bool) string {
	s := "mkdir -p " + bin + "\nCGO_ENABLED=0 go build -trimpath -o " + bin + "/ ./cmd/" + strings.Join(names, " ./cmd/") + "\n"
	if handOn {
		s += `for arch in amd64 arm64; do
  CGO_ENABLED=0 GOOS=linux GOARCH="$arch" go build -trimpath -o "` + programs + `/linux-$arch/" ./cmd/rootfsrun
done
`
	}
	return s
}

// thisArch sets arch to what releases call this machine's architecture.
const thisArch = `case "$(uname -m)" in
  x86_64) arch=amd64 ;;
  aarch64) arch=arm64 ;;
  *)
    echo "no program for this machine: $(uname -m)" >&2
    exit 1
    ;;
esac
`

const installScript = thisArch + `install -D -m 0755 "` + programs + `/linux-$arch/rootfsrun" ` + bin + `/rootfsrun
`

// fetchFunction defines "fetch PROGRAM ARCH FILE", which puts a program of the
// release there. Nothing is run, and nothing bears a program's name, before its
// SHA-256 is the pinned one. What lies there already is kept if it is right.
const fetchFunction = `fetch() {
  local pair digest="" url="${` + string(VarAddress) + `//'{program}'/$1}"
  url=${url//'{arch}'/$2}
  for pair in $` + string(VarSums) + `; do
    if [ "${pair%%=*}" = "$1-linux-$2" ]; then digest=${pair#*=}; fi
  done
  mkdir -p "$(dirname "$3")"
  for _ in 1 2 3; do
    if [ -f "$3" ] && echo "$digest  $3" | sha256sum --check --status; then return; fi
    rm -f "$3"
    if curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' \
      --retry 4 --retry-connrefused --connect-timeout 20 --max-time 600 --output "$3.part" "$url" &&
      echo "$digest  $3.part" | sha256sum --check --status; then
      chmod 0755 "$3.part"
      mv "$3.part" "$3"
      return
    fi
    rm -f "$3.part"
  done
  echo "$url is not to be had, or is not the $1 whose SHA-256 is pinned: $digest" >&2
  return 1
}
`

// fetchScript gets the programs for this machine, but for those that it has.
const fetchScript = thisArch + `for program in $` + string(VarPrograms) + `; do
  fetch "$program" "$arch" ` + bin + `/"$program"
done
`

// releasedSource are the files that decide what the programs are.
const releasedSource = `'*.go' go.mod go.sum templates generator/policy/first.yaml ':(exclude)*_test.go'`

// sourceScript takes the release where it is of the same source, and else
// compiles it.
func sourceScript(names []string, handOn bool) string {
	var fetches strings.Builder
	for _, name := range names {
		fetches.WriteString(`  fetch ` + name + ` "$arch" ` + bin + `/` + name + "\n")
	}
	s := `if [ -n "$` + string(VarCommit) + `" ] && git cat-file -e "$` + string(VarCommit) + `^{commit}" 2> /dev/null &&
  git diff --quiet "$` + string(VarCommit) + `" HEAD -- ` + releasedSource + `; then
  ` + strings.ReplaceAll(strings.TrimSpace(thisArch), "\n", "\n  ") + "\n" + fetches.String()
	if handOn {
		s += `  for arch in amd64 arm64; do
    fetch rootfsrun "$arch" "` + programs + `/linux-$arch/rootfsrun"
  done
`
	}
	return s + `else
  echo "the source is not the release's: compiling it"
  ` + strings.ReplaceAll(strings.TrimSpace(compileScript(names, handOn)), "\n", "\n  ") + `
fi
`
}

// enginesScript brings what "rootfsrun services" starts, where no BuildKit is
// offered: services look for it in .cache/bin. The targets are those of the
// programs' own repository.
const enginesScript = strict + `if [ -z "${BUILDKIT_HOST:-}" ]; then
  make packages-run tools-run
fi
`

// installEnginesScript does the same with the programs' own installer.
const installEnginesScript = `if [ -z "${BUILDKIT_HOST:-}" ]; then
  ` + `root=(env)
  if [ "$(id -u)" != 0 ]; then
    root=(sudo --preserve-env env "PATH=$PATH" "HOME=$HOME")
  fi
  "${root[@]}" rootfsrun tools install
fi
`
