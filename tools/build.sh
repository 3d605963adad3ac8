#!/usr/bin/env bash
# Compiles the programs that tools/go.mod and tools/scan/go.mod pin into
# .cache/bin: all of those of tools/go.mod that are named and stale with one
# "go build", those of tools/scan one by one.
#
#   tools/build.sh PROGRAM...
#
# A program is stale when a file of its module, the version of Go or this file
# has changed since it was compiled. The scanners have a module of their own,
# because what they require would move what the others are compiled from.
set -euo pipefail

cd "$(dirname "$0")/.."
bin=$PWD/.cache/bin
mkdir -p "$bin"

if ! command -v go >/dev/null; then
	echo "Go is not installed: see https://go.dev/dl/, any version since 1.21 fetches the one that go.mod names" >&2
	exit 1
fi

# The package of a program, as the tool lines of a module have it.
package_of() { # program go.mod
	awk -v name="$1" '
		/^tool \(/ { inside = 1; next }
		/^\)/      { inside = 0 }
		inside     { n = split($1, part, "/"); if (part[n] == name) print $1 }' "$2"
}

version_of() { # module go.mod
	awk -v name="$1" '$1 == name { print $2; exit }' "$2"
}

state=$({ cat tools/go.mod tools/go.sum tools/build.sh; go -C tools version; } | sha256sum | cut -d' ' -f1)
state_scan=$({ cat tools/scan/go.mod tools/scan/go.sum tools/scan/*/*.go tools/build.sh; go -C tools version; } | sha256sum | cut -d' ' -f1)

packages=()
stale=()
stale_scan=()
for program in "$@"; do
	package=$(package_of "$program" tools/go.mod)
	want=$state
	if [ -z "$package" ]; then
		want=$state_scan
		if [ -z "$(package_of "$program" tools/scan/go.mod)" ]; then
			echo "neither tools/go.mod nor tools/scan/go.mod pins a program called $program" >&2
			exit 1
		fi
	fi
	if [ -x "$bin/$program" ] && [ "$(cat "$bin/.$program.state" 2>/dev/null)" = "$want" ]; then
		continue
	fi
	if [ "$want" = "$state" ]; then
		packages+=("$package")
		stale+=("$program")
	else
		stale_scan+=("$program")
	fi
done

if [ ${#stale[@]} != 0 ]; then
	echo "compiling ${stale[*]} (the first time takes minutes)"
	buildkit=$(version_of github.com/moby/buildkit tools/go.mod)
	# Without the tag, act would link a Docker client that nothing here uses.
	CGO_ENABLED=0 go -C tools build -trimpath -tags WITHOUT_DOCKER \
		-ldflags "-s -w -X github.com/moby/buildkit/version.Version=$buildkit" \
		-o "$bin/" "${packages[@]}"
	for program in "${stale[@]}"; do
		echo "$state" >"$bin/.$program.state"
	done
fi

# Each says its own version, so each is linked by itself.
for program in ${stale_scan[@]+"${stale_scan[@]}"}; do
	echo "compiling $program (the first time takes minutes)"
	version=$(version_of "github.com/anchore/$program" tools/scan/go.mod)
	CGO_ENABLED=0 go -C tools/scan build -trimpath -ldflags "-s -w -X main.version=${version#v}" \
		-o "$bin/" "$(package_of "$program" tools/scan/go.mod)"
	echo "$state_scan" >"$bin/.$program.state"
done
