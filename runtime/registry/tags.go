package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The most that is read of a list of tags, and how many tags are asked for at
// a time. A registry may give fewer.
const (
	maxTagPage  = 16 << 20
	maxTagPages = 10_000
	pageSize    = 1000
)

// tagPage is one answer to the question for tags.
type tagPage struct {
	tags []string
	next string // where the page behind it is, empty for the last one
}

// Tags lists the tags of a repository, sorted; none for one that is not there.
func (c *Client) Tags(ctx context.Context, repo string) ([]string, error) {
	r, err := parseRepository(repo)
	if err != nil {
		return nil, err
	}
	return c.allTags(ctx, r)
}

func (c *Client) allTags(ctx context.Context, r name.Repository) ([]string, error) {
	var tags []string
	at, seen := "", map[string]bool{}
	for len(seen) < maxTagPages {
		page, err := c.tagPage(ctx, r, at)
		if at == "" && c.absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		tags = append(tags, page.tags...)
		if page.next == "" {
			slices.Sort(tags)
			return slices.Compact(tags), nil
		}
		if seen[page.next] {
			return nil, fmt.Errorf("reading tags of %s: the registry's pages lead back to %s", r.Name(), page.next)
		}
		seen[page.next] = true
		at = page.next
	}
	return nil, fmt.Errorf("reading tags of %s: there are more than %d pages", r.Name(), maxTagPages)
}

// tagPage reads one page: the one at a URL, or, where that is empty, the first.
func (c *Client) tagPage(ctx context.Context, r name.Repository, at string) (tagPage, error) {
	var page tagPage
	err := c.tryShort(ctx, "reading tags of "+address(r), func(ctx context.Context) error {
		s, err := c.session(ctx, r, false)
		if err != nil {
			return err
		}
		from := at
		if !strings.Contains(from, "://") {
			from = s.url + "/tags/list?n=" + strconv.Itoa(pageSize) + from
		}
		page, err = s.tagPage(ctx, from)
		return err
	})
	return page, err
}

// address is the repository as people write it.
func address(r name.Repository) string { return r.RegistryStr() + "/" + r.RepositoryStr() }

func (s *session) tagPage(ctx context.Context, at string) (tagPage, error) {
	resp, err := s.do(ctx, http.MethodGet, at, "", nil)
	if err != nil {
		return tagPage{}, err
	}
	defer drain(resp)
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return tagPage{}, err
	}
	body, err := readBounded(resp.Body, maxTagPage)
	if err != nil {
		return tagPage{}, err
	}
	var list struct {
		Name *string          `json:"name"`
		Tags *json.RawMessage `json:"tags"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return tagPage{}, fmt.Errorf("%w: %w", errGarbled, err)
	}
	if list.Name == nil && list.Tags == nil { // another document must not read as "no tags"
		return tagPage{}, fmt.Errorf("%w: this is no list of tags", errGarbled)
	}
	var tags []string
	if list.Tags != nil {
		if err := json.Unmarshal(*list.Tags, &tags); err != nil {
			return tagPage{}, fmt.Errorf("%w: %w", errGarbled, err)
		}
	}
	next, err := nextPage(resp)
	return tagPage{tags: tags, next: next}, err
}

// nextPage reads the Link header. The page must be of the same registry;
// behind a proxy a registry may be mistaken about its own scheme.
func nextPage(resp *http.Response) (string, error) {
	for _, link := range links.FindAllStringSubmatch(strings.Join(resp.Header.Values("Link"), ","), -1) {
		if !isNext(link[2]) {
			continue
		}
		u, err := url.Parse(link[1])
		if err != nil {
			return "", fmt.Errorf("%w: %w", errGarbled, err)
		}
		u = resp.Request.URL.ResolveReference(u)
		if u.Host != resp.Request.URL.Host {
			return "", fmt.Errorf("the next page of tags lies at another host, %s", u.Host)
		}
		u.Scheme = resp.Request.URL.Scheme
		return u.String(), nil
	}
	return "", nil
}

// links are the targets and parameters in a Link header.
var links = regexp.MustCompile(`<([^>]*)>([^,<]*)`)

// isNext tells whether the parameters of a link say that it leads to the next
// page.
func isNext(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(key, "rel") && strings.EqualFold(strings.Trim(value, `"`), "next") {
			return true
		}
	}
	return false
}

// seek reads the part of a repository's tags that tells about the keys, which
// must be sorted. whole tells that every content tag is in it too.
//
// All that is to be known about a key lies together in the lexical order of
// tags, and OCI's list of tags can begin behind any name. So the first request
// begins at the first key, and each further one at the first key that is not
// covered yet: no page is read twice, and each covers at least one key. That a
// registry does list in lexical order is not assumed but seen: the answer must
// be sorted and lie behind what was sought. There is always something behind
// it, where the repository has anything of ours; see model.StateTag. Of any
// other registry the whole list is read.
func (c *Client) seek(ctx context.Context, repo string, keys []model.Digest) (tags []string, whole bool, err error) {
	r, err := parseRepository(repo)
	if err != nil || len(keys) == 0 {
		return nil, err == nil, err
	}
	if c.unordered(r) {
		tags, err = c.allTags(ctx, r)
		return tags, true, err
	}
	from := model.StatePrefix(keys[0])
	for range maxTagPages {
		page, err := c.tagPage(ctx, r, "&last="+url.QueryEscape(from))
		switch {
		case len(tags) == 0 && c.absent(err) && !refusedSeek(err):
			return nil, true, nil
		case refusedSeek(err), err == nil && !follows(from, page.tags):
			if len(page.tags) > 0 { // an empty list may be that of an empty repository
				c.unorder(r)
			}
			tags, err = c.allTags(ctx, r)
			return tags, true, err
		case err != nil:
			return nil, false, err
		}
		tags = append(tags, page.tags...)
		if page.next == "" && len(page.tags) < pageSize {
			return tags, true, nil
		}
		if from = uncovered(keys, tags); from == "" {
			return tags, false, nil
		}
	}
	return nil, false, fmt.Errorf("reading tags of %s: there are more than %d pages", repo, maxTagPages)
}

// unorder remembers that a registry does not list in lexical order, so that it
// is not found out anew for each of its repositories.
func (c *Client) unorder(r name.Repository) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole[r.RegistryStr()] = true
}

func (c *Client) unordered(r name.Repository) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.whole[r.RegistryStr()]
}

// refusedSeek is an answer that may mean that the registry cannot begin at a
// name which is not a tag, rather than that the repository is not there.
func refusedSeek(err error) bool {
	t, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return false
	}
	switch t.StatusCode {
	case http.StatusNotFound:
		for _, d := range t.Errors {
			if d.Code == transport.NameUnknownErrorCode {
				return false
			}
		}
		return true
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	}
	return false
}

// follows tells whether tags are what a registry with lexical order has behind
// from.
func follows(from string, tags []string) bool {
	if len(tags) == 0 {
		return false
	}
	for _, tag := range tags {
		if tag <= from {
			return false
		}
		from = tag
	}
	return true
}

// uncovered is where to read on when the sorted tags have been read: at the
// first key of which not all is known, empty where there is none. Of a key the
// newest generation is enough.
func uncovered(keys []model.Digest, tags []string) string {
	last := tags[len(tags)-1]
	n, _ := slices.BinarySearchFunc(keys, last, func(key model.Digest, last string) int {
		// Behind the last tag of a key's come those that begin with a larger letter than the dash.
		return strings.Compare(model.StatePrefix(key)+".", last)
	})
	if n == len(keys) {
		return ""
	}
	first := model.StatePrefix(keys[n])
	if !strings.HasPrefix(last, first+"-") {
		return first
	}
	begin, _ := slices.BinarySearch(tags, first)
	for _, tag := range tags[begin:] {
		s, ok := model.ParseStateTag(tag)
		if ok && s.Of(model.StepBuild) && !strings.HasPrefix(last, model.StateGenerationPrefix(s.Key, s.Generation)) {
			if n+1 == len(keys) {
				return ""
			}
			return model.StatePrefix(keys[n+1])
		}
	}
	return last
}
