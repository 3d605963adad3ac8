package planning

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// Print plans, and prints the plan in a format: what "rootfsgen plan" does.
// check may refuse the settings. Where git alone answers, what was printed is
// remembered on a desk, and printed again when the same is asked of the same.
// In CI one job could answer another that runs in the folder after it.
func Print(ctx context.Context, a *app.App, o Options, format string, check func(*model.Settings) error) (err error) {
	o.brief = format != "json"
	o.busy = o.brief && !a.Verbose
	said := &bytes.Buffer{}
	heard := *a
	heard.Err = io.MultiWriter(a.Err, said)
	s, err := open(ctx, &heard, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	m := newMemory(s.Repo)
	if ahead := s.foresee(ctx); ahead != nil {
		s.ahead = &outlook{ahead.since, ahead.req}
		if !a.CI() && o.CodeQuality == "" {
			if known := m.recall(ahead.question(format)); known != nil {
				return known.print(a)
			}
		}
	}
	if err := s.load(ctx); err != nil {
		return err
	}
	if err := check(&s.Now.Fleet.Settings); err != nil {
		return err
	}
	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}
	if a.CI() || s.asked || s.hinted.Load() { // what is in no tree had a say
		return s.print(ctx, a.Out, p, format)
	}
	note := m.begin(s.question(format), said.Bytes())
	defer note.drop()
	said.Reset()
	if err := s.print(ctx, io.MultiWriter(a.Out, note), p, format); err != nil {
		return err
	}
	note.keep(said.Bytes())
	return nil
}

// print prints the plan to out, and to Err what is said beside it.
func (s *Session) print(ctx context.Context, out io.Writer, p *model.Plan, format string) error {
	a := s.app
	if err := s.WriteWith(ctx, out, p, format, a.OutTTY, a.Verbose); err != nil {
		return err
	}
	var beside []string
	if format == "text" && !a.OutTTY {
		beside = append(beside, Summary(p, Unlisted(a.Verbose)))
	}
	if a.Verbose && format != "json" {
		beside = append(beside, Outside(s.Now.Graph)...)
	}
	if format == "text" || format == "gitlab" {
		beside = append(beside, p.Notes...)
	}
	for _, line := range beside {
		if !a.Quiet {
			fmt.Fprintln(a.Err, line)
		}
	}
	return nil
}

// foresee finds out what a plan would depend on from nothing but refs and the
// settings. It is nil where the registry has a say, and where something is
// wrong, which loading tells.
func (s *Session) foresee(ctx context.Context) *Session {
	if s.o.State == StateOn || s.o.Registry != "" && s.o.State != StateOff {
		return nil
	}
	f := &Session{Repo: s.Repo, app: s.app, o: s.o, rev: s.rev, local: s.local, time: s.time}
	tree, err := s.Repo.Files(ctx, s.rev)
	if err != nil {
		return nil
	}
	if err := f.findConfig(tree); err != nil {
		return nil
	}
	if f.findPolicy(tree).Err() != nil {
		return nil
	}
	alone := map[string]string{}
	if content, err := tree.Read(ctx, f.config); err == nil && f.configData == nil {
		alone[f.config] = string(content)
	}
	fleet, _, err := source.Load(ctx, history.Memory(alone), f.sourceOptions(nil))
	if err != nil {
		return nil
	}
	f.Now = &plan.Snapshot{Revision: f.rev, Fleet: fleet}
	if _, err := f.earlier(ctx); err != nil {
		return nil
	}
	if f.req, err = f.request(ctx); err != nil || f.asked {
		return nil
	}
	return f
}

// question is a name for all that the output of a plan depends on where the
// registry is not asked. The settings in the tree, images.lock and the notes
// follow from the rest. A plan is remembered under what it was made from, not
// under what was foreseen: where the two differ, it is never found.
func (s *Session) question(format string) string {
	var since model.Revision
	if s.since != nil {
		since = *s.since
	}
	req := s.req
	req.Notes = nil
	a := s.app
	h := sha256.New()
	for _, part := range []any{
		memoFormat, program(s.o.program), model.PlanVersion, key.Format,
		s.Now.Revision, s.since != nil, since,
		s.config, s.configData != nil, string(s.configData), string(s.local),
		a.CI(), s.o.Strict, s.o.Detect, s.o.State, s.o.Registry, req,
		format, a.OutTTY, a.Verbose, a.Quiet, a.Color, a.Diagnostics,
	} {
		fmt.Fprintf(h, "%#v\n", part) // strings are quoted: nothing runs into the next
	}
	return hex.EncodeToString(h.Sum(nil))
}
