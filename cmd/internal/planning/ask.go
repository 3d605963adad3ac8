package planning

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// Plan compares, asks the registry where that is wanted, and decides.
func (s *Session) Plan(ctx context.Context) (*model.Plan, error) {
	err := s.Compare(ctx)
	var req plan.Request
	if err == nil {
		req, err = s.request(ctx)
	}
	if s.part != nil && (err != nil || !s.enough(req)) {
		if err := s.widen(ctx); err != nil {
			return nil, err
		}
		return s.Plan(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.req = req
	state := model.RegistryState{}
	if s.asked {
		if state, err = s.ask(ctx, req); err != nil {
			return nil, err
		}
	}
	req.Notes, req.Unread = s.notes, s.unread
	if s.part != nil {
		req.Idle = s.part.Apart()
	}
	return plan.Make(s.Then, s.Now, state, req)
}

// request is what is asked of the generator, but for the notes; it settles
// whether the registry is asked, too.
func (s *Session) request(ctx context.Context) (req plan.Request, err error) {
	tag, err := s.rebuildTag(ctx)
	if err != nil {
		return req, err
	}
	prefix, readPrefix, ask, err := s.prefixes(ctx)
	if err != nil {
		return req, err
	}
	platforms, err := s.o.platforms()
	if err != nil {
		return req, err
	}
	s.asked = ask
	return plan.Request{
		Scope: s.o.Scope, Prefix: prefix, ReadPrefix: readPrefix, SnapshotID: s.o.SnapshotID, Date: s.Date(),
		All: s.o.All, RebuildTag: tag, Force: s.o.Force, Images: s.o.Images, Except: s.o.Except,
		Bases: s.o.Bases, Platforms: platforms, Policy: s.demanded(), Brief: s.o.brief, Busy: s.o.busy,
	}, nil
}

// prefixes are the addresses of the scope and of what it may read, and
// whether there is anything to ask. A desk has its own registry, where it
// runs.
func (s *Session) prefixes(ctx context.Context) (own, read string, ask bool, err error) {
	r := s.Now.Fleet.Settings.Registry
	own = r.Prefix(s.o.Scope)
	if s.o.Scope == model.ScopePR {
		read = r.Testing
	}
	ask = s.app.CI() || s.o.State == StateOn
	switch {
	case s.o.Registry != "":
		own, read, ask = s.o.Registry, "", true
	case !s.app.CI():
		local, err := s.localRegistry(ctx)
		if err != nil {
			return "", "", false, err
		}
		if local != "" {
			own, read, ask = local+"/"+s.o.Scope, "", true
			if s.o.Scope == model.ScopePR {
				read = local + "/" + model.ScopeTesting
			}
		}
	}
	if own == "" && s.o.State == StateOn {
		return "", "", false, usage("--registry-state on: scope %s has no registry: name it with --registry, or in %s under registry.%s",
			s.o.Scope, s.config, s.o.Scope)
	}
	return own, read, ask && own != "" && s.o.State != StateOff, nil
}

func (s *Session) localRegistry(ctx context.Context) (string, error) {
	state, _, err := services.Status(ctx, filepath.Join(s.Repo.Root(), ".cache"), services.Options{})
	if err != nil {
		return "", fmt.Errorf("looking for a local registry: %w", err)
	}
	return state.Registry, nil
}

// ask asks the registry. Where nothing but credentials is missing and the
// answer may be left out, git alone answers.
func (s *Session) ask(ctx context.Context, req plan.Request) (model.RegistryState, error) {
	q, err := plan.Queries(s.Now, req)
	if err != nil {
		return model.RegistryState{}, err
	}
	o := registry.Options{Bootstrap: q.Bootstrap, Scope: s.o.Scope, Log: s.app.Log}
	if s.o.Scope == model.ScopePR {
		o.Unjudged = q.Prefix
	}
	c := registry.New(Sealed(s.app, o, nil, &s.Now.Fleet.Settings.Trust))
	state, err := c.State(ctx, q)
	if err == nil {
		err = errors.Join(vouched(ctx, c, q.Prefix, state.Repositories), vouched(ctx, c, q.ReadPrefix, state.Read))
	}
	if denied, found := errors.AsType[*registry.Denied](err); found && s.o.State == StateAuto && (s.o.Scope == model.ScopePR || !s.app.CI()) {
		s.note("The registry refuses to answer: %s.", denied.Doing)
		return model.RegistryState{}, nil
	}
	if err != nil {
		return model.RegistryState{}, fmt.Errorf("asking the registry: %w", err)
	}
	return state, nil
}
