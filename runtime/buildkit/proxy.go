package buildkit

import "bytes"

// ProxyVariables are what programs find proxies by, and BuildKit's frontend,
// too: given under these names, which no Dockerfile declares, a proxy reaches
// RUN instructions and nothing else, neither the cache's keys nor the image.
func ProxyVariables() []string { return []string{"http_proxy", "https_proxy", "no_proxy"} }

// addProxies gives proxies to a build as arguments, but for those that it is
// given already, and those that its Dockerfile may declare: they would be
// written into the image's history.
func addProxies(attrs, values map[string]string, dockerfile []byte) {
	lower := bytes.ToLower(dockerfile)
	for _, name := range ProxyVariables() {
		value, arg := values[name], "build-arg:"+name
		if _, given := attrs[arg]; value != "" && !given && !declares(lower, name) {
			attrs[arg] = value
		}
	}
}

// declares tells whether an ARG of the Dockerfile, which is in small letters,
// may be of that name.
func declares(dockerfile []byte, name string) bool {
	for line := range bytes.Lines(dockerfile) {
		if words := bytes.Fields(line); len(words) > 0 && bytes.Contains(line, []byte(name)) && string(words[0]) != "run" && words[0][0] != '#' {
			return true
		}
	}
	return false
}
