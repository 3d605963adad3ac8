package runcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// signing is the flags of the commands that sign.
type signing struct {
	given
	key string
}

func (o *signing) flags(a *app.App, cmd *cobra.Command) {
	o.given.flagsToLook(a, cmd)
	cmd.Flags().StringVar(&o.key, "key", "", "sign with this key, file:PATH, env:VARIABLE or gcpkms://..., whatever rootfsgen.yaml says")
}

// step is what signs, and recognises what was signed before.
func (o *signing) step(ctx context.Context, a *app.App, c *registry.Client, scope string) (attest.Step, error) {
	set, err := settings(ctx, a, planning.Options{})
	if err != nil {
		return attest.Step{}, err
	}
	options, err := planning.SignOptions(a, scope)
	if err != nil {
		return attest.Step{}, err
	}
	how := set.Signing
	if o.key != "" {
		if err := model.CheckSigningKey(o.key); err != nil {
			return attest.Step{}, app.Fail(app.ExitUsage, fmt.Errorf("--key: %w", err))
		}
		how.Key, how.Fulcio, how.Password = o.key, "", cmp.Or(how.Password, model.DefaultPassword)
	}
	signer, err := sign.Open(ctx, how, options)
	if errors.Is(err, sign.ErrOff) {
		return attest.Step{}, app.Fail(app.ExitUsage, fmt.Errorf("%w\nhint: say there how, or name a key with --key: docs/guide/signing.md", err))
	}
	if err != nil {
		return attest.Step{}, err
	}
	out := attest.Step{Registry: c, Signer: signer, Origin: origin(a), Log: a.Log}
	if signer.Own() == nil && len(set.Trust.Signers) > 0 {
		out.Trusted, err = sign.Trusting(ctx, set.Trust.Signers, set.Trust.Root, options)
	}
	return out, err
}

// origin is which pipeline this is, as certificates name it too.
func origin(a *app.App) attest.Origin {
	j := forge.OriginOf(a.Env)
	return attest.Origin{Builder: cmp.Or(j.Builder, forge.DeskBuilder), Source: j.Source}
}

// each does something with every image of the plan that is merged, and prints
// what was attached. Images that are not merged are named, and no failure: the
// job that should have merged them says why they are not.
func (o *signing) each(ctx context.Context, a *app.App, images []string, do func(attest.Step, *attest.Image) ([]attest.Attached, error)) error {
	p, err := o.load(ctx, a, images)
	if err != nil || inert(a, p.Prefix) {
		return err
	}
	if err := published(p); err != nil {
		return err
	}
	wanted, err := indexes(p, images)
	if err != nil {
		return err
	}
	c := registryOf(a, p)
	s, err := o.step(ctx, a, c, p.Scope)
	if err != nil {
		return err
	}
	called := p.Called()
	var all []attachment
	for _, i := range wanted {
		r, merged, err := index.Merged(ctx, c, p, i)
		if err != nil {
			return err
		}
		if !merged {
			a.Log.Warn(called(i.ID()) + " is not merged, and not signed")
			continue
		}
		image, err := attest.Read(ctx, c, p.Prefix+"/"+i.Repository, r.Digest)
		if err != nil {
			return err
		}
		attached, err := do(s, image)
		if err != nil {
			return err
		}
		for _, one := range attest.Sorted(attached) {
			all = append(all, attachment{called(i.ID()), one})
		}
	}
	return printAttached(a, s.Signer, all)
}

// attachment is a signed statement as the commands print it.
type attachment struct {
	Image string `json:"image"`
	attest.Attached
}

func printAttached(a *app.App, by *sign.Signer, all []attachment) error {
	if a.JSON {
		return printJSON(a, append([]attachment{}, all...))
	}
	t := term.NewTable("IMAGE", "OF", "SAYS", "DIGEST", "STATE")
	fresh := 0
	for _, one := range all {
		state := "there"
		if one.New {
			state, fresh = "new", fresh+1
		}
		t.Row(one.Image, cmp.Or(one.Platform, "index"), one.Type, digestFor(a, one.Subject), state)
	}
	if !a.Quiet {
		fmt.Fprintf(a.Err, "%d statements, %d of them new, signed by %s\n", len(all), fresh, by)
	}
	return t.Write(a.Out, a.OutTTY)
}

// trusting is the flags that say whose signatures count.
type trusting struct {
	keys             []string
	identity, issuer string
	root             string
	require          []string
}

func (o *trusting) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.keys, "key", nil, "trust this public `key`, a file in PEM or gcpkms://..., instead of rootfsgen.yaml's trust.signers; may be repeated")
	f.StringVar(&o.identity, "identity", "", "trust certificates for this identity; * stands for any text")
	f.StringVar(&o.issuer, "issuer", "", "who says so, for --identity")
	f.StringVar(&o.root, "root", "", "Sigstore's trusted_root.json (default: trust.root)")
	f.StringSliceVar(&o.require, "require", nil, "what must be signed: "+strings.Join(model.Requirables(), ", ")+" (default: trust.require, else all)")
	app.Complete(cmd, "require", cobra.FixedCompletions(model.Requirables(), cobra.ShellCompDirectiveNoFileComp))
}

// requirements are those of the flags, and of the settings where these say
// nothing.
func (o *trusting) requirements(ctx context.Context, a *app.App, trust model.Trust) (attest.Requirements, error) {
	for _, r := range o.require {
		if !slices.Contains(model.Requirables(), r) {
			return attest.Requirements{}, app.Fail(app.ExitUsage, fmt.Errorf("--require: there is no %q, only %s", r, strings.Join(model.Requirables(), ", ")))
		}
	}
	if (o.identity == "") != (o.issuer == "") {
		return attest.Requirements{}, app.Fail(app.ExitUsage, errors.New("--identity and --issuer go together: an identity counts only from one issuer"))
	}
	signers, root := trust.Signers, trust.Root
	if len(o.keys) > 0 || o.identity != "" {
		signers = nil
		for _, k := range o.keys {
			if strings.Contains(k, "://") {
				if err := model.CheckKMSKey(k); err != nil {
					return attest.Requirements{}, app.Fail(app.ExitUsage, fmt.Errorf("--key: %w", err))
				}
			} else if !filepath.IsAbs(k) {
				k = filepath.Join(a.Dir, k)
			}
			signers = append(signers, model.Signer{Key: k})
		}
		if o.identity != "" {
			signers = append(signers, model.Signer{Identity: o.identity, Issuer: o.issuer})
		}
	}
	if o.root != "" {
		root = o.root
		if !filepath.IsAbs(root) {
			root = filepath.Join(a.Dir, root)
		}
		if err := app.There("--root", root); err != nil {
			return attest.Requirements{}, err
		}
	}
	if len(signers) == 0 {
		return attest.Requirements{}, app.Fail(app.ExitUsage, errors.New("nobody is trusted\nhint: name trust.signers in rootfsgen.yaml, or --key, or --identity with --issuer"))
	}
	options, err := planning.SignOptions(a, "")
	if err != nil {
		return attest.Requirements{}, err
	}
	judge, err := sign.Trusting(ctx, signers, root, options)
	if err != nil {
		return attest.Requirements{}, err
	}
	q := attest.Requirements{Judge: judge, Require: o.require, BuilderIDs: trust.BuilderIDs}
	if len(q.Require) == 0 {
		q.Require = trust.Require
	}
	if len(q.Require) == 0 {
		q.Require = model.Requirables()
	}
	return q, nil
}
