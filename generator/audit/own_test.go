package audit_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/audit"
)

// goldens are the pipelines of package render, by flavour; "repository" is the
// one of this repository itself.
func goldens(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	dirs, err := filepath.Glob("../render/testdata/*/.gitlab-ci.yml")
	if err != nil || len(dirs) < 10 {
		t.Fatalf("%d flavours, %v", len(dirs), err)
	}
	all := map[string]map[string][]byte{"repository": readAll(t, "../..")}
	for _, d := range dirs {
		root := filepath.Dir(d)
		all[filepath.Base(root)] = readAll(t, root)
	}
	return all
}

// readAll are the files of a repository that its forges read.
func readAll(t *testing.T, root string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, part := range []string{".github", ".gitlab", ".gitlab-ci.yml", "docs/guide"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if part == "docs/guide" && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			files[filepath.ToSlash(name)] = text
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// rulesOf are the rules of a flavour: a company has logins of its own.
func rulesOf(flavour string) audit.Rules {
	r := audit.Default()
	switch flavour {
	case "corporate":
		r.OutsideEnvironments = append(r.OutsideEnvironments, "R_LOGIN", "MIRROR_LOGIN")
	case "repository": // whose programs are released
		for _, scope := range []string{"contents", "id-token"} {
			r.Write = append(r.Write, audit.Right{Job: "own-programs", Scope: scope}, audit.Right{Job: "publish", Scope: scope})
		}
	}
	return r
}

func TestOwnPipelinesAreClean(t *testing.T) {
	t.Parallel()
	for flavour, files := range goldens(t) {
		for _, f := range check(t, files, rulesOf(flavour)) {
			t.Errorf("%s: %s", flavour, f)
		}
	}
}

// off switches one hardening of our own output off.
type off struct {
	audit    string
	flavour  string
	file     string // the end of its path
	old, new string // every place
}

const (
	guard  = "github.event.pull_request.head.repo.full_name == github.event.repository.full_name"
	login  = "${{ secrets.ROOTFSGEN_REGISTRY_AUTH }}"
	strict = "          set -euo pipefail\n"
)

var hardenings = []off{
	{"excessive-permissions", "small", "-push.yml", "\npermissions: {}\n", "\n"},
	{"excessive-permissions", "small", "-build.yml", "contents: read #", "contents: write #"},
	{"excessive-permissions", "small", "-fleet.yml", "    permissions:\n      contents: read # to check out\n", ""},
	{"undocumented-permissions", "small", "-build.yml", " # to check out", ""},
	{"callee-permissions", "small", "-push.yml", "contents: read #", "contents: none #"},
	{"unpinned-uses", "small", "-build.yml", "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7.0.1"},
	{"ref-version-mismatch", "small", "-build.yml", "90b1 # v7.0.1", "90b1 # v6.1.0"},
	{"ref-version-mismatch", "small", "pins.yaml", "90b1 # v7.0.1", "90b1 # v7.0.2"},
	{"artipacked", "small", "-fleet.yml", "persist-credentials: false", "persist-credentials: true"},
	{"cache-poisoning", "source", "-fleet.yml", "          cache: false\n", ""},
	{"unpinned-images", "small", "-build.yml", "    runs-on: ", "    container: debian:13\n    runs-on: "},
	{"adhoc-packages", "small", "-build.yml", strict, strict + "          curl https://example.com/x | sh\n"},
	{"template-injection", "small", "-fleet.yml", `"$ROOTFSGEN_SCOPE"`, `"${{ inputs.scope }}"`},
	{"github-env", "small", "-build.yml", strict, strict + "          echo A=b >> \"$GITHUB_ENV\"\n"},
	{"insecure-commands", "small", "-build.yml", strict, strict + "          echo '::set-output name=a::b'\n"},
	{"bot-conditions", "small", "-request.yml", guard, "github.actor != 'stranger'"},
	{"unsound-condition", "small", "-request.yml", "if: ${{ always() }}", "if: ${{ always() }} && true"},
	{"unsound-contains", "small", "-fleet.yml", "contains(fromJSON(needs.plan.outputs.build), 'hello')", "contains('hello world', 'hello')"},
	{"unsound-ternary", "small", "-request.yml", guard, "github.event.x && '' || true"},
	{"obfuscation", "small", "-build.yml", "secrets.ROOTFSGEN_REGISTRY_AUTH", "secrets['ROOTFSGEN_REGISTRY_AUTH']"},
	{"unwritten-output", "small", "-fleet.yml", "steps.outputs.outputs.build", "steps.output.outputs.build"},
	{"unwritten-output", "waves", "-fleet.yml", "      sets: ", "      set: "},
	{"unwritten-output", "small", "-fleet.yml", ` --out "$GITHUB_OUTPUT"`, ""},
	{"secrets-inherit", "small", "-push.yml", "    secrets:\n      ROOTFSGEN_REGISTRY_AUTH: ${{ secrets.ROOTFSGEN_REGISTRY_AUTH_TESTING || secrets.ROOTFSGEN_REGISTRY_AUTH }}\n      ROOTFSGEN_REGISTRY_AUTH_READ: ${{ secrets.ROOTFSGEN_REGISTRY_AUTH_READ }}\n", "    secrets: inherit\n"},
	{"overprovisioned-secrets", "small", "-build.yml", login, "${{ toJSON(secrets) }}"},
	{"unredacted-secrets", "small", "-build.yml", login, "${{ fromJSON(secrets.ROOTFSGEN_REGISTRY_AUTH).auths }}"},
	{"secrets-outside-env", "small", "-release.yml", "    environment: prod\n", ""},
	{"secrets-outside-env", "small", "-lock.yml", "    environment: lock\n", ""},
	{"secrets-outside-env", "secrets", "-build-private.yml", "    environment: image-private\n", ""},
	{"secrets-in-steps", "small", "-merge.yml", "    steps:\n", "    env:\n      LOGIN: " + login + "\n    steps:\n"},
	{"unmapped-secrets", "secrets", "-fleet.yml", "    uses: ./.github/workflows/rootfsgen-build-vendor.sdk.yml\n", "    uses: ./.github/workflows/rootfsgen-build.yml\n"},
	{"unmapped-secrets", "secrets", "-build-private.yml", "      PIP_CONF:\n        description: Secret of a build\n        required: false\n", ""},
	{"hardcoded-credentials", "small", "-push.yml", "ROOTFSGEN_PUSH_TOKEN: ${{ github.token }}", "ROOTFSGEN_PUSH_TOKEN: ghp_0123"},
	{"fork-secrets", "small", "-request.yml", guard, "github.event.action != 'closed'"},
	{"fork-secrets", "secretwaves", "-request.yml", guard, "github.event.action != 'closed'"},
	{"dangerous-triggers", "small", "-request.yml", "pull_request: {}", "pull_request_target: {}"},
	{"dangerous-triggers", "spot", "-watchdog.yml", "    steps:\n", "    steps:\n      - uses: actions/checkout@v7\n"},
	{"concurrency-limits", "small", "-release.yml", "cancel-in-progress: false", "cancel-in-progress: true"},
	{"concurrency-limits", "keyed", "-merged.yml", "cancel-in-progress: false", "cancel-in-progress: true"},
	{"excessive-permissions", "keyed", "-merged.yml", "contents: read #", "contents: write #"},
	{"concurrency-limits", "small", "-release.yml", "rootfsgen-release-{0}', github.ref", "rootfsgen-push-{0}', github.sha"},
	{"self-hosted-runner", "small", "-request.yml", "runs-on: [ubuntu-24.04]", "runs-on: [self-hosted, linux]"},
	{"self-hosted-runner", "small", "-request.yml", guard, "github.event.action != 'closed'"},
	{"path-filters", "small", "-push.yml", "    branches: [main]\n", "    branches: [main]\n    paths: [images/**]\n"},
	{"anonymous-definition", "small", "-merge.yml", "    name: index\n", ""},
	{"missing-timeout", "small", "-request.yml", "    timeout-minutes: 350\n", ""},
	{"fail-fast", "small", "-build.yml", "fail-fast: false", "fail-fast: true"},
	{"unguarded-matrix", "waves", "-fleet.yml", "    if: ${{ !cancelled()", "    x: ${{ !cancelled()"},
	{"loose-shell", "small", "-build.yml", "    shell: bash\n", "    shell: sh\n"},
	{"loose-shell", "small", "-merge.yml", "set -euo pipefail", "set -e"},
	{"artifact-names", "small", "-build.yml", "overwrite: true", "overwrite: false"},
	{"artifact-names", "small", "-build.yml", "rootfsgen-reports-{0}", "rootfsgen/reports-{0}"},
	{"artifact-retention", "small", "-fleet.yml", "          retention-days: 30\n", ""},
	{"always-after-cancel", "small", "-fleet.yml", "!cancelled()", "always()"},

	{"excessive-permissions", "signed", "-rescan.yml", "issues: write #", "checks: write #"},
	{"excessive-permissions", "signed", "-request.yml", "pull-requests: write #", "id-token: write #"},
	{"excessive-permissions", "signed", "-push.yml", "    permissions: {}\n", "    permissions:\n      id-token: write # to sign\n"},
	{"excessive-permissions", "signed", "-merge.yml", "security-events: write #", "actions: write #"},
	{"callee-permissions", "signed", "-fleet.yml", "      security-events: write # to show what scanners found beside the code\n", ""},
	{"secrets-outside-env", "keyed", "-push.yml", "    environment: signing\n", ""},
	{"signing-beside-code", "signed", "-push.yml", "rootfsrun sign --plan rootfsgen-ci/plan.json\n", "rootfsrun test --plan rootfsgen-ci/plan.json && rootfsrun sign --plan rootfsgen-ci/plan.json\n"},
	{"signing-beside-code", "small", "-merge.yml", "      contents: read # to check out\n", "      contents: read # to check out\n      id-token: write # to sign\n"},
	{"gitlab-signing-beside-code", "signed", "/pipeline.yml", "rootfsrun attest --plan rootfsgen-ci/plan.json\n", "rootfsrun run rootfsgen-ci/plan.json\n"},

	{"oidc-by-name", "repository", "identity.md", "assertion.repository_id == 'REPOSITORY_ID'", "assertion.repository == 'OWNER/NAME'"},
	{"oidc-by-name", "repository", "identity.md", "assertion.project_id == 'PROJECT_ID'", "assertion.project_path == 'GROUP/NAME'"},

	{"gitlab-timeout", "small", "/pipeline.yml", "  timeout: \"15 minutes\"\n", ""},
	{"gitlab-images", "small", "/fleet.yml", "\n.rootfsgen-build:\n", "\n.rootfsgen-build:\n  image: debian:13\n"},
	{"gitlab-include", "small", ".gitlab-ci.yml", "local: .gitlab", "remote: https://example.com/.gitlab"},
	{"gitlab-injection", "small", "/pipeline.yml", "\"$ROOTFSGEN_SNAPSHOT\"", "\"$CI_COMMIT_TITLE\""},
	{"gitlab-adhoc-packages", "small", "/fleet.yml", "      set -euo pipefail\n", "      set -euo pipefail\n      curl https://example.com/x | sh\n"},
	{"gitlab-debug-trace", "small", "/fleet.yml", "    GIT_DEPTH: \"1\"\n", "    GIT_DEPTH: \"1\"\n    CI_DEBUG_TRACE: \"true\"\n"},
	{"gitlab-debug-trace", "small", "/fleet.yml", "set -euo pipefail", "set -euxo pipefail"},
	{"gitlab-variables", "small", "/fleet.yml", "    GIT_DEPTH: \"1\"\n", "    GIT_DEPTH: \"1\"\n    ROOTFSGEN_PUSH_TOKEN: glpat-0123\n"},
	{"gitlab-id-tokens", "corporate", "/pipeline.yml", "      aud: https://iam.", "      aud: https://*.iam."},
	{"gitlab-interruptible", "small", "/pipeline.yml", "interruptible: false", "interruptible: true"},
	{"gitlab-interruptible", "small", "/fleet.yml", "  interruptible: true\n", ""},
	{"gitlab-overtaken", "small", "/pipeline.yml", "      interruptible: false\n", ""},
	{"gitlab-overtaken", "small", "/pipeline.yml", "        ROOTFSGEN_KEEP: \"true\"\n", ""},
	{"gitlab-overtaken", "small", "/fleet.yml", "      auto_cancel:\n        on_new_commit: none\n", ""},
	{"gitlab-overtaken", "small", ".gitlab-ci.yml", "      auto_cancel:\n        on_new_commit: none\n", ""},
	{"gitlab-resource-group", "small", "/pipeline.yml", "  resource_group: rootfsgen-prod\n", ""},
	{"gitlab-resource-group", "repository", "/programs.yml", "  resource_group: programs-release\n", ""},
	{"gitlab-interruptible", "repository", "/programs.yml", "  interruptible: false\n", ""},
	{"gitlab-signing-beside-code", "repository", "/programs.yml", "go run ./internal/releaser sign", "make release\n      go run ./internal/releaser sign"},
	{"gitlab-resource-group", "keyed", "/pipeline.yml", "  resource_group: rootfsgen-prod\n", ""},
	{"gitlab-protected-refs", "keyed", "/pipeline.yml", `== "rootfsgen/channels" && $CI_COMMIT_REF_PROTECTED == "true"`, `== "rootfsgen/channels"`},
	{"gitlab-protected-refs", "small", "/pipeline.yml", " && $CI_COMMIT_REF_PROTECTED == \"true\"", " && $CI_COMMIT_REF_PROTECTED"},
	{"gitlab-retry", "small", "/fleet.yml", "when: [runner_system_failure", "when: [script_failure"},
	{"gitlab-retry", "small", "/fleet.yml", "[75, 137, 143]", "[1]"},
	{"gitlab-rules", "small", "/fleet.yml", "  rules:\n    - when: on_success\n", "  rules:\n    - changes: [images/**]\n"},
	{"gitlab-trigger", "small", "/pipeline.yml", "    strategy: depend\n", ""},
	{"gitlab-artifact-retention", "small", "/fleet.yml", "    expire_in: \"30 days\"\n", ""},
	{"gitlab-cache", "small", "/fleet.yml", "\n.rootfsgen-build:\n", "\n.rootfsgen-build:\n  cache: {key: x, paths: [y]}\n"},
	{"gitlab-loose-shell", "small", "/pipeline.yml", "set -euo pipefail", "set -e"},
	{"gitlab-fork-login", "small", "/pipeline.yml", "unset DOCKER_AUTH_CONFIG ", "unset "},
	{"gitlab-privileged", "small", "/fleet.yml", "\n.rootfsgen-build:\n", "\n.rootfsgen-build:\n  services: [\"docker:29-dind\"]\n"},
}

// notOurs are audits of files that we write none of.
var notOurs = map[string]bool{"dependabot-cooldown": true}

// TestHardeningSwitchedOff takes each hardening out of our own pipelines and
// expects the audit of it to say so, and nothing to be found before.
func TestHardeningSwitchedOff(t *testing.T) {
	t.Parallel()
	all := goldens(t)
	tried := map[string]bool{}
	for _, h := range hardenings {
		tried[h.audit] = true
		files := maps.Clone(all[h.flavour])
		name := ""
		for n := range files {
			if strings.HasPrefix(n, ".gitlab") == strings.HasPrefix(h.audit, "gitlab-") && strings.HasSuffix(n, h.file) {
				name = n
			}
		}
		text := strings.ReplaceAll(string(files[name]), h.old, h.new)
		if text == string(files[name]) {
			t.Errorf("%s: %s of %s has no %q", h.audit, h.file, h.flavour, h.old)
			continue
		}
		files[name] = []byte(text)
		if named(check(t, files, rulesOf(h.flavour)), h.audit) == "" {
			t.Errorf("%s finds nothing in %s of %s with %q for %q", h.audit, name, h.flavour, h.new, h.old)
		}
	}
	for _, a := range audit.Audits() {
		if !tried[a.Name] && !notOurs[a.Name] {
			t.Errorf("nothing of ours is switched off for %s", a.Name)
		}
	}
}
