package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// longestWait bounds what Retry-After may ask for.
	longestWait = 90 * time.Second
	// maxAnswer bounds the size of one answer.
	maxAnswer = 64 << 20
)

// errGarbled is an answer that was cut, or is not what it says it is.
var errGarbled = errors.New("garbled answer")

// patient sends a request until it has a whole answer that is neither "later"
// nor a failure of the forge's own. A request that changes something is sent
// again only where the forge said that it did not carry it out.
type patient struct {
	next http.RoundTripper
	o    Options
}

// RoundTrip implements http.RoundTripper. The answer's body is in memory.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := drain(req)
	if err != nil {
		return nil, err
	}
	doing := req.Method + " " + req.URL.Path
	wait := p.o.Backoff
	for n := 1; ; n++ {
		resp, err := p.once(req, body)
		var again bool
		var after time.Duration
		switch {
		case err != nil && req.Context().Err() != nil:
			return nil, err
		case err != nil && !harmless(req.Method): // it may have been carried out
			return nil, &Unavailable{Doing: doing, Attempts: n, Err: err}
		case err != nil:
			again = true
		default:
			again, after = later(resp, harmless(req.Method))
		}
		if !again {
			return resp, err
		}
		if err == nil {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if n == p.o.Attempts || after > longestWait {
			return nil, &Unavailable{Doing: doing, Attempts: n, Err: err}
		}
		pause := max(wait+rand.N(wait/4+1), after)
		wait *= 2
		p.o.Log.Warn(fmt.Sprintf("%s: %v; trying again in %.1f s (%d of %d)", doing, err, pause.Seconds(), n+1, p.o.Attempts))
		if err := p.o.Sleep(req.Context(), pause); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// once sends the request and reads the whole answer.
func (p *patient) once(req *http.Request, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
	defer cancel()
	try := req.Clone(ctx)
	if body != nil {
		try.Body = io.NopCloser(bytes.NewReader(body))
		try.ContentLength = int64(len(body))
	}
	resp, err := p.next.RoundTrip(try)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errGarbled, err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("%w: more than %d bytes", errGarbled, maxAnswer)
	case resp.StatusCode < 300 && strings.Contains(resp.Header.Get("Content-Type"), "json") && len(text) > 0 && !json.Valid(text):
		return nil, fmt.Errorf("%w: no JSON", errGarbled)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// drain is the body of a request, nil where it has none.
func drain(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	return body, nil
}

// harmless tells whether a request may be carried out twice.
func harmless(method string) bool { return method != http.MethodPost }

// later tells whether the same request may succeed later, and when to come
// back at the earliest. What is not harmless is sent again only where the
// forge refused it for coming too often.
func later(resp *http.Response, harmless bool) (bool, time.Duration) {
	after := retryAfter(resp.Header)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return true, after
	case resp.StatusCode == http.StatusForbidden:
		return limited(resp.Header), after
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return true, after
	case resp.StatusCode == http.StatusRequestTimeout || resp.StatusCode >= 500:
		return harmless, after
	}
	return false, 0
}

// limited tells a 403 of too many requests from one of missing rights.
func limited(h http.Header) bool {
	return h.Get("Retry-After") != "" || h.Get("X-Ratelimit-Remaining") == "0"
}

// retryAfter reads when to come back: seconds, a date, or the time at which
// GitHub counts anew.
func retryAfter(h http.Header) time.Duration {
	if s := strings.TrimSpace(h.Get("Retry-After")); s != "" {
		if n, err := strconv.Atoi(s); err == nil {
			return time.Duration(min(max(n, 0), 1<<20)) * time.Second
		}
		if at, err := http.ParseTime(s); err == nil {
			return max(time.Until(at), 0)
		}
		return 0
	}
	if h.Get("X-Ratelimit-Remaining") == "0" {
		if at, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return max(time.Until(time.Unix(at, 0)), 0)
		}
	}
	return 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
