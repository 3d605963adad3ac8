package pipeline

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// The variables by which programs know how to reach the world.
const (
	VarCA         Var = "ROOTFSGEN_CA"      // file with certificate authorities, in the checkout
	VarMirrors    Var = "ROOTFSGEN_MIRRORS" // HOST=MIRROR, separated by blanks
	varHTTPProxy  Var = "http_proxy"
	varHTTPSProxy Var = "https_proxy"
	varNoProxy    Var = "no_proxy"
)

// surroundings are the variables of every script. curl knows the first proxy by
// its name in small letters alone, and GitHub takes a name only once, however
// it is written.
func (p *Pipeline) surroundings() []Value {
	var values []Value
	var mirrors []string
	for _, host := range slices.Sorted(maps.Keys(p.Network.Mirrors)) {
		mirrors = append(mirrors, host+"="+p.Network.Mirrors[host])
	}
	for _, v := range []Value{
		{VarCA, p.Network.CA}, {varHTTPProxy, p.Network.Proxy.HTTP}, {varHTTPSProxy, p.Network.Proxy.HTTPS},
		{varNoProxy, strings.Join(p.Network.Proxy.No, ",")}, {VarMirrors, strings.Join(mirrors, " ")},
	} {
		if v.Text != "" {
			values = append(values, v)
		}
	}
	return values
}

// trust begins a script that reaches the world: the machine's authorities and
// the network's in one file, for what is written in Go, curl and git.
func (p *Pipeline) trust() string {
	if p.Network.CA == "" {
		return ""
	}
	return trustScript
}

// bundle is where a job keeps the authorities that it trusts.
var bundle = path.Join(Folder, "ca.pem")

var trustScript = `mkdir -p ` + Folder + `
for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem /dev/null; do
  if [ -s "$file" ] || [ "$file" = /dev/null ]; then
    cat "$file" "$` + string(VarCA) + `" > ` + bundle + `
    break
  fi
done
export SSL_CERT_FILE="$PWD/` + bundle + `" CURL_CA_BUNDLE="$PWD/` + bundle + `" GIT_SSL_CAINFO="$PWD/` + bundle + `"
`
