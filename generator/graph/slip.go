package graph

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// slip is the name of the fleet that somebody who wrote another most likely
// meant; empty where the other can well stand for itself.
func (n *names) slip(written string) string {
	limit := 2
	switch {
	case len(written) < 3:
		limit = 0
	case len(written) < 5:
		limit = 1
	}
	near := diag.Nearest(written, n.all(), limit)
	if near == written || slices.Contains(wellKnown, written) {
		return ""
	}
	// An image called ubuntu22 is mostly made of ubuntu.
	if rest, longer := strings.CutPrefix(near, written); longer && rest != "" && strings.Contains("0123456789-._", rest[:1]) {
		return ""
	}
	return near
}

// wellKnown are bare names of the default registry that images are often built
// from: who writes one of them means it, however near a name of the fleet is.
var wellKnown = []string{
	"almalinux", "alpine", "amazonlinux", "bash", "buildpack-deps", "busybox", "caddy", "centos", "clojure", "composer",
	"debian", "docker", "eclipse-temurin", "elixir", "erlang", "fedora", "gcc", "golang", "gradle", "haproxy", "haskell",
	"httpd", "julia", "mariadb", "maven", "memcached", "mongo", "mysql", "nginx", "node", "openjdk", "perl", "photon", "php",
	"postgres", "pypy", "python", "r-base", "rabbitmq", "redis", "rockylinux", "ruby", "rust", "swift", "tomcat", "traefik", "ubuntu",
}
