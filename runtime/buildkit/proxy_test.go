package buildkit

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProxies(t *testing.T) {
	t.Parallel()
	values := map[string]string{"https_proxy": "http://proxy.example.com:3128", "no_proxy": ".example.com", "http_proxy": ""}
	for name, c := range map[string]struct {
		dockerfile string
		given      map[string]string
		want       map[string]string
	}{
		"none declared": {"FROM x\nRUN echo $https_proxy\n# ARG no_proxy\n", nil,
			map[string]string{"build-arg:https_proxy": "http://proxy.example.com:3128", "build-arg:no_proxy": ".example.com"}},
		"declared": {"FROM x\nARG HTTPS_PROXY\nRUN true\n", nil,
			map[string]string{"build-arg:no_proxy": ".example.com"}},
		"declared with others": {"FROM x\narg a=1 \\\n  No_Proxy=y\nRUN true\n", nil,
			map[string]string{"build-arg:https_proxy": "http://proxy.example.com:3128"}},
		"given": {"FROM x\n", map[string]string{"build-arg:no_proxy": "mine"},
			map[string]string{"build-arg:https_proxy": "http://proxy.example.com:3128", "build-arg:no_proxy": "mine"}},
	} {
		attrs := map[string]string{}
		maps.Copy(attrs, c.given)
		addProxies(attrs, values, []byte(c.dockerfile))
		if d := cmp.Diff(c.want, attrs); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
