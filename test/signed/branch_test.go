package signed

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// policy is one with an exception for the hole, where it allows it.
func policy(allows bool) string {
	const plain = "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n"
	if !allows {
		return plain
	}
	now := time.Now().UTC()
	return plain + fmt.Sprintf(`exceptions:
  list:
    - {id: CVE-2026-0001, purl: pkg:deb/debian/openssl, reason: Nothing here listens., owner: "@a", approvedBy: "@b", created: %s, expires: %s}
`, now.AddDate(0, 0, -1).Format(time.DateOnly), now.AddDate(0, 0, 5).Format(time.DateOnly))
}

// Documents of which one says something.
const (
	head      = `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/1", "author": "us", "timestamp": "2026-11-20T09:00:00Z", "version": 1, "statements": [`
	silent    = head + "]}"
	statement = head + `{"vulnerability": {"name": "CVE-2026-0001"}, "products": [{"@id": "pkg:deb/debian/openssl"}], "status": "not_affected", "justification": "component_not_present"}]}`
)

// TestTheDefaultBranchIsAskedToo promotes in a job what was tagged when an
// exception held, or a statement, or a policy that is off, that the default
// branch has no longer.
func TestTheDefaultBranchIsAskedToo(t *testing.T) {
	believing := policy(false) + "vex: {trustedAuthors: [us]}\n"
	b := newBench(t, scanned(), map[string]string{
		"rootfsgen.yaml": "version: 1\n", "scan-policy.yaml": policy(true),
	})
	b.known("critical")
	b.run(0, "rootfsrun", "run")
	desk := slices.Clone(b.env)
	store := filepath.Join(b.Dir, ".cache", "channels")
	promote := func(want int, flags ...string) string {
		t.Helper()
		b.env = append(slices.Clone(desk), "CI=true")
		_, errs := b.run(want, "rootfsrun", append([]string{"promote", "--prod-registry", b.prefix + "-prod", "--store", "file:" + store}, flags...)...)
		b.env = desk
		return errs
	}
	at := func(name string, files map[string]string) {
		t.Helper()
		b.Commit(files)
		b.Git("update-ref", name, "HEAD")
	}
	if errs := promote(6); !strings.Contains(errs, "nobody can say what main asks of a promotion") {
		t.Errorf("without the branch:\n%s", errs)
	}
	desk = append(desk, "GITLAB_CI=true", "CI_DEFAULT_BRANCH=trunk")
	if errs := promote(3); !strings.Contains(errs, "the default branch is trunk, and rootfsgen.yaml says that it is main") {
		t.Errorf("where the tag names another default branch:\n%s", errs)
	}
	desk = desk[:len(desk)-2]
	for name, c := range map[string]struct {
		tag, main map[string]string
		code      int
		want      string
	}{
		"the exception was revoked": {map[string]string{"scan-policy.yaml": policy(true)}, map[string]string{"scan-policy.yaml": policy(false)}, 5, "base: linux/amd64: by the policy of main: CRITICAL CVE-2026-0001"},
		"the statement was":         {map[string]string{"scan-policy.yaml": believing, "vex/a.json": statement}, map[string]string{"vex/a.json": silent}, 5, "base: linux/amd64: by the policy of main: CRITICAL CVE-2026-0001"},
		"the tag has it off":        {map[string]string{"scan-policy.yaml": policy(false) + "enforcement: {mode: off}\n", "vex/a.json": silent}, map[string]string{"scan-policy.yaml": policy(false)}, 5, "base: linux/amd64: CRITICAL CVE-2026-0001"},
		"the tag does not allow it": {map[string]string{"scan-policy.yaml": policy(false), "vex/a.json": silent}, map[string]string{"scan-policy.yaml": policy(true)}, 5, "base: linux/amd64: CRITICAL CVE-2026-0001"},
		"another trust":             {map[string]string{"scan-policy.yaml": policy(true)}, map[string]string{"rootfsgen.yaml": "version: 1\ntrust: {signers: [{key: keys/sign.pub}]}\n"}, 3, "whom rootfsgen.yaml trusts is another on main"},
	} {
		b.Git("checkout", "-q", "--detach")
		at("refs/tags/v1", c.tag)
		at("refs/remotes/origin/main", c.main)
		b.Git("checkout", "-q", "refs/tags/v1")
		if errs := promote(c.code); !strings.Contains(errs, c.want) {
			t.Errorf("%s: a promotion says\n%s", name, errs)
		}
		if prod, err := os.ReadFile(filepath.Join(store, "manifest.json")); err == nil {
			t.Fatalf("%s: prod is written\n%s", name, prod)
		}
		at("HEAD", map[string]string{"rootfsgen.yaml": "version: 1\n"})
	}
	at("refs/remotes/origin/main", map[string]string{"scan-policy.yaml": policy(true)})
	promote(0, "--replace")
}
