package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// instanceHeader is how our registry says which one it is.
const instanceHeader = "X-Rootfsgen-Instance"

// running tells whether the daemon's process is there and answers. A nil
// daemon does not run.
func (d *daemon) running(ctx context.Context) bool {
	return d != nil && d.alive() && d.answers(ctx) == nil
}

// answers connects once.
func (d *daemon) answers(ctx context.Context) error {
	if d.Instance == "" {
		return reachable(ctx, d.Address)
	}
	return isRegistry(ctx, d.Address, d.Instance)
}

// reachable connects to a buildkitd's address.
func reachable(ctx context.Context, address string) error {
	network, target, found := strings.Cut(address, "://")
	if !found || (network != "unix" && network != "tcp") {
		return fmt.Errorf("invalid address %q: expected unix:///path or tcp://host:port", address)
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, network, target)
	if err != nil {
		return err
	}
	return conn.Close()
}

// isRegistry asks for the registry at address, which must be the given
// instance: another one may have taken the port.
func isRegistry(ctx context.Context, address, instance string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v2/", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	if got := resp.Header.Get(instanceHeader); got != instance {
		return errors.New("another registry answers at this address")
	}
	return nil
}

// errEnded is a service that ended while it was waited for.
var errEnded = errors.New("it ended at once")

// ready waits until the daemon answers, has ended, or ctx is done.
func (d *daemon) ready(ctx context.Context, ended <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if last = d.answers(ctx); last == nil {
			return nil
		}
		select {
		case <-ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

func portOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}
