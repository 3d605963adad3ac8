package doctor

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// scanning looks at what jobs need that hand on findings.
func (f *Forge) scanning(r *forge.Repository) Report {
	if !f.github() || f.Pipeline.Judging.Upload != model.UploadSARIF || !r.Private {
		return nil
	}
	return Report{{
		Area: f.Name, Check: "code scanning", State: Warn, Says: "a private repository has it with GitHub Code Security alone",
		Why:  "scan-policy.yaml says evidence: {upload: sarif}; without it the findings are among the artifacts, and jobs warn",
		Mend: f.mend(`gh api -X PATCH repos/@PROJECT@ --input - <<< '{"security_and_analysis":{"code_security":{"status":"enabled"}}}'`, ""),
	}}
}
