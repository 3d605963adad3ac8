package build

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestReferenceAndRepository(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		context               model.NamedContext
		reference, repository string
	}{
		{model.NamedContext{Ref: "busybox"}, "busybox", "busybox"},
		{model.NamedContext{Ref: "busybox:1.36::linux/amd64"}, "busybox:1.36", "busybox"},
		{model.NamedContext{Ref: "rootfsgen.invalid/golang"}, "golang", "golang"},
		{model.NamedContext{Ref: "localhost:5000/x/y"}, "localhost:5000/x/y", "localhost:5000/x/y"},
		{model.NamedContext{Ref: "localhost:5000/x/y:1"}, "localhost:5000/x/y:1", "localhost:5000/x/y"},
		{model.NamedContext{Ref: "x:1@sha256:00"}, "x:1@sha256:00", "x"},
		{model.NamedContext{Ref: "x", Source: "mirror.example.com/x@sha256:00"}, "x", "mirror.example.com/x"},
	} {
		if got := reference(c.context.Ref); got != c.reference {
			t.Errorf("reference(%q) is %q, want %q", c.context.Ref, got, c.reference)
		}
		if got := repository(c.context); got != c.repository {
			t.Errorf("repository(%+v) is %q, want %q", c.context, got, c.repository)
		}
	}
}
