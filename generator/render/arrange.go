package render

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// Written is the pipelines of one forge.
type Written struct {
	Files  Files
	Layout string  // graph or waves
	Over   []Limit // what the layout graph would exceed, where that is why waves were chosen
	Limits []Limit // how near the files are to what the forge takes
}

// Why says why waves were chosen; it is empty where nothing was to choose.
func (w *Written) Why() string {
	if len(w.Over) == 0 {
		return ""
	}
	var all []string
	for _, l := range w.Over {
		all = append(all, l.String())
	}
	return "layout waves, because the layout graph has " + strings.Join(all, "; ")
}

// graphHint is what helps where the layout graph was asked for and is too much.
const graphHint = "set layout: auto in rootfsgen.yaml, which takes waves where a graph does not fit"

// Write lays the pipelines of one forge out and writes them down. Where the
// layout is auto, it is graph if the forge takes that, else waves. The error
// is a *LimitError where the forge would refuse what comes out.
func Write(p *pipeline.Pipeline, forge string, pins Pins) (*Written, error) {
	if p.Layout == model.LayoutWaves {
		return refused(writeAs(p, forge, pins))
	}
	graph, err := writeAs(arranged(p, model.LayoutGraph), forge, pins)
	if err != nil {
		return nil, err
	}
	over := exceeded(graph.Limits)
	switch {
	case len(over) == 0:
		return graph, nil
	case p.Layout == model.LayoutGraph:
		return nil, &LimitError{Limits: over, Hint: graphHint}
	}
	waves, err := refused(writeAs(arranged(p, model.LayoutWaves), forge, pins))
	if err != nil {
		return nil, err
	}
	waves.Over = over
	return waves, nil
}

// refused is an error where the forge would not take what was written.
func refused(w *Written, err error) (*Written, error) {
	if err != nil {
		return nil, err
	}
	return w, CheckLimits(w.Limits)
}

func writeAs(p *pipeline.Pipeline, forge string, pins Pins) (*Written, error) {
	files, err := Render(p, forge, pins)
	if err != nil {
		return nil, err
	}
	return &Written{Files: files, Layout: p.Layout, Limits: Limits(p, forge, files)}, nil
}

// arranged is the pipeline in a layout.
func arranged(p *pipeline.Pipeline, layout string) *pipeline.Pipeline {
	other := *p
	other.Layout = layout
	return &other
}
