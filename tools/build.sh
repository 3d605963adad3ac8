#!/usr/bin/env bash
# Compiles the programs that tools/go.mod pins into .cache/bin, all of those
# that are named and stale with one "go build".
#
#   tools/build.sh PROGRAM...
#
# A program is stale when tools/go.mod, tools/go.sum, the version of Go or this
# file has changed since it was compiled.
set -euo pipefail

cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
mkdir -p "$bin"

if ! command -v go >/dev/null; then
	echo "Go is not installed: see https://go.dev/dl/, any version since 1.21 fetches the one that go.mod names" >&2
	exit 1
fi

state=$({ cat tools/go.mod tools/go.sum tools/build.sh; go -C tools version; } | sha256sum | cut -d' ' -f1)

packages=()
stale=()
for program in "$@"; do
	package=$(awk -v name="$program" '
		/^tool \(/ { inside = 1; next }
		/^\)/      { inside = 0 }
		inside     { n = split($1, part, "/"); if (part[n] == name) print $1 }' tools/go.mod)
	if [ -z "$package" ]; then
		echo "tools/go.mod pins no program called $program" >&2
		exit 1
	fi
	if [ -x "$bin/$program" ] && [ "$(cat "$bin/.$program.state" 2>/dev/null)" = "$state" ]; then
		continue
	fi
	packages+=("$package")
	stale+=("$program")
done

if [ ${#stale[@]} = 0 ]; then
	exit 0
fi

echo "compiling ${stale[*]} (the first time takes minutes)"
buildkit=$(awk '$1 == "github.com/moby/buildkit" { print $2; exit }' tools/go.mod)

# Without the tag, act would link a Docker client that nothing here uses.
CGO_ENABLED=0 go -C tools build -trimpath -tags WITHOUT_DOCKER \
	-ldflags "-s -w -X github.com/moby/buildkit/version.Version=$buildkit" \
	-o "$bin/" "${packages[@]}"

for program in "${stale[@]}"; do
	echo "$state" >"$bin/.$program.state"
done
