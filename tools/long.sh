#!/usr/bin/env bash
# The tests that take as long as one lets them: every law with many random
# cases, and every fuzz target for a while.
#
#   tools/long.sh CASES DURATION
set -euo pipefail

cd "$(dirname "$0")/.."
cases=$1
duration=$2

folders() { git ls-files '*_test.go' | xargs grep -l "$1" | xargs -r -n1 dirname | sort -u; }

for folder in $(folders '"pgregory.net/rapid"'); do
	go test -count 1 -timeout 60m "./$folder" -rapid.checks="$cases"
done
for folder in $(folders '^func Fuzz'); do
	while read -r target; do
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "./$folder"
	done < <(cat "$folder"/*_test.go | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p')
done
