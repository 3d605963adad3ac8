#!/usr/bin/env bash
# Fuzz the targets of tools/fuzz.txt, or one of them, for a while each. What
# breaks one is kept in its testdata/fuzz, to be mended and committed.
#
#   tools/fuzz.sh DURATION [TARGET]
set -euo pipefail

cd "$(dirname "$0")/.."
duration=$1
only=${2:-}

# One program for each package: it is compiled once, with the counters that
# fuzzing needs.
cache=$(go env GOCACHE)/fuzz/rootfsgen
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
while read -r package target; do
	[ -z "$only" ] || [ "$only" = "$target" ] || continue
	program=$out/${package//\//_}.test
	[ -x "$program" ] || go test -c -fuzz=. -o "$program" "$package"
	for try in 1 2 3; do
		(cd "$package" && "$program" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$duration" -test.fuzzcachedir="$cache") >"$out/log" 2>&1 && break
		# On a busy machine Go takes the end of its own time for a failure
		# (https://go.dev/issue/75804, until Go 1.27); a true one names its input, or panics.
		if [ "$try" = 3 ] || ! sed -n '/^--- FAIL/,$p' "$out/log" | sed -n 2p | grep -qx '    context deadline exceeded'; then
			cat "$out/log"
			echo "$package $target: FAILED"
			exit 1
		fi
	done
	echo "$package $target: $(grep '^fuzz: elapsed' "$out/log" | tail -n 1 | cut -c7-)"
done < <(grep -v '^#' tools/fuzz.txt)
