// Package ci executes the pipelines that "rootfsgen generate" writes: the
// GitHub workflows with act, the GitLab pipeline with gitlab-ci-local, both on
// this machine, with the real programs, a real buildkitd and a real registry.
// Then it reads the registry and the channel documents, and compares.
//
// What is executed is what was generated, byte for byte. The only stand-ins
// are those for third-party actions, which standIns names: they cannot be
// fetched here, and what they do on GitHub is done by a short script.
package ci
