package services

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMirrors(t *testing.T) {
	t.Parallel()
	m, err := ParseMirrors("  quay.io=mirror.example.com:5000 docker.io=mirror.example.com/hub\n")
	if err != nil {
		t.Fatal(err)
	}
	want := `
[registry."docker.io"]
  mirrors = ["mirror.example.com/hub"]

[registry."quay.io"]
  mirrors = ["mirror.example.com:5000"]
`
	if d := cmp.Diff(want, m.config()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, bad := range []string{"docker.io", "docker.io=", `docker.io="]`, "a/b=mirror.example.com", "docker.io=https://mirror.example.com"} {
		if _, err := ParseMirrors(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if none, err := ParseMirrors(""); err != nil || none.config() != "" {
		t.Errorf("%v %v", none, err)
	}
}
