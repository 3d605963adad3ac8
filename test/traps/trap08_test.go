package traps

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap08ArgumentsOnly: a build argument or an option in image.yaml changes
// the bytes though no file that is copied does. What is only said about an
// image changes nothing.
func TestTrap08ArgumentsOnly(t *testing.T) {
	t.Parallel()
	args := func(s string) string { return "FROM scratch\nARG VERSION=1\nARG UNUSED\nCOPY app-$VERSION /app\n" + s }
	d := newDesk(t, map[string]string{
		"images/args/Dockerfile": args(""), "images/args/image.yaml": "args: {VERSION: \"2\"}\n", "images/args/app-1": "", "images/args/app-2": "", "images/args/app-3": "",
		"images/run/Dockerfile": "FROM scratch\nARG FLAG\nRUN make FLAG=$FLAG\n", "images/run/image.yaml": "args: {FLAG: \"-O1\"}\n",
		"images/stage/Dockerfile": "FROM scratch AS small\nFROM small AS large\nLABEL size=large\n", "images/stage/image.yaml": "stage: small\n",
		"images/words/Dockerfile": "FROM scratch\n", "images/words/image.yaml": "description: old\npriority: 1\ntags: [a]\n",
		"images/fleetwide/Dockerfile": "ARG BASE\nFROM ${BASE}\n", "images/one/Dockerfile": "FROM scratch\n", "images/two/Dockerfile": "FROM scratch\nLABEL two=2\n",
		"rootfsgen.yaml": "version: 1\nargs: {BASE: one}\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{
		"images/args/image.yaml": "args: {VERSION: \"3\"}\n", "images/stage/image.yaml": "stage: large\n",
		"images/run/image.yaml":   "args: {FLAG: \"-O2\"}\n",
		"images/words/image.yaml": "description: new\npriority: 2\ntags: [a, b]\nowners: [ada]\n",
		"rootfsgen.yaml":          "version: 1\nargs: {BASE: two}\n",
	})
	p := d.plan()
	p.builds("args", "fleetwide", "run", "stage")
	p.because("args", model.Reason{Kind: model.ReasonArgument, Name: "VERSION", Old: "2", New: "3"})
	p.because("run", model.Reason{Kind: model.ReasonArgument, Name: "FLAG", Old: "-O1", New: "-O2"})
	p.because("stage", model.Reason{Kind: model.ReasonOption, Name: "stage", Old: "small", New: "large"})
	p.because("fleetwide", parent("two:0"))
}
