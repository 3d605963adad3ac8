package doctor

import (
	"context"
	"errors"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// judging looks at what jobs need that judge and sign.
func (f *Forge) judging(ctx context.Context, r *forge.Repository) Report {
	var all Report
	if f.github() && f.Pipeline.Judging.Upload == model.UploadSARIF && r.Private {
		all = append(all, Finding{
			Area: f.Name, Check: "code scanning", State: Warn, Says: "a private repository has it with GitHub Code Security alone",
			Why:  "scan-policy.yaml says evidence: {upload: sarif}; without it the findings are among the artifacts, and jobs warn",
			Mend: f.mend(`gh api -X PATCH repos/@PROJECT@ --input - <<< '{"security_and_analysis":{"code_security":{"status":"enabled"}}}'`, ""),
		})
	}
	if len(f.Pipeline.Signing.Variables()) > 0 {
		all = append(all, f.signing(ctx))
	}
	return all
}

// signing looks at the environment that keeps a private key to the default
// branch.
func (f *Forge) signing(ctx context.Context) Finding {
	const name = "signing"
	x := Finding{Area: f.Name, Check: "environment " + name, State: OK, Says: "only certain branches reach it", Why: "jobs read the key to sign with there"}
	all, err := f.Setup.Environments(ctx)
	if err != nil && !errors.Is(err, forge.ErrAbsent) {
		return unseen(x, err)
	}
	i := slices.IndexFunc(all, func(e forge.Environment) bool { return e.Name == name })
	if i >= 0 && all[i].Restrict {
		return x
	}
	x.State, x.Says = Warn, "a job of any branch may read the key"
	x.Mend = f.mend(`echo '{"deployment_branch_policy":{"protected_branches":true,"custom_branch_policies":false}}' | gh api -X PUT repos/@PROJECT@/environments/signing --input -`,
		"glab api -X POST 'projects/@PROJECT@/protected_environments' -f name=signing -f 'deploy_access_levels[][access_level]=40'")
	return x
}
