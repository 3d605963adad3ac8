package render_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// release is one that could have been published.
func release() model.Programs {
	p := model.Programs{Version: "v1.2.3", URL: model.ProgramsURL, SHA256: map[string]string{}}
	for i, key := range model.ProgramKeys() {
		p.SHA256[key] = strings.Repeat(string("1234"[i]), 64)
	}
	return p
}

// released is a fleet whose jobs take the programs of a release.
func released(f fixture) fixture {
	f.fleet.Settings.Runtime, f.fleet.Settings.Programs = model.RuntimeRelease, release()
	return f
}

// forked is a copy of the programs' own repository, which pins a release.
func forked(f fixture) fixture {
	f.fleet.Settings.Programs = release()
	f.fleet.Settings.Programs.Commit = strings.Repeat("c0ffee00", 5)
	return f
}

// corporate is a fleet in a company's network, which logs in as somebody.
func corporate(f fixture) fixture {
	f = released(f)
	s := &f.fleet.Settings
	s.Programs.URL = "https://mirror.example.com/rootfsgen/{version}/{program}-{os}-{arch}"
	s.Network = model.Network{
		CA:      "certs/corp.pem",
		Proxy:   model.Proxy{HTTP: "http://proxy.example.com:3128", HTTPS: "http://proxy.example.com:3128", No: []string{".example.com", "10.0.0.0/8"}},
		Mirrors: map[string]string{"docker.io": "mirror.example.com/hub"},
		Logins:  []model.Login{{Registry: "r.example.com:5000", Secret: "R_LOGIN"}, {Registry: "mirror.example.com", Secret: "MIRROR_LOGIN"}},
	}
	s.Identity.Google = model.GoogleIdentity{
		Provider: "projects/123456789/locations/global/workloadIdentityPools/forges/providers/forge",
		Accounts: map[string]string{
			model.ScopePR: "rootfs-pr@team-prod.iam.gserviceaccount.com", model.ScopeTesting: "rootfs-testing@team-prod.iam.gserviceaccount.com",
			model.ScopeProd: "rootfs-prod@team-prod.iam.gserviceaccount.com", model.ScopeRead: "rootfs-read@team-prod.iam.gserviceaccount.com",
		},
	}
	return f
}

// linted are all fixtures. The jobs of the last have more than those of the
// others, which TestAccess looks at.
func linted() map[string]fixture {
	all := fixtures()
	all["corporate"] = corporate(all["small"])
	all["secrets"], all["secretwaves"] = secretive(model.LayoutGraph), secretive(model.LayoutWaves)
	all["signed"], all["keyed"], all["unjudged"] = signed(all["small"]), keyed(all["source"]), unjudged(all["small"])
	return all
}

// signed is a fleet whose jobs sign as themselves, and show findings beside
// the code.
func signed(f fixture) fixture {
	f.fleet.Settings.Judging.Upload = model.UploadSARIF
	f.fleet.Settings.Signing = model.Signing{Fulcio: "https://fulcio.sigstore.dev", Audience: model.DefaultAudience, Rekor: "https://rekor.sigstore.dev"}
	return f
}

// sealed is a fleet whose receipts count only when they are signed.
func sealed(f fixture) fixture {
	f = signed(f)
	f.fleet.Settings.Trust.Builders = []model.Signer{{Identity: "https://github.com/team/images/*", Issuer: "https://token.actions.githubusercontent.com"}}
	return f
}

// TestSealed lets the jobs that build prove which they are, where receipts must
// be signed, and not otherwise.
func TestSealed(t *testing.T) {
	t.Parallel()
	for want, f := range map[bool]fixture{true: sealed(fixtures()["small"]), false: signed(fixtures()["small"])} {
		github, gitlab := 0, 0
		for file, text := range f.files(t) {
			var w policyFile
			if strings.HasPrefix(file, ".github/workflows/") && yaml.Unmarshal(text, &w) == nil {
				for id, job := range w.Jobs {
					if job.Uses == "" && (id == "build" || id == "merge") && job.Permissions["id-token"] == "write" {
						github++
					}
				}
			}
			if strings.HasSuffix(file, "fleet.yml") && strings.HasPrefix(file, ".gitlab/") {
				gitlab += strings.Count(string(text), "SIGSTORE_ID_TOKEN")
			}
		}
		if (github > 0) != want || (gitlab > 0) != want {
			t.Errorf("sealed %v: %d jobs of GitHub may ask for a token, GitLab's file has %d", want, github, gitlab)
		}
	}
}

// keyed is a fleet that signs with a key in a variable, and promotes by
// requests.
func keyed(f fixture) fixture {
	f.fleet.Settings.Signing = model.Signing{Key: "env:SIGNING_KEY", Password: model.DefaultPassword}
	f.fleet.Settings.Channels.Promotion = model.PromotionRequest
	return f
}

// unjudged is a fleet whose policy is off.
func unjudged(f fixture) fixture {
	f.fleet.Settings.Judging = model.Judging{}
	return f
}

// TestAccess looks at who may log in as whom on GitHub: the jobs that push, and
// the one that plans as an account that only reads; nobody whose code came from
// a fork.
func TestAccess(t *testing.T) {
	t.Parallel()
	accounts := map[string]string{
		"plan":     "read=rootfs-read@team-prod.iam.gserviceaccount.com",
		"build":    "pr=rootfs-pr@team-prod.iam.gserviceaccount.com testing=rootfs-testing@team-prod.iam.gserviceaccount.com",
		"merge":    "pr=rootfs-pr@team-prod.iam.gserviceaccount.com testing=rootfs-testing@team-prod.iam.gserviceaccount.com",
		"manifest": "testing=rootfs-testing@team-prod.iam.gserviceaccount.com",
		"promote":  "prod=rootfs-prod@team-prod.iam.gserviceaccount.com",
		"lock":     "read=rootfs-read@team-prod.iam.gserviceaccount.com",
		"rescan":   "read=rootfs-read@team-prod.iam.gserviceaccount.com",
		"purge":    "pr=rootfs-pr@team-prod.iam.gserviceaccount.com",
	}
	secrets := map[string]string{"R_LOGIN": "${{ secrets.R_LOGIN }}", "MIRROR_LOGIN": "${{ secrets.MIRROR_LOGIN }}"}
	for file, text := range corporate(fixtures()["small"]).files(t) {
		if !strings.HasPrefix(file, ".github/workflows/") {
			continue
		}
		var w policyFile
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		for id, job := range w.Jobs {
			at := file + " " + id
			if job.Uses != "" {
				if job.Permissions["id-token"] != "write" {
					t.Errorf("%s: its jobs may not ask for a token", at)
				}
				handed, _ := job.Secrets.(map[string]any)
				request := strings.HasSuffix(file, "-request.yml") || strings.HasSuffix(file, "-queue.yml")
				if looks := id == "fleet" && !request; len(handed) != len(secrets)+1 != looks || handed["R_LOGIN"] != secrets["R_LOGIN"] {
					t.Errorf("%s: hands on %v", at, handed)
				}
				continue
			}
			if (job.Permissions["id-token"] == "write") != (accounts[id] != "") {
				t.Errorf("%s: permissions %v", at, job.Permissions)
			}
			for _, s := range job.Steps {
				speaks := s.Env["DOCKER_AUTH_CONFIG"] != ""
				for name, value := range secrets {
					if (s.Env[name] == value) != speaks || s.Env[name] != "" && id == "fork" {
						t.Errorf("%s: %s: %s=%q", at, s.Name, name, s.Env[name])
					}
				}
				if got := s.Env["ROOTFSGEN_GOOGLE_ACCOUNTS"]; speaks && got != accounts[id] || !speaks && got != "" {
					t.Errorf("%s: %s: may be %q, want %q", at, s.Name, got, accounts[id])
				}
				if proxied := s.Env["https_proxy"] == "http://proxy.example.com:3128" && s.Env["ROOTFSGEN_CA"] == "certs/corp.pem"; proxied != (s.Run != "" && id != "result" && s.Name != "Say that there is no plan") {
					t.Errorf("%s: %s: reaches the world past the company's network: %v", at, s.Name, s.Env)
				}
			}
		}
	}
}

// TestGitLabAccess does the same for GitLab, whose tokens are variables of the
// job, and whose secrets are variables of the project that no file names.
func TestGitLabAccess(t *testing.T) {
	t.Parallel()
	want := map[string]bool{"rootfsgen-plan": true, ".rootfsgen-build": true, ".rootfsgen-merge": true, "rootfsgen-manifest": true, "rootfsgen-promote": true, "rootfsgen-lock": true, "rootfsgen-reports": true, "rootfsgen-rescan": true, "rootfsgen-purge": true}
	seen := 0
	for file, text := range corporate(fixtures()["small"]).files(t) {
		if !strings.HasPrefix(file, ".gitlab") {
			continue
		}
		var doc map[string]any
		if err := yaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		for id, v := range doc {
			job, _ := v.(map[string]any)
			tokens, has := job["id_tokens"]
			if has != want[id] {
				t.Errorf("%s %s: tokens %v", file, id, tokens)
			}
			if !has {
				continue
			}
			seen++
			aud := "https://iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/forges/providers/forge"
			if d := cmp.Diff(any(map[string]any{"ROOTFSGEN_ID_TOKEN": map[string]any{"aud": aud}}), tokens); d != "" {
				t.Errorf("%s %s: -want +got:\n%s", file, id, d)
			}
			variables, _ := job["variables"].(map[string]any)
			if looks := slices.Contains([]string{"rootfsgen-plan", "rootfsgen-lock", "rootfsgen-rescan"}, id); looks != (variables["ROOTFSGEN_LOGIN_SCOPE"] == "read") {
				t.Errorf("%s %s: asks for the login of a job that looks: %v", file, id, variables)
			}
			if variables["R_LOGIN"] != nil || variables["ROOTFSGEN_LOGINS"] != "r.example.com:5000=R_LOGIN mirror.example.com=MIRROR_LOGIN" {
				t.Errorf("%s %s: logins %v", file, id, variables)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d jobs", seen, len(want))
	}
}

// scoped is a fleet with logins of its own for each scope.
func scoped(f fixture) fixture {
	f.fleet.Settings.Network.Logins = []model.Login{
		{Registry: "r.example.com", Secret: "R_READ", Scopes: []string{model.ScopeRead}},
		{Registry: "r.example.com", Secret: "R_PR", Scopes: []string{model.ScopePR}},
		{Registry: "r.example.com", Secret: "R_TESTING", Scopes: []string{model.ScopeTesting}},
		{Registry: "r.example.com", Secret: "R_PROD", Scopes: []string{model.ScopeProd}},
		{Registry: "mirror.example.com", Secret: "MIRROR_LOGIN"},
	}
	return f
}

// secretsRead are the names of all secrets that a part of a file reads.
func secretsRead(part any) []string {
	text, _ := yaml.Marshal(part) // of what was just read
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`secrets\.([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// TestLoginOfEachScope wants each workflow of GitHub to read the logins of the
// scope that it writes to, of all scopes, and of jobs that look; none reads what
// another scope's jobs push with. What the images' workflows are handed is
// theirs: the caller chose it.
func TestLoginOfEachScope(t *testing.T) {
	t.Parallel()
	const plain, read, pr, testing, prod = "ROOTFSGEN_REGISTRY_AUTH", "ROOTFSGEN_REGISTRY_AUTH_READ", "ROOTFSGEN_REGISTRY_AUTH_PR", "ROOTFSGEN_REGISTRY_AUTH_TESTING", "ROOTFSGEN_REGISTRY_AUTH_PROD"
	fleet := func(scope, login string) []string {
		return []string{"MIRROR_LOGIN", plain, read, scope, login, "R_READ"}
	}
	one := func(scope, login string) []string { return []string{"MIRROR_LOGIN", plain, scope, login} }
	want := map[string][]string{
		"request fleet": append(one(pr, "R_PR"), "R_READ"), "queue fleet": append(one(pr, "R_PR"), "R_READ"), "closed purge": one(pr, "R_PR"),
		"push fleet": fleet(testing, "R_TESTING"), "push manifest": one(testing, "R_TESTING"),
		"manual fleet": fleet(testing, "R_TESTING"), "manual manifest": one(testing, "R_TESTING"),
		"bases fleet": fleet(testing, "R_TESTING"), "bases manifest": one(testing, "R_TESTING"),
		"release fleet": fleet(testing, "R_TESTING"), "release manifest": one(testing, "R_TESTING"), "release promote": one(prod, "R_PROD"),
		"lock lock": append(one(read, "R_READ"), "ROOTFSGEN_FORGE_TOKEN"), "rescan rescan": one(read, "R_READ"),
		"fleet plan":  {"MIRROR_LOGIN", plain, read, "R_READ"},
		"build build": {"MIRROR_LOGIN", plain, "R_PR", "R_TESTING"}, "merge merge": {"MIRROR_LOGIN", plain, "R_PR", "R_TESTING"},
	}
	seen := 0
	for file, text := range scoped(fixtures()["small"]).files(t) {
		name, is := strings.CutPrefix(file, ".github/workflows/rootfsgen-")
		if !is {
			continue
		}
		name = strings.TrimSuffix(name, ".yml")
		var w struct{ Jobs map[string]any }
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatal(err)
		}
		for id, job := range w.Jobs {
			expected := slices.Sorted(slices.Values(want[name+" "+id]))
			if calls := strings.HasPrefix(id, "build-") || strings.HasPrefix(id, "merge-"); calls && name == "fleet" {
				expected = slices.Sorted(slices.Values(want["build build"]))
			} else if len(expected) > 0 {
				seen++
			}
			if d := cmp.Diff(expected, secretsRead(job)); d != "" {
				t.Errorf("%s: job %s reads (-want +got):\n%s", file, id, d)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d jobs", seen, len(want))
	}
}

// TestLoginOfAPlan gives a workflow that only plans the logins of its event.
func TestLoginOfAPlan(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	f.fleet.Settings.Triggers.Request = model.TriggerPlan
	var w policyFile
	if err := yaml.Unmarshal(f.files(t)[".github/workflows/rootfsgen-request.yml"], &w); err != nil {
		t.Fatal(err)
	}
	plan := w.Jobs["plan"]
	if d := cmp.Diff([]string{"ROOTFSGEN_REGISTRY_AUTH", "ROOTFSGEN_REGISTRY_AUTH_PR", "ROOTFSGEN_REGISTRY_AUTH_READ"}, secretsRead(plan.Steps)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestLoginOfEachScopeOnGitLab looks at the variables by which the programs
// choose there, where a job sees each login that its branch may see. A fork's
// job drops all.
func TestLoginOfEachScopeOnGitLab(t *testing.T) {
	t.Parallel()
	both := "r.example.com=R_PR@pr r.example.com=R_TESTING@testing mirror.example.com=MIRROR_LOGIN"
	want := map[string]string{
		"rootfsgen-plan": "r.example.com=R_READ mirror.example.com=MIRROR_LOGIN", "rootfsgen-lock": "r.example.com=R_READ mirror.example.com=MIRROR_LOGIN", "rootfsgen-rescan": "r.example.com=R_READ mirror.example.com=MIRROR_LOGIN",
		".rootfsgen-build": both, ".rootfsgen-merge": both, "rootfsgen-reports": both,
		"rootfsgen-manifest": "r.example.com=R_TESTING mirror.example.com=MIRROR_LOGIN", "rootfsgen-promote": "r.example.com=R_PROD mirror.example.com=MIRROR_LOGIN", "rootfsgen-purge": "r.example.com=R_PR mirror.example.com=MIRROR_LOGIN",
	}
	got, dropped := map[string]string{}, ""
	for file, text := range scoped(fixtures()["small"]).files(t) {
		if !strings.HasPrefix(file, ".gitlab/") {
			continue
		}
		var doc map[string]struct {
			Variables map[string]string
			Script    []string
		}
		if err := yaml.Unmarshal(without(t, text, "stages", "workflow"), &doc); err != nil {
			t.Fatal(err)
		}
		for id, job := range doc {
			if logins := job.Variables["ROOTFSGEN_LOGINS"]; logins != "" {
				got[id] = logins
			}
			if id == "rootfsgen-fork" {
				dropped = strings.Join(job.Script, "\n")
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, name := range []string{"DOCKER_AUTH_CONFIG", "ROOTFSGEN_REGISTRY_AUTH_READ", "ROOTFSGEN_REGISTRY_AUTH_PR", "ROOTFSGEN_REGISTRY_AUTH_TESTING", "ROOTFSGEN_REGISTRY_AUTH_PROD", "R_READ", "R_PR", "R_TESTING", "R_PROD", "MIRROR_LOGIN"} {
		if !regexp.MustCompile(`(?m)^unset .*\b` + name + `\b`).MatchString(dropped) {
			t.Errorf("a fork's job keeps %s", name)
		}
	}
}

// without leaves keys at the top of a file out.
func without(t *testing.T, text []byte, keys ...string) []byte {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		delete(doc, key)
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
