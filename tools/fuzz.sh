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
	if ! (cd "$package" && "$program" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$duration" -test.fuzzcachedir="$cache") >"$out/log" 2>&1; then
		cat "$out/log"
		echo "$package $target: FAILED"
		exit 1
	fi
	echo "$package $target: $(grep '^fuzz: elapsed' "$out/log" | tail -n 1 | cut -c7-)"
done < <(grep -v '^#' tools/fuzz.txt)
