package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
	"github.com/rootfsgen/rootfsgen/runtime/offer"
)

// requesting is the flags of ci request.
type requesting struct {
	branch, base, title, text string
}

func ciRequestCommand(a *app.App) *cobra.Command {
	var o requesting
	cmd := &cobra.Command{
		Use: "request PATH...", Short: "Offer files that a job changed, as a pull or merge request",
		Long: `Offer files that a job changed, as a pull or merge request.

The files of the work tree are put on a branch of their own, as one commit on top
of the one that is checked out, and one request is opened for it, or brought up
to date. Where the files do not differ from those of that commit, nothing
happens. A branch whose newest commit is somebody else's stays as it is.

The variable ROOTFSGEN_FORGE_TOKEN holds a token that may push and open requests;
without it ROOTFSGEN_PUSH_TOKEN is taken. A request that was opened with the token
that GitHub gives to every job starts no workflow.`,
		Example: `  rootfsgen lock --update > lock.txt
  rootfsrun ci request --branch rootfsgen/lock --title "Update images.lock" --text lock.txt images.lock`,
		Args: app.AtLeastOne("a file"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.branch, "branch", "", "the branch of its own")
	f.StringVar(&o.base, "base", "main", "the branch that it is to be merged into, whose newest commit is checked out")
	f.StringVar(&o.title, "title", "", "title of the commit and of the request")
	f.StringVar(&o.text, "text", "", "`file` whose lines the request shows as they are")
	for _, name := range []string{"branch", "title"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	return cmd
}

func (o *requesting) run(ctx context.Context, a *app.App, paths []string) error {
	for _, p := range paths {
		if err := model.CheckPath(p); err != nil {
			return app.Fail(app.ExitUsage, err)
		}
	}
	if o.branch == o.base {
		return app.Fail(app.ExitUsage, fmt.Errorf("--branch: %s is the branch that the request is to be merged into", o.branch))
	}
	remote, client, own, err := forgeOf(a)
	if err != nil {
		return err
	}
	body, err := o.body(own)
	if err != nil {
		return err
	}
	r, err := offer.Offer{
		Remote: remote, Requests: client, Branch: o.branch, Base: o.base, Paths: paths, Title: o.title, Body: body,
	}.Make(ctx)
	if denied, is := errors.AsType[*forge.Denied](err); is {
		return fmt.Errorf("%w\nhint: let GitHub Actions create pull requests (Settings, Actions, General), or set ROOTFSGEN_FORGE_TOKEN to a token that may", denied)
	}
	if err != nil {
		return err
	}
	return o.print(a, r)
}

// forgeOf is where this job runs: its repository's remote, a client of its
// forge, and whether both know nobody but the job itself.
func forgeOf(a *app.App) (remote gitremote.Remote, client forge.Client, own bool, err error) {
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob {
		return remote, nil, false, notInJob()
	}
	own = a.Env(forge.TokenVariable) == ""
	if push := a.Env("ROOTFSGEN_PUSH_TOKEN"); own && push != "" {
		at.Token, at.JobOnly = push, false
	}
	if at.Token == "" || at.JobOnly {
		return remote, nil, own, app.Fail(app.ExitUsage, fmt.Errorf("no token may open requests: set the variable %s to one that may write to the repository and open requests", forge.TokenVariable))
	}
	root, err := a.Root()
	if err != nil {
		return remote, nil, own, err
	}
	remote = gitremote.Remote{Dir: root, Token: at.Token}
	if at.Forge == forge.GitLab {
		remote.User = "gitlab-ci-token" // what GitLab accepts with any token
	}
	at.Log = a.Log
	client, err = forge.New(at)
	return remote, client, own && at.Forge == forge.GitHub, err
}

// maxBody bounds a request's description in bytes: GitHub takes 65,536
// characters.
const maxBody = 60_000

// body is the request's description; mute tells that nothing starts its checks.
func (o *requesting) body(mute bool) (string, error) {
	var b strings.Builder
	b.WriteString("A pipeline made this request, and keeps it up to date until it is merged or somebody pushes to its branch.\n")
	if mute {
		b.WriteString("\nIts checks start when somebody closes it and opens it again: it was made with a job's own token.\n")
	}
	if o.text == "" {
		return b.String(), nil
	}
	text, err := os.ReadFile(o.text)
	if err != nil {
		return "", app.Unread("--text", err)
	}
	b.WriteString("\n")
	for line := range strings.Lines(strings.ToValidUTF8(string(text), "?")) {
		if b.Len()+len(line) > maxBody {
			b.WriteString("    ...\n")
			break
		}
		b.WriteString("    " + strings.TrimRight(line, "\r\n") + "\n")
	}
	return b.String(), nil
}

func (o *requesting) print(a *app.App, r offer.Result) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	said := "its branch is as it should be: " + r.Request
	switch {
	case !r.Changed:
		said = "nothing to offer"
	case r.Kept != "":
		said = o.branch + " is left alone: " + r.Kept
	case r.Pushed:
		said = "pushed: " + r.Request
	}
	_, err := fmt.Fprintln(a.Out, said)
	return err
}
