package gencmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// takeTemplates reads people's own templates out of the folder that settings
// name. The error names a file that stands for none of ours.
func takeTemplates(ctx context.Context, tree model.Tree, p *pipeline.Pipeline) error {
	if p.Templates.Dir == "" {
		return nil
	}
	p.Templates.Texts = map[string][]byte{}
	for _, e := range tree.Entries() {
		name, below := strings.CutPrefix(e.Path, p.Templates.Dir+"/")
		if !below || !strings.HasSuffix(name, ".tmpl") {
			continue
		}
		text, err := tree.Read(ctx, e.Path)
		if err != nil {
			return fmt.Errorf("reading templates: %w", err)
		}
		p.Templates.Texts[name] = text
	}
	if len(p.Templates.Texts) == 0 {
		return app.Fail(app.ExitInvalid, fmt.Errorf("templates: there is none in %s; there may be %s", p.Templates.Dir, strings.Join(render.TemplateNames(), ", ")))
	}
	if name := render.UnknownTemplate(p.Templates); name != "" {
		return app.Fail(app.ExitInvalid, fmt.Errorf("%s/%s stands for no template; there are %s", p.Templates.Dir, name, strings.Join(render.TemplateNames(), ", ")))
	}
	return nil
}
