#!/usr/bin/env bash
# Fuzz each target of tools/fuzz.txt for a while; what breaks one is kept in
# its testdata/fuzz, to be mended and committed.
#
#   tools/fuzz.sh DURATION
set -euo pipefail

cd "$(dirname "$0")/.."
duration=$1

# One program for each package: it is compiled once, with the counters that
# fuzzing needs.
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
while read -r package target; do
	program=$out/${package//\//_}.test
	[ -x "$program" ] || go test -c -fuzz=. -o "$program" "$package"
	(
		cd "$package"
		"$program" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$duration" -test.fuzzcachedir="$(go env GOCACHE)/fuzz/rootfsgen"
	) >"$out/log" 2>&1 || { cat "$out/log"; echo "$package $target: FAILED"; exit 1; }
	echo "$package $target: $(grep '^fuzz: elapsed' "$out/log" | tail -n 1 | cut -c7-)"
done < <(grep -v '^#' tools/fuzz.txt)
