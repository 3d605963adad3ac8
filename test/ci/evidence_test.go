package ci

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/internal/keytest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// evident is a forge that shows findings, keeps issues and merges requests.
type evident interface {
	push() results
	release(tag string) results
	rescan() results
	// merged is the job of a promotion whose request was merged, and its name.
	merged() (got results, job string)
	issues() []forgetest.Issue
	requests() []forgetest.Request
	// told is how often the forge was asked to change something.
	told() int
	// findings is what the forge was given to show of the last push.
	findings() string
	// apart wants the findings of these images not to be taken for each other's.
	apart(images ...string)
}

// evidence is a fleet of one image, which has a package with a hole, whose
// images are signed and attested with a key, promoted by a request and scanned
// anew every day.
type evidence struct {
	*fleet
	key string // the private one, PEM
	on  evident
}

func newEvidence(t *testing.T, name string) *evidence {
	t.Helper()
	private, public := keytest.New(t)
	files := judged(t)
	for path := range files {
		if strings.HasPrefix(path, "images/child/") {
			files[path] = ""
		}
	}
	files["keys/sign.pub"] = public
	files["scan-policy.yaml"] += "evidence: {upload: sarif}\n"
	files["rootfsgen.yaml"] += "sign: {key: \"env:SIGNING_KEY\"}\ntrust: {signers: [{key: keys/sign.pub}]}\nchannels: {promotion: request}\n"
	e := &evidence{key: private, fleet: newFleet(t, name, files)}
	e.env = append(e.env, "")
	return e
}

// hole is what scanners know of the image's package on a day.
func hole(id, severity string) enginetest.Vulnerability {
	return enginetest.Vulnerability{
		ID: id, Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.10", Fixed: "3.0.10", Severity: severity,
	}
}

// known sets what scanners know from now on.
func (e *evidence) known(holes ...enginetest.Vulnerability) {
	e.t.Helper()
	db, _ := enginetest.ScanDB(e.t, time.Time{}, holes...)
	e.env[len(e.env)-1] = "ROOTFSRUN_SCAN_DB=" + db
}

// TestEvidence lives through the days of a fleet whose promotions ask for
// everything that can be signed: what one job signs and attests another verifies,
// a request promotes when it is merged, findings are shown where the forge shows
// them, and the daily rescan opens an issue, changes it and closes it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*evidence) evident{"github": evidenceOnGitHub, "gitlab": evidenceOnGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEvidence(t, "evidence-"+name)
			e.on = on(e)
			e.live()
		})
	}
}

func (e *evidence) live() {
	t := e.t
	if _, errs, err := e.verify(); err == nil || !strings.Contains(errs, "bad") {
		t.Fatalf("something is verified before it is built: %v\n%s", err, errs)
	}
	e.known(hole("CVE-2026-0001", "critical"))
	if got := e.on.push(); got.jobs["merge bad"] != "failure" || got.jobs["build bad linux/amd64"] != "success" {
		t.Fatalf("a push of what is refused: %v\n%s", got.jobs, got.tail())
	}
	if found := e.on.findings(); !strings.Contains(found, "CVE-2026-0001") || !strings.Contains(found, "openssl") {
		t.Errorf("the forge shows of the findings:\n%s", found)
	}
	e.known(hole("CVE-2026-0001", "low"))
	e.passes("a push of what passes", e.on.push(), "plan", "merge bad", "manifest")
	if out, errs, err := e.verify(); err != nil || !strings.Contains(out, "key keys/sign.pub") {
		t.Fatalf("what was signed is not verified: %v\n%s%s", err, out, errs)
	}
	e.on.apart("bad", "good")

	e.Git("tag", "v1.0.0")
	e.Git("push", "-q", "origin", "v1.0.0")
	e.passes("a release", e.on.release("v1.0.0"), "plan", "manifest", "promote")
	asked := e.on.requests()
	if len(asked) != 1 || asked[0].Branch != "rootfsgen/promote" || asked[0].Base != "rootfsgen/channels" || !strings.Contains(asked[0].Body, "Merging it is the promotion") {
		t.Fatalf("requests: %+v", asked)
	}
	if _, found := e.channel("manifest.json"); found {
		t.Fatal("prod was written before the request was merged")
	}
	e.passes("a rescan of nothing", e.on.rescan(), "rescan")
	e.Git("fetch", "-q", "origin", "rootfsgen/promote")
	e.Git("push", "-q", "origin", "FETCH_HEAD:rootfsgen/channels")
	e.listed("manifest.json", "bad", "good")
	got, job := e.on.merged()
	e.passes("the request is merged", got, job)
	for _, image := range []string{"bad", "good"} {
		if _, found, err := registry.New(registry.Options{}).Resolve(t.Context(), e.prefix+"/prod/"+image, "latest"); err != nil || !found {
			t.Errorf("prod/%s:latest: %v, %v", image, found, err)
		}
	}
	e.rescans()
}

// rescans is four days of what prod runs.
func (e *evidence) rescans() {
	t := e.t
	issue := func(day string, blocks bool, state string, has ...string) {
		t.Helper()
		want := succeeded("rescan")
		if blocks {
			want["rescan"] = "failure"
		}
		e.expect(day, e.on.rescan(), want)
		all := e.on.issues()
		switch {
		case state == "" && len(all) == 0:
			return
		case len(all) != 1 || all[0].State != state && state != "open":
			t.Fatalf("%s: issues %+v", day, all)
		}
		for _, id := range has {
			if !strings.Contains(all[0].Body, id) {
				t.Errorf("%s: the issue does not name %s:\n%s", day, id, all[0].Body)
			}
		}
	}
	issue("nothing blocks", false, "")
	e.known(hole("CVE-2026-0001", "critical"))
	issue("something blocks", true, "open", "CVE-2026-0001")
	before := e.on.told()
	issue("the same blocks", true, "open", "CVE-2026-0001")
	if told := e.on.told(); told != before {
		t.Errorf("the forge was told the same again: %d and %d times", before, told)
	}
	e.known(hole("CVE-2026-0001", "critical"), hole("CVE-2026-0002", "high"))
	issue("more blocks", true, "open", "CVE-2026-0001", "CVE-2026-0002")
	e.known(hole("CVE-2026-0001", "low"))
	issue("nothing blocks any more", false, "closed")
}

// passes wants these jobs to have run, and all that ran to have succeeded and to
// have kept the key to themselves.
func (e *evidence) passes(name string, got results, jobs ...string) {
	e.t.Helper()
	for job, result := range got.jobs {
		if result != "success" && (result != "skipped" || slices.Contains(jobs, job)) {
			e.t.Fatalf("%s: %s: %s\n%s", name, job, result, got.tail())
		}
	}
	for _, job := range jobs {
		if got.jobs[job] != "success" {
			e.t.Fatalf("%s: %s did not run: %v", name, job, got.jobs)
		}
	}
	secret := strings.Split(e.key, "\n")[1]
	if said := strings.Join(got.log, "\n"); strings.Contains(said, secret) {
		e.t.Errorf("%s: the private key is in a log", name)
	}
}

// verify asks for everything that can be signed, as anybody may who has the
// repository.
func (e *evidence) verify() (out, errs string, err error) {
	e.t.Helper()
	return e.run(e.Dir, append(slices.Clone(e.env), "CI=true"), "rootfsrun", "verify", "bad")
}

type hubEvidence struct {
	hubEvents
	key string
}

func evidenceOnGitHub(e *evidence) evident {
	return hubEvidence{eventsOnGitHub(e.fleet).(hubEvents), e.key}
}

// start lets something happen that the forge's API is spoken to about.
func (h hubEvidence) start(event, file string, payload map[string]any, env ...string) results {
	return h.act(workflow{
		event: event, file: file, payload: payload,
		env:     append(env, "GITHUB_API_URL="+h.hub.URL, "GITHUB_REPOSITORY=acme/images"),
		secrets: []string{"GITHUB_TOKEN=" + forgetest.Token, "SIGNING_KEY=" + h.key},
	})
}

func (h hubEvidence) push() results {
	return h.start("push", "rootfsgen-push.yml", map[string]any{"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": h.Git("rev-parse", "HEAD")})
}

func (h hubEvidence) release(tag string) results {
	return h.start("push", "rootfsgen-release.yml", map[string]any{"ref": "refs/tags/" + tag, "before": strings.Repeat("0", 40), "after": h.Git("rev-parse", "HEAD")}, "GITHUB_REF_NAME="+tag)
}

func (h hubEvidence) rescan() results {
	return h.start("schedule", "rootfsgen-rescan.yml", map[string]any{"ref": "refs/heads/main", "schedule": "47 4 * * *"})
}

func (h hubEvidence) merged() (got results, job string) {
	return h.start("push", "rootfsgen-merged.yml", map[string]any{"ref": "refs/heads/rootfsgen/channels", "after": h.Git("rev-parse", "refs/remotes/origin/rootfsgen/channels")}), "finish"
}

func (h hubEvidence) issues() []forgetest.Issue { return h.hub.Issues }
func (h hubEvidence) told() int                 { return len(h.hub.Changes()) }

// findings are what code scanning was given, unpacked.
func (h hubEvidence) findings() string {
	h.t.Helper()
	var all strings.Builder
	for _, sent := range h.hub.Sarifs {
		packed, err := base64.StdEncoding.DecodeString(sent)
		if err != nil {
			h.t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			h.t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			h.t.Fatal(err)
		}
		var sarif struct{ Version string }
		if err := json.Unmarshal(text, &sarif); err != nil || sarif.Version != "2.1.0" {
			h.t.Errorf("SARIF of version %q: %v", sarif.Version, err)
		}
		all.Write(text)
	}
	return all.String()
}

// apart looks at the categories: of two uploads with the same one GitHub keeps
// the newer.
func (h hubEvidence) apart(images ...string) {
	h.t.Helper()
	all := h.findings()
	for _, image := range images {
		if !strings.Contains(all, `"automationDetails":{"id":"rootfsrun-gate/`+image+`/"}`) {
			h.t.Errorf("findings of %s have no category of their own:\n%s", image, all)
		}
	}
}

type labEvidence struct {
	labEvents
	key string
}

func evidenceOnGitLab(e *evidence) evident {
	return labEvidence{eventsOnGitLab(e.fleet).(labEvents), e.key}
}

func (l labEvidence) start(variables map[string]string) results {
	maps.Copy(variables, map[string]string{
		"GITLAB_CI": "true", "CI_API_V4_URL": l.lab.URL + "/api/v4", "CI_PROJECT_ID": "1", "ROOTFSGEN_FORGE_TOKEN": forgetest.Token, "SIGNING_KEY": l.key,
	})
	return l.gitlab(variables)
}

func (l labEvidence) push() results { return l.start(map[string]string{}) }

func (l labEvidence) release(tag string) results {
	return l.start(map[string]string{"CI_COMMIT_TAG": tag, "CI_COMMIT_REF_NAME": tag, "CI_COMMIT_BRANCH": "-", "CI_COMMIT_REF_PROTECTED": "true"})
}

func (l labEvidence) rescan() results {
	return l.start(map[string]string{"CI_PIPELINE_SOURCE": "schedule", "ROOTFSGEN_SCHEDULE": "rescan"})
}

func (l labEvidence) merged() (got results, job string) {
	return l.start(map[string]string{
		"CI_COMMIT_BRANCH": "rootfsgen/channels", "CI_COMMIT_REF_NAME": "rootfsgen/channels", "CI_COMMIT_REF_PROTECTED": "true", "CI_REPOSITORY_URL": "file://" + l.origin,
	}), "merged"
}

func (l labEvidence) issues() []forgetest.Issue { return l.lab.Issues }
func (l labEvidence) told() int                 { return len(l.lab.Changes()) }

// findings is the report of the parent pipeline, which the security dashboard
// reads.
func (l labEvidence) findings() string {
	l.t.Helper()
	dir := filepath.Join(l.Dir, ".gitlab-ci-local/artifacts/rootfsgen-reports/build-artifacts")
	text, err := os.ReadFile(filepath.Join(dir, "gl-container-scanning-report.json"))
	var report struct {
		Version, Schema string
		Scan            struct{ Type, Status string }
		Vulnerabilities []struct{ Severity string }
	}
	if err != nil || json.Unmarshal(text, &report) != nil || report.Scan.Type != "container_scanning" || report.Scan.Status != "success" || len(report.Vulnerabilities) != 1 {
		l.t.Errorf("the parent's report: %+v, %v", report, err)
	}
	if parts := l.filesNamed(dir, "gl-sbom-bad-amd64.cdx.json"); len(parts) != 1 {
		l.t.Errorf("the parent's list of packages is not there: %v", parts)
	}
	return string(text)
}

// apart has nothing to look at: GitLab's report is one for all images.
func (l labEvidence) apart(...string) {}
