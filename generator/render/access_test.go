package render_test

import (
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
				if len(handed) != len(secrets)+1 || handed["R_LOGIN"] != secrets["R_LOGIN"] {
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
				if proxied := s.Env["https_proxy"] == "http://proxy.example.com:3128" && s.Env["ROOTFSGEN_CA"] == "certs/corp.pem"; proxied != (s.Run != "" && id != "result") {
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
			if variables["R_LOGIN"] != nil || variables["ROOTFSGEN_LOGINS"] != "r.example.com:5000=R_LOGIN mirror.example.com=MIRROR_LOGIN" {
				t.Errorf("%s %s: logins %v", file, id, variables)
			}
		}
	}
	if seen != len(want) {
		t.Errorf("%d of %d jobs", seen, len(want))
	}
}
