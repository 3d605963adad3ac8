#!/usr/bin/env bash
# Compiles internal/testtools/grafeasd, a Grafeas server for tests, into
# .cache/bin. It is a module of its own: its protocol has the same names as
# Google's client, which one program cannot have twice.
set -euo pipefail

cd "$(dirname "$0")/.."
source=internal/testtools/grafeasd
bin=$PWD/.cache/bin
mkdir -p "$bin"

state=$({ cat $source/go.mod $source/go.sum $source/*.go tools/grafeasd.sh; go -C $source version; } | sha256sum | cut -d' ' -f1)
if [ -x "$bin/grafeasd" ] && [ "$(cat "$bin/.grafeasd.state" 2>/dev/null)" = "$state" ]; then
	exit 0
fi
echo "compiling grafeasd"
CGO_ENABLED=0 go -C $source build -trimpath -ldflags "-s -w" -o "$bin/grafeasd" .
echo "$state" >"$bin/.grafeasd.state"
