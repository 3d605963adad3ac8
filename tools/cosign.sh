#!/usr/bin/env bash
# Compiles cosign, which tools/cosign/go.mod pins, into .cache/bin: for the
# tests that let it read what we sign. It is a module of its own, because it
# needs other versions of what the other tools need, and only "make test-long"
# compiles it: it takes seven minutes on two idle cores.
set -euo pipefail

cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
mkdir -p "$bin"

state=$({ cat tools/cosign/go.mod tools/cosign/go.sum tools/cosign.sh; go -C tools/cosign version; } | sha256sum | cut -d' ' -f1)
if [ -x "$bin/cosign" ] && [ "$(cat "$bin/.cosign.state" 2>/dev/null)" = "$state" ]; then
	exit 0
fi
echo "compiling cosign (the first time takes minutes)"
version=$(awk '$1 == "github.com/sigstore/cosign/v3" { print $2; exit }' tools/cosign/go.mod)
CGO_ENABLED=0 go -C tools/cosign build -trimpath \
	-ldflags "-s -w -X sigs.k8s.io/release-utils/version.gitVersion=$version" -o "$bin/cosign" github.com/sigstore/cosign/v3/cmd/cosign
echo "$state" >"$bin/.cosign.state"
