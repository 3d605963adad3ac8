package runcmd

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// anew is the lists and scans of images that lie where anybody may have written
// the ones that are there: each is made again out of the bytes, unless this run
// has made it, or a promotion before it, which left it in prod's registry.
type anew struct {
	in func(repo string) string // the repository whose lists and scans are believed, by that of an image; empty for none

	mu   sync.Mutex
	made []promote.Evidence
}

// anew is nil where trust.builders says who signs receipts, so that those in
// the testing registry say who wrote what they name.
func (o *channels) anew(c *registry.Client) *anew {
	if c.JudgesReceipts(o.registry + "/") {
		return nil
	}
	return &anew{in: func(repo string) string { return inProd(repo, o.registry, o.prod) }}
}

// inProd is the repository in prod of an image that lies below the prefix of
// testing or of prod; empty where prod has no registry of its own.
func inProd(repo, testing, prod string) string {
	if prod == "" || prod == testing {
		return ""
	}
	prefixes := []string{testing, prod}
	slices.SortFunc(prefixes, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // one may lie below the other
	for _, prefix := range prefixes {
		if rest, below := strings.CutPrefix(repo, prefix+"/"); below {
			return prod + "/" + rest
		}
	}
	return ""
}

// keep is told of what there is.
func (n *anew) keep(repo string, artifact model.Digest, r model.Receipt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if slices.ContainsFunc(n.made, func(e promote.Evidence) bool {
		return e.Repo == repo && e.Artifact == artifact && slices.Equal(e.Receipt.Inputs, r.Inputs)
	}) {
		return
	}
	n.made = append(n.made, promote.Evidence{Repo: repo, Artifact: artifact, Receipt: r})
}

// own is the receipt of what this run knows of an image under a tag, the last of
// them.
func (n *anew) own(repo, tag string) (model.Receipt, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range slices.Backward(n.made) {
		if e.Repo == repo && model.ReceiptTag(e.Receipt.Step, e.Receipt.StepKey) == tag {
			return e.Receipt, true
		}
	}
	return model.Receipt{}, false
}

// all is what there is by now.
func (n *anew) all() []promote.Evidence {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.made)
}

// store keeps scans beside images; n may be nil.
func (n *anew) store(c *registry.Client) *scan.Store {
	if n == nil {
		return &scan.Store{Registry: c}
	}
	return &scan.Store{Registry: c, In: n.in, Own: n.own, Kept: n.keep}
}

// lister lists images; n may be nil.
func (n *anew) lister(c *registry.Client, syft string, readOnly bool) sbom.Step {
	s := sbom.Step{Registry: c, Program: sbom.NewProgram(syft), ReadOnly: readOnly}
	if n != nil {
		s.In, s.Own, s.Along = n.in, n.own, []string{sbom.CycloneDX}
		s.Kept = func(of sbom.Subject, d sbom.Document) { n.keep(of.Repo, d.Artifact, d.Receipt) }
	}
	return s
}

// list lists what no scanner has listed: nothing of it is in prod without a
// list of ours. What cannot be listed is said, and has none; a registry in trouble
// is an error.
func (n *anew) list(ctx context.Context, a *app.App, c *registry.Client, requests []scan.Request) error {
	made := n.all()
	requests = slices.DeleteFunc(slices.Clone(requests), func(r scan.Request) bool {
		return slices.ContainsFunc(made, func(e promote.Evidence) bool {
			return e.Repo == r.Repo && e.Receipt.Digest == r.Digest && e.Receipt.Step == model.StepSBOM
		})
	})
	if len(requests) == 0 {
		return nil
	}
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	syft, err := tools.Find(filepath.Join(cache, "bin"), "syft")
	if err != nil {
		return err
	}
	s := n.lister(c, syft, false)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, r := range requests {
		g.Go(func() error {
			_, err := s.Documents(ctx, sbom.Subject{Repo: r.Repo, Target: r.Target, Digest: r.Digest}, []string{sbom.CycloneDX})
			_, down := errors.AsType[*registry.Unavailable](err)
			_, denied := errors.AsType[*registry.Denied](err)
			if err == nil || down || denied || ctx.Err() != nil {
				return err
			}
			a.Log.Warn(err.Error())
			return nil
		})
	}
	return g.Wait()
}
