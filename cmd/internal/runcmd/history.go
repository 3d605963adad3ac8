package runcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// historic is the flags of history.
type historic struct {
	channels
	testing bool
	limit   int
}

// happened is what one version of a channel changed.
type happened struct {
	Version string       `json:"version"`
	Time    time.Time    `json:"time"`
	Commit  string       `json:"commit,omitempty"`
	Images  []transition `json:"images"`
}

// transition is an image that another version of the document has otherwise.
type transition struct {
	ID     string       `json:"id"`
	From   string       `json:"from,omitempty"` // version tag; empty where it is new
	To     string       `json:"to,omitempty"`   // empty where it left
	Digest model.Digest `json:"digest,omitempty"`
}

func historyCommand(a *app.App) *cobra.Command {
	var o historic
	cmd := &cobra.Command{
		Use: "history [IMAGE...]", Short: "Say what prod has held, and when it changed",
		Long: `Say what prod has held, and when it changed.

Every version of manifest.json is kept; each is listed with the images that
changed, the newest first. Its id is what rollback and diff take.`,
		Example:           "  rootfsrun history\n  rootfsrun history python --json\n  rootfsrun history --testing --limit 5",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.testing, "testing", false, "of manifest.testing.json")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "only so many changes (default: all)")
	return cmd
}

func (o *historic) run(ctx context.Context, a *app.App, ids []string) error {
	if err := o.openAnyhow(ctx, a); err != nil {
		return err
	}
	name := channel.Prod
	if o.testing {
		name = channel.Testing
	}
	list, seen, err := events(ctx, o.opened, name, ids)
	if err != nil {
		return err
	}
	if err := known(ids, func(id string) bool { return seen[id] }); err != nil {
		return err
	}
	if o.limit > 0 {
		list = list[:min(o.limit, len(list))]
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(append([]happened{}, list...))
	}
	if len(list) == 0 {
		a.Log.Info(name + ": there is no version in " + o.opened.String())
	}
	t := term.NewTable("VERSION", "TIME", "COMMIT", "IMAGE", "FROM", "TO", "DIGEST")
	for _, h := range list {
		for _, i := range h.Images {
			t.Row(short(h.Version), h.Time.Format(time.RFC3339), short(h.Commit), i.ID, i.From, i.To, digestFor(a, i.Digest))
		}
	}
	return t.Write(a.Out, a.OutTTY)
}

// short is a commit as people read it; a number stays.
func short(id string) string { return id[:min(12, len(id))] }

// events are the changes of a channel, the newest first, of some images or of
// all; seen are the images that it ever held.
func events(ctx context.Context, s channel.Store, name string, ids []string) (list []happened, seen map[string]bool, err error) {
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	seen = map[string]bool{}
	var before *manifest.Document
	for _, v := range slices.Backward(versions) {
		d, err := documentAt(ctx, s, name, v.ID)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range d.Images {
			seen[i.ID] = true
		}
		h := happened{Version: v.ID, Time: v.Time, Commit: d.Commit, Images: transitions(before, d, ids)}
		if len(h.Images) > 0 {
			list = append(list, h)
		}
		before = d
	}
	slices.Reverse(list)
	return list, seen, nil
}

// transitions are the images that differ between two documents, sorted.
func transitions(before, now *manifest.Document, ids []string) []transition {
	var out []transition
	wanted := func(id string) bool { return len(ids) == 0 || slices.Contains(ids, id) }
	for _, i := range now.Images {
		old, had := before.Find(i.ID)
		if wanted(i.ID) && (!had || old.Digest != i.Digest) {
			out = append(out, transition{ID: i.ID, From: old.VersionTag, To: i.VersionTag, Digest: model.Digest(i.Digest)})
		}
	}
	if before != nil {
		for _, i := range before.Images {
			if _, stays := now.Find(i.ID); wanted(i.ID) && !stays {
				out = append(out, transition{ID: i.ID, From: i.VersionTag})
			}
		}
	}
	slices.SortFunc(out, func(a, b transition) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// documentOf finds what "prod", "testing", "prod~1", "prod@VERSION",
// "prod@2026-11-20" or a file mean.
func documentOf(ctx context.Context, s channel.Store, what string) (*manifest.Document, error) {
	base, at, dated := strings.Cut(what, "@")
	base, back, relative := strings.Cut(base, "~")
	name, isChannel := map[string]string{model.ScopeProd: channel.Prod, model.ScopeTesting: channel.Testing}[base]
	switch {
	case !isChannel:
		return readDocument(what)
	case dated:
		return versionAt(ctx, s, name, at)
	case relative:
		return versionsAgo(ctx, s, name, back)
	}
	b, _, err := s.Read(ctx, name)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return &manifest.Document{Version: manifest.Version}, nil
	}
	d, err := manifest.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return d, nil
}

// versionAt is a channel as of a version, a day or a moment.
func versionAt(ctx context.Context, s channel.Store, name, at string) (*manifest.Document, error) {
	versions, err := s.Versions(ctx, name)
	if err != nil {
		return nil, err
	}
	c := promote.Choice{Version: at}
	if byDate, err := choice("", at); err == nil {
		c = byDate
	}
	v, _, err := promote.Pick(versions, c)
	if err != nil {
		return nil, err
	}
	return documentAt(ctx, s, name, v.ID)
}

// versionsAgo is a channel before its last changes; "prod~1" is before the
// last one.
func versionsAgo(ctx context.Context, s channel.Store, name, back string) (*manifest.Document, error) {
	n, err := strconv.Atoi(back)
	if err != nil || n < 0 {
		return nil, app.Fail(app.ExitUsage, fmt.Errorf("invalid %q: expected a number behind the ~", "~"+back))
	}
	list, _, err := events(ctx, s, name, nil)
	if err != nil {
		return nil, err
	}
	if n >= len(list) {
		return &manifest.Document{Version: manifest.Version}, nil // before the first there was nothing
	}
	return documentAt(ctx, s, name, list[n].Version)
}

// readDocument reads a channel document from a file.
func readDocument(path string) (*manifest.Document, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, app.Fail(app.ExitUsage, fmt.Errorf("%q is neither testing nor prod, nor a file that can be read: %w", path, err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 33<<20))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	d, err := manifest.Decode(b)
	if err != nil {
		return nil, app.Damaged(path, err)
	}
	return d, nil
}
