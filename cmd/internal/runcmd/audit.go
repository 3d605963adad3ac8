package runcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/audit"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

func auditCommand(a *app.App) *cobra.Command {
	var from given
	cmd := &cobra.Command{
		Use: "audit IMAGE|REFERENCE...", Short: "Tell the whole life of an image, from the registry alone",
		Long: `Tell the whole life of an image, from the registry alone.

In order of time: who built it from what, the tests, the lists of its packages,
each scan with its tool and the date of its database, each verdict with its
policy and the exceptions that it used, the merge, who has signed and attested
what, promotions, and its withdrawal. What is missing is named at the end. In
Artifact Registry it tells what else is attached there, too. For a reference
neither a repository nor settings are needed.

That a digest has left prod it does not tell, unless it was withdrawn: promotions
and rollbacks leave their records at what comes to prod, and an image that is
retired gets none. "rootfsrun history IMAGE" tells that.

Signatures are verified where rootfsgen.yaml says whose count, under
"trust.signers"; of others it is told whose they claim to be. Receipts, and the
lists, scans and verdicts that they name, count where one of "trust.builders" has
signed the receipt. Everything else is told as unverified: whoever may write to
the registry may have written it. Records of promotions and withdrawals always
are, and a verdict that is unverified is no judgement.`,
		Example:           "  rootfsrun audit python\n  rootfsrun audit registry.example.com/prod/python@sha256:... --json",
		Args:              app.AtLeastOne("an image or a reference"),
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			lives, err := tellLives(cmd.Context(), a, &from, args)
			if err != nil {
				return err
			}
			return printLives(a, lives)
		},
	}
	from.flagsToLook(a, cmd)
	return cmd
}

func tellLives(ctx context.Context, a *app.App, from *given, names []string) (out []*audit.Life, err error) {
	set, err := settingsFor(ctx, a, names)
	if err != nil {
		return nil, err
	}
	o := audit.Options{Require: set.Trust.Require}
	if len(set.Trust.Signers) > 0 {
		options, err := planning.SignOptions(a, "")
		if err != nil {
			return nil, err
		}
		if o.Judge, err = sign.Trusting(ctx, set.Trust.Signers, set.Trust.Root, options); err != nil {
			return nil, err
		}
	}
	attachments, end, err := attachmentsOf(a)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	o.Attachments = attachments
	if len(set.Trust.Builders) == 0 && !a.Quiet {
		fmt.Fprintln(a.Err, "unverified: trust.builders names nobody, so whoever may write to the registry may have written what it says")
	}
	c := registry.New(planning.Sealed(a, registry.Options{Bootstrap: set.Registry.Bootstrap, Log: a.Log}, nil, &set.Trust))
	located, err := from.locate(ctx, a, c, names)
	if err != nil {
		return nil, err
	}
	for _, l := range located {
		life, err := audit.Read(ctx, c, append([]string{l.repo}, elsewhere(set.Registry, l.repo)...), l.digest, o)
		if err != nil {
			return nil, err
		}
		out = append(out, life)
	}
	return out, nil
}

// elsewhere is where the same image lies in the other scopes that publish. The
// local registry of a desk has them side by side.
func elsewhere(r model.Registry, repo string) (out []string) {
	host, path, _ := strings.Cut(repo, "/")
	if scope, name, found := strings.Cut(path, "/"); found && r.Testing == "" && r.Prod == "" {
		for _, other := range []string{model.ScopeTesting, model.ScopeProd} {
			if other != scope && (scope == model.ScopeTesting || scope == model.ScopeProd) {
				out = append(out, host+"/"+other+"/"+name)
			}
		}
		return out
	}
	for _, prefix := range []string{r.Testing, r.Prod} {
		if name, found := strings.CutPrefix(repo, prefix+"/"); prefix != "" && found {
			for _, other := range []string{r.Testing, r.Prod} {
				if other != "" && other != prefix {
					out = append(out, other+"/"+name)
				}
			}
		}
	}
	return out
}

func printLives(a *app.App, lives []*audit.Life) error {
	if a.JSON {
		return printJSON(a, lives)
	}
	for n, l := range lives {
		if n > 0 {
			fmt.Fprintln(a.Out)
		}
		if a.OutTTY || len(lives) > 1 {
			fmt.Fprintf(a.Out, "%s\nversion %s, commit %s\n\n", l.Ref, cmp.Or(l.Version, "unknown"), cmp.Or(l.Commit, "unknown"))
		}
		t := term.NewTable("TIME", "OF", "WHAT", "SAYS", "STATE")
		for _, e := range l.Events {
			state := "verified"
			if e.Unverified {
				state = "unverified"
			}
			t.Row(cmp.Or(e.Time, "-"), cmp.Or(e.Platform, "index"), e.Kind, e.Says, state)
		}
		if err := t.Write(a.Out, a.OutTTY); err != nil {
			return err
		}
		for _, m := range l.Missing {
			fmt.Fprintf(a.Err, "missing: %s\n", m)
		}
	}
	return nil
}
