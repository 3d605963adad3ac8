package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// rollingBack is the flags of rollback.
type rollingBack struct {
	channels
	to, date, reason string
}

func rollbackCommand(a *app.App) *cobra.Command {
	var o rollingBack
	cmd := &cobra.Command{
		Use: "rollback [IMAGE...]", Short: "Make prod what it was before",
		Long: `Make prod what it was before.

Without images everything goes back: to the version of manifest.json in which
any image was another, to the one that --to names, or to what was there at the
end of --date. With images only they do, each to what it was before, and
with them every image that is built on what goes away.

What comes back must be in the registry still, must once have been promoted, and
must not have been withdrawn, nor anything that it is built on. It is not judged
again, which its record says: a rollback is the way out when what is there now
is worse. The floating tags follow.`,
		Example: `  rootfsrun rollback
  rootfsrun rollback python --reason "segfaults at start"
  rootfsrun rollback --to 17
  rootfsrun rollback --date 2026-11-20`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "id of the version, as \"rootfsrun history\" prints it")
	f.StringVar(&o.date, "date", "", "day (2026-11-20, its end in UTC) or moment (RFC 3339) to go back to")
	f.StringVar(&o.reason, "reason", "", "why, for the record")
	return cmd
}

func (o *rollingBack) run(ctx context.Context, a *app.App, ids []string) error {
	c, err := choice(o.to, o.date)
	if err != nil {
		return err
	}
	if err := o.openAnyhow(ctx, a); err != nil || inert(a, o.registry) {
		return err
	}
	s := o.step(a)
	s.Reason = o.reason
	r, restored, err := s.Rollback(ctx, c, ids)
	if err != nil {
		return err
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(append([]promote.Restored{}, restored...))
	}
	if !r.Written {
		a.Log.Info(channel.Prod + ": it is that already")
	}
	t := term.NewTable("ID", "WAS", "IS", "DIGEST", "WITH")
	for _, i := range restored {
		t.Row(i.ID, i.From.VersionTag, i.To.VersionTag, digestFor(a, model.Digest(i.To.Digest)), i.Because)
	}
	return t.Write(a.Out, a.OutTTY)
}

// choice reads which version is meant.
func choice(to, date string) (promote.Choice, error) {
	c := promote.Choice{Version: to}
	if to != "" && date != "" {
		return c, app.Fail(app.ExitUsage, errors.New("--to and --date both say where to go back to"))
	}
	if date == "" {
		return c, nil
	}
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		day, wrong := time.Parse(time.DateOnly, date)
		if wrong != nil {
			return c, app.Fail(app.ExitUsage, errors.New("--date: expected a day such as 2026-11-20, or a moment such as 2026-11-20T17:30:00Z"))
		}
		at = day.Add(24*time.Hour - time.Second)
	}
	c.At = at.UTC()
	return c, nil
}
