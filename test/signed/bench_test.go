package signed

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// BenchmarkPromotionOfNewImages promotes images of two platforms, each with a
// hundred packages of its own, that nobody whom the settings name has listed or
// scanned: the real syft and grype do, for each platform. Beside the time on the
// clock it says what of a processor each platform costs, and how many processors
// were busy; and the same of a promotion in which nothing is new.
func BenchmarkPromotionOfNewImages(b *testing.B) {
	for _, images := range []int{5, 20} {
		b.Run(fmt.Sprint(images, "-images"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				fleet := newBench(b, many(images))
				fleet.run(0, "rootfsrun", "run")
				fleet.Commit(map[string]string{"scan-policy.yaml": "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n"})
				fleet.known("low")
				b.StartTimer()
				wall, processor := fleet.promotes()
				b.StopTimer()
				again, _ := fleet.promotes()
				b.StartTimer()
				b.ReportMetric(processor.Seconds()/float64(2*images), "cpu-s/platform")
				b.ReportMetric(processor.Seconds()/wall.Seconds(), "processors")
				b.ReportMetric(wall.Seconds(), "first-s")
				b.ReportMetric(again.Seconds(), "again-s")
			}
		})
	}
}

// many are so many images, base and app among them, in which nothing is run.
func many(images int) map[string]string {
	files := scanned()
	files["rootfsgen.yaml"], files["scan-policy.yaml"] = "version: 1\n", "apiVersion: rootfsgen/v1\nkind: ScanPolicy\nenforcement: {mode: off}\n"
	files["images/base/image.yaml"], files["images/app/image.yaml"] = "", ""
	for n := range images - 2 {
		packages := map[string]string{"openssl": "3.0.1-1"}
		for p := range 100 {
			packages[fmt.Sprintf("package-%03d", p)] = fmt.Sprintf("1.%d-%d", p, n)
		}
		dir := fmt.Sprintf("images/image-%03d/", n)
		files[dir+"Dockerfile"] = "FROM scratch\nCOPY rootfs/ /\n"
		for path, text := range enginetest.Debian12(packages) {
			files[dir+"rootfs/"+path] = text
		}
	}
	return files
}

// promotes promotes everything, and says how long that took, and what of a
// processor, its children's time included.
func (b *bench) promotes() (wall, processor time.Duration) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), filepath.Join(b.bin, "rootfsrun"), "promote", "--registry", b.prefix, "--prod-registry", b.prefix+"-prod")
	var errs strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.Dir, b.env, nil, &errs
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%v\n%s", err, &errs)
	}
	return time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
