package traps

import (
	"strings"
	"testing"
)

// TestTrap16GeneratorChange: a new way to make images must build them anew, so
// the key has a version of its own format. But a new release of the program is
// no new way: it must not build the fleet anew, and not rewrite the pipelines.
func TestTrap16GeneratorChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, prod: registry.example.com/prod}\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n",
		"images/deb/image.yaml": "builder: debian\nsuite: trixie\n",
	})
	ours := d.ok("key", "--explain")
	for key := range strings.SplitSeq(strings.TrimSpace(ours), "\n\n") {
		lines := strings.Split(key, "\n")
		if len(lines) < 2 || !strings.HasPrefix(lines[1], "format key rootfsgen-key/") {
			t.Errorf("a key does not begin with the version of its format:\n%s", key)
		}
		if strings.HasPrefix(lines[0], "# deb:") && !strings.Contains(key, "\noption builder debian/") {
			t.Errorf("a key does not have the version of how packages become an image:\n%s", key)
		}
	}
	d.ok("generate")
	d.Commit(nil)

	other, err := compile("another-release", "v99.7.5")
	if err != nil {
		t.Fatal(err)
	}
	if out, _, _ := d.runProgram(other, "version"); out != "rootfsgen v99.7.5\n" {
		t.Fatalf("the other release is %q", out)
	}
	if theirs, errs, code := d.runProgram(other, "key", "--explain"); theirs != ours {
		t.Errorf("another release has other keys (exit code %d):\n%s\n%s\n%s", code, ours, theirs, errs)
	}
	if out, errs, code := d.runProgram(other, "generate", "--check"); code != 0 {
		t.Errorf("another release writes other pipelines:\n%s\n%s", out, errs)
	}
}
