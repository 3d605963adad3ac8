package runcmd

import (
	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// tooMuch tells whether a plan has more to do than this run may. Then the plan
// is printed, and that nothing was built: a machine that a stranger's request
// gets is not there for a whole fleet, and the request is not wrong either.
func (o *running) tooMuch(a *app.App, p *model.Plan) (bool, error) {
	if o.most < 0 {
		return false, nil
	}
	n := 0
	for i := range p.Entries {
		if pipeline.Runs(&p.Entries[i]) {
			n++
		}
	}
	if n <= o.most {
		return false, nil
	}
	if err := planning.Write(a.Out, p, "text", a.OutTTY, a.Verbose); err != nil {
		return true, err
	}
	var list diag.List
	list.Warnf("too-much", diag.Pos{}, "", "nothing was built: the plan has %d targets, and this run may build %d", n, o.most)
	a.PrintDiagnostics(list)
	return true, nil
}
