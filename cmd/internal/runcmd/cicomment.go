package runcmd

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// planMarker begins the one comment that a request has of us.
const planMarker = "<!-- rootfsgen:plan -->"

// longestComment is how many characters a comment may have on GitHub; GitLab
// takes more.
const longestComment = 65_000

// commenting is the flags of ci comment.
type commenting struct {
	request int64
	text    string
}

func ciCommentCommand(a *app.App) *cobra.Command {
	var o commenting
	cmd := &cobra.Command{
		Use: "comment", Short: "Say something below a pull or merge request, and keep it up to date",
		Long: `Say something below a pull or merge request, and keep it up to date.

There is one comment: what it said before is replaced. The variable
ROOTFSGEN_FORGE_TOKEN holds a token that may comment; without it the job's own is
taken, which on GitHub needs pull-requests: write, and on GitLab may not comment.
That a forge refuses the comment, or does not answer, is said and no failure.`,
		Example: "  rootfsrun ci comment --request 7 --text comment.md",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.request, "request", 0, "number of the request")
	f.StringVar(&o.text, "text", "", "`file` with the Markdown to say")
	for _, name := range []string{"request", "text"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	return cmd
}

func (o *commenting) run(ctx context.Context, a *app.App) error {
	if o.request <= 0 {
		return app.Fail(app.ExitUsage, fmt.Errorf("--request: %d is no number of a request", o.request))
	}
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob {
		return notInJob()
	}
	text, err := os.ReadFile(o.text)
	if err != nil {
		return app.Unread("--text", err)
	}
	if at.Token == "" || at.JobOnly {
		a.Log.Warn("no comment: set the variable " + forge.TokenVariable + " to a token that may comment on requests")
		return nil
	}
	at.Log = a.Log
	client, err := forge.New(at)
	if err != nil {
		return err
	}
	err = client.UpsertComment(ctx, o.request, planMarker, fitting(string(text)))
	if err != nil && ctx.Err() == nil {
		a.Log.Warn("no comment: " + err.Error())
		return nil
	}
	return err
}

// fitting cuts a text at a line, so that it fits into a comment.
func fitting(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= longestComment {
		return text
	}
	cut := string([]rune(text)[:longestComment-100])
	if at := strings.LastIndexByte(cut, '\n'); at >= 0 {
		cut = cut[:at+1]
	}
	return cut + "\n… and more: see the summary of the job\n"
}
