package traps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTrap28LargeFileStorage: git LFS leaves a pointer in the tree, and the
// content elsewhere. The pointer holds the content's digest, so a new content is
// a change. But a build that was given the pointer would put that into the
// image: it is given the content where that was fetched, and told else what to
// do.
func TestTrap28LargeFileStorage(t *testing.T) {
	t.Parallel()
	pointer := func(content string) string {
		return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", model.DigestOf([]byte(content)).Hex(), len(content))
	}
	d := newDesk(t, map[string]string{
		"images/model/Dockerfile": "FROM scratch\nCOPY weights.bin plain /\n", "images/model/weights.bin": pointer("old"), "images/model/plain": "version https://example.com\n",
		".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/model/weights.bin": pointer("new")})
	p := d.plan()
	p.builds("model")
	p.because("model", file("images/model/weights.bin"))
	text, err := d.given(p.of("model")[0], "weights.bin")
	if err == nil || !strings.Contains(err.Error(), "LFS") || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("a build is given %q (%v)", text, err)
	}
	sum := model.DigestOf([]byte("new")).Hex()
	d.Write(map[string]string{".git/lfs/objects/" + sum[:2] + "/" + sum[2:4] + "/" + sum: "new"})
	if text, err := d.given(p.of("model")[0], "weights.bin"); err != nil || text != "new" {
		t.Errorf("what was fetched is given as %q, %v", text, err)
	}
	if text, err := d.given(p.of("model")[0], "plain"); err != nil || text != "version https://example.com\n" {
		t.Errorf("plain is %q, %v", text, err)
	}
}
