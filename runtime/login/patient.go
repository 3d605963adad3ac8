package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How often a question for a token is asked, and how long is waited after the
// first time, doubled each further time.
const (
	tokenAttempts = 4
	tokenBackoff  = 500 * time.Millisecond
	longestPause  = 10 * time.Second
)

// RefusedError is a server that gives no token.
type RefusedError struct {
	Host   string
	Status int    // 0: it was not reached
	Says   string // its own words, without what it was asked with
}

// Error names the server and what it said.
func (r *RefusedError) Error() string {
	s := r.Host + " gives no token"
	if r.Status != 0 {
		s += fmt.Sprintf(" (status %d)", r.Status)
	}
	if r.Says != "" {
		s += ": " + r.Says
	}
	return s
}

// ExitCode tells a CI to try again where that can help.
func (r *RefusedError) ExitCode() int {
	if temporary(r.Status) {
		return 75
	}
	return 1
}

func temporary(status int) bool {
	return status == 0 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// patient asks again where that can help, and remembers the last refusal.
type patient struct {
	base  http.RoundTripper
	sleep func(context.Context, time.Duration) error // nil: the clock

	mu   sync.Mutex
	last *RefusedError
}

// RoundTrip implements http.RoundTripper.
func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	wait := tokenBackoff
	for n := 1; ; n++ {
		resp, err := p.base.RoundTrip(req)
		refused, pause := refusalOf(req, resp, err)
		p.remember(refused)
		if refused == nil || !temporary(refused.Status) || n == tokenAttempts || req.Body != nil && req.GetBody == nil {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if err := p.rest(req.Context(), min(max(wait, pause), longestPause)); err != nil {
			return nil, err
		}
		wait *= 2
		if req.GetBody != nil {
			req = req.Clone(req.Context())
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func (p *patient) remember(r *RefusedError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = r
}

// refusal is how the last question was refused, nil if it was not.
func (p *patient) refusal() *RefusedError {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *patient) rest(ctx context.Context, d time.Duration) error {
	if p.sleep != nil {
		return p.sleep(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// refusalOf reads why there is no token, and how long the server wants to be
// left alone. The response can be read again.
func refusalOf(req *http.Request, resp *http.Response, err error) (*RefusedError, time.Duration) {
	if err != nil {
		says := "it cannot be reached"
		if errors.Is(err, context.DeadlineExceeded) {
			says = "it does not answer"
		}
		return &RefusedError{Host: req.URL.Host, Says: says}, 0
	}
	if resp.StatusCode < 300 {
		return nil, 0
	}
	content, _ := io.ReadAll(io.LimitReader(resp.Body, longestAnswer)) // what is cut off is not shown
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(content))
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date is none
	return &RefusedError{Host: req.URL.Host, Status: resp.StatusCode, Says: spoken(content)}, time.Duration(max(0, min(seconds, 60))) * time.Second
}

// longestSaid bounds what is repeated of a server's words, in bytes.
const longestSaid = 300

// spoken is the message of an error of OAuth's or of Google's. Anything else,
// and what looks as if it repeated a token, is not shown.
func spoken(content []byte) string {
	var oauth struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	var google struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
		} `json:"error"`
	}
	var said string
	switch {
	case json.Unmarshal(content, &oauth) == nil && oauth.Error != "":
		said = oauth.Error + ": " + oauth.Description
	case json.Unmarshal(content, &google) == nil && google.Error.Message != "":
		said = google.Error.Status + ": " + google.Error.Message
	}
	if len(said) > longestSaid || strings.Contains(said, "eyJ") || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' }) {
		return ""
	}
	return said
}
