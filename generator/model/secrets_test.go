package model_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestSecretNames(t *testing.T) {
	t.Parallel()
	for s, valid := range map[string]bool{
		"NPM_TOKEN": true, "TOKEN": true, "_X": true, "GOOGLE_APPLICATION_CREDENTIALS": true, "GOAL": true,
		"": false, "token": false, "A-B": false, "A B": false, "${{ secrets.X }}": false, "A\nB": false, "$A": false,
		"GITHUB_TOKEN": false, "ROOTFSGEN_PUSH_TOKEN": false, "CI_JOB_TOKEN": false, "DOCKER_AUTH_CONFIG": false, "BUILDKIT_HOST": false,
		"PATH": false, "HOME": false, "LD_PRELOAD": false, "GOFLAGS": false, "BASH_ENV": false, "GIT_SSH_COMMAND": false,
	} {
		if err := model.CheckSecretVariable(s); (err == nil) != valid {
			t.Errorf("variable %q: %v", s, err)
		}
	}
	for s, valid := range map[string]bool{"npm": true, "npm.token-1_x": true, "": false, ".npm": false, "a b": false, "a,b": false, "a=b": false, "../x": false, "é": false} {
		if err := model.CheckSecretID(s); (err == nil) != valid {
			t.Errorf("id %q: %v", s, err)
		}
	}
}

func TestSecretVariables(t *testing.T) {
	t.Parallel()
	i := model.Image{Secrets: map[string]string{"b": "TWO", "a": "TWO", "c": "ONE"}}
	if d := cmp.Diff([]string{"ONE", "TWO"}, i.SecretVariables()); d != "" {
		t.Error(d)
	}
}
