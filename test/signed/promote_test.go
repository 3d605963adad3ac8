package signed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// scanned is app with a package, judged by the policy that a fleet begins with.
func scanned() map[string]string {
	files := map[string]string{
		"scan-policy.yaml":       "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY rootfs/ /\n",
		"images/app/Dockerfile":  "FROM base\nCOPY app.txt /\n",
		"images/app/app.txt":     "one\n",
		"images/app/image.yaml":  "arch: [amd64]\n",
	}
	for path, text := range enginetest.Debian12(map[string]string{"openssl": "3.0.1-1"}) {
		files["images/base/rootfs/"+path] = text
	}
	return files
}

// known sets what scanners know of the package from now on.
func (b *bench) known(severity string) {
	b.t.Helper()
	db, _ := enginetest.ScanDB(b.t, time.Time{}, enginetest.Vulnerability{
		ID: "CVE-2026-0001", Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.10", Fixed: "3.0.10", Severity: severity,
	})
	b.env = append(b.env, "ROOTFSRUN_SCAN_DB="+db) // the last one counts
}

// promote promotes everything, with an exit code.
func (b *bench) promote(want int) (errs string) {
	b.t.Helper()
	_, errs = b.run(want, "rootfsrun", "promote", "--prod-registry", b.prefix+"-prod")
	return errs
}

// prod is the document of prod, empty where there is none.
func (b *bench) prod() string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.Dir, ".cache", "channels", "manifest.json"))
	if err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
	return string(text)
}

// TestPromotionAsksTheWitnesses promotes with the program itself: nothing that
// nobody has signed, and nothing that the database knows a critical finding in
// by then, though all of it was published and signed before.
func TestPromotionAsksTheWitnesses(t *testing.T) {
	b := newBench(t, scanned())
	b.known("low")
	b.run(0, "rootfsrun", "run")
	errs := b.promote(5)
	for _, lack := range []string{"app: the index: there is no signed signature", "base: linux/amd64: there is no signed signature", "no signed SBOM", "no signed decision"} {
		if !strings.Contains(errs, lack) {
			t.Errorf("a promotion of what nobody has signed does not name %q\n%s", lack, errs)
		}
	}
	if prod := b.prod(); prod != "" {
		t.Fatalf("prod is written\n%s", prod)
	}
	b.run(0, "rootfsrun", "sign")
	b.run(0, "rootfsrun", "attest")
	b.promote(0)
	before := b.prod()
	if before == "" {
		t.Fatal("prod is not written")
	}
	b.Commit(map[string]string{"images/app/app.txt": "two\n"})
	b.run(0, "rootfsrun", "run")
	b.run(0, "rootfsrun", "sign")
	b.run(0, "rootfsrun", "attest")
	b.known("critical")
	if errs = b.promote(5); !strings.Contains(errs, "app: linux/amd64: CRITICAL CVE-2026-0001 in pkg:deb/debian/openssl@3.0.1-1") || strings.Contains(errs, "no signed") {
		t.Errorf("a promotion after the database has learned more says\n%s", errs)
	}
	if after := b.prod(); after != before {
		t.Errorf("prod was\n%s\nand is\n%s", before, after)
	}
	b.known("low")
	b.promote(0)
	if b.prod() == before {
		t.Error("prod is as it was, though nothing blocks")
	}
}
