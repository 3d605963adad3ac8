package services

import (
	"context"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// launch starts a service that writes to the log of its name and waits until it
// answers. d says where, and what it is known by. One that does not answer is
// killed; errEnded is one that ended before.
func (l layout) launch(ctx context.Context, name string, d daemon, c tool.Command) (*daemon, error) {
	log, err := l.logFile(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	c.Dir = "/"
	pid, ended, err := c.Daemon(log)
	if err != nil {
		return nil, err
	}
	p, found := identify(pid)
	if !found {
		return nil, errEnded
	}
	d.process = p
	if err := d.ready(ctx, ended); err != nil {
		d.kill()
		return nil, err
	}
	return &d, nil
}
