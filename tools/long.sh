#!/usr/bin/env bash
# The tests that take as long as one lets them: BuildKit as the judge of
# random fleets, every law with many random cases, and every fuzz target for a
# while. A run that was interrupted goes on where it was, as long as no other
# commit is checked out; one that ends adds a line to docs/verification.md.
#
#   tools/long.sh [FLEETS [DURATION [SEED]]]
#
# With GO_ON=1 it goes on although another commit is checked out, one that mends
# a fault: the fleets that were judged without one count, and the line says at
# which commit that was.
set -euo pipefail

cd "$(dirname "$0")/.."
fleets=${1:-10000}
duration=${2:-60m}
seed=${3:-1}

commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain -- '*.go' go.mod tools)" ] || commit=$commit+edits
root=$PWD
work=.cache/long
run="$commit $fleets $duration $seed"
number() { sed -n "s/^  \"$1\": \([0-9]*\),\$/\1/p" "$work/oracle.json" 2>/dev/null || true; }
before=$(cat "$work/run" 2>/dev/null || true)
if [ "$before" != "$run" ]; then
	if [ -n "${GO_ON:-}" ] && [ "${before#* }" = "${run#* }" ] && [ -f "$work/oracle.json" ]; then
		rm -f "$work/done"
		echo "to seed $((seed + $(number next) - 1)) at \`${before%% *}\`" >>"$work/commits"
	else
		rm -rf "$work"
		mkdir -p "$work"
	fi
	echo "$run" >"$work/run"
fi
touch "$work/done" "$work/commits"

# once NAME COMMAND... runs a command that has not yet ended well.
once() {
	local name=$1
	shift
	grep -qxF "$name" "$work/done" && return
	echo "== $name"
	"$@"
	echo "$name" >>"$work/done"
}

# BuildKit gets slower by all that it has ever built, so every few fleets begin
# with engines of their own.
oracle() {
	local next to state=$PWD/$work/oracle.json
	go test -c -o "$work/oracle.test" ./test/oracle
	touch "$work/oracle.log"
	while next=$(number next) && [ "${next:-0}" -lt "$fleets" ]; do
		to=$((${next:-0} + 200))
		(cd test/oracle && "$OLDPWD/$work/oracle.test" -test.timeout 0 -test.v -test.run '^TestOracle$' \
			-oracle.n $((to < fleets ? to : fleets)) -oracle.seed "$seed" -oracle.state "$state") >>"$work/oracle.log" 2>&1 ||
			{ tail -n 200 "$work/oracle.log"; return 1; }
	done
	grep -A 12 'fleets in' "$work/oracle.log" | tail -n 11
}

# Every platform is compiled twice, from folders and caches that have nothing in
# common, and gives the same bytes.
platforms() {
	local n platform program
	rm -rf "$work/platforms"
	for n in 1 2; do
		mkdir -p "$work/platforms/$n"
		git clone -q --shared . "$work/platforms/$n/source"
		for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
			for program in rootfsgen rootfsrun; do
				(cd "$work/platforms/$n/source" && GOCACHE=$root/$work/platforms/$n/cache CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} \
					go build -trimpath -buildvcs=false -ldflags "-s -w" -o "../$program-${platform/\//-}" "./cmd/$program")
			done
		done
	done
	for program in "$work"/platforms/1/rootfs*; do
		cmp "$program" "$work/platforms/2/${program##*/}"
	done
	rm -rf "$work/platforms"
}

once oracle oracle
export RAPID_SEED=0 # laws are held against cases that no run has drawn yet
once plans go test -count 1 -timeout 0 -run '^Test(Merge|Program)' ./test/oracle -oracle.n $((fleets / 10)) -oracle.seed "$seed"
for folder in $(git ls-files '*_test.go' | xargs grep -l '"pgregory.net/rapid"' | xargs -n 1 dirname | sort -u); do
	once "laws of $folder" go test -count 1 -timeout 0 -skip '^Test(Oracle|Merge|Program)' "./$folder" -rapid.checks=$((fleets > 100 ? fleets : 100))
done
once races env ROOTFSGEN_LONG=1 go test -count 1 -timeout 0 -run '^(TestAThousandRaces|TestPromotionsOfTwoProcesses|TestKill9LeavesTheOldManifest)' ./runtime/channel ./runtime/promote
once platforms platforms
once demo tools/demo-gate.sh
once image env ROOTFSGEN_LONG=1 go test -count 1 -timeout 0 -run '^TestImage$' ./test/ownimage
while read -r _ target; do
	once "fuzz $target" tools/fuzz.sh "$duration" "$target"
done < <(grep -v '^#' tools/fuzz.txt)

judged=$(uniq -w 12 "$work/commits" | paste -sd, | sed 's/,/, /g; s/./; &/')
# shellcheck disable=SC2016 # the backquotes are Markdown's
printf '| %s | `%s` | `tools/long.sh %s %s %s` | %s fleets in %s builds, %s faults; %s targets compared, %s keys changed, %s of them over-built; every law and every fuzz target passed%s |\n' \
	"$(date -u +%F)" "$commit" "$fleets" "$duration" "$seed" "$(number fleets)" "$(number builds)" "$(number faulty)" \
	"$(number targets)" "$(number changed)" "$(number over)" "$judged" >>docs/verification.md
echo "added to docs/verification.md"
rm -rf "$work"
