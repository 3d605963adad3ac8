#!/usr/bin/env bash
# Shows the gate with the fleet of examples/gated: an image that is refused and
# why, an exception with an end, a promotion, a rollback, and a withdrawal with
# what was built on it. Everything is below .cache/demo-gate; the services that
# it starts are stopped at the end.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
work=$root/.cache/demo-gate
export PATH=$root/bin:$root/.cache/bin:$PATH
export GIT_AUTHOR_NAME=demo GIT_AUTHOR_EMAIL=demo@example.com GIT_COMMITTER_NAME=demo GIT_COMMITTER_EMAIL=demo@example.com
unset CI GITHUB_ACTIONS GITLAB_CI

say() { printf '\n## %s\n' "$*"; }

# run COMMAND... prints a command and runs it.
run() {
	printf '$ %s\n' "$*"
	"$@"
}

# refused CODE WHY COMMAND... expects a command to end with this exit code, and
# to say why.
refused() {
	local want=$1 why=$2 code=0
	shift 2
	run "$@" 2>&1 | tee "$work/said" || code=$?
	[ "$code" = "$want" ] || { echo "expected exit code $want, got $code" >&2; exit 1; }
	grep -qF "$why" "$work/said" || { echo "expected it to say: $why" >&2; exit 1; }
	echo "(exit code $code)"
}

# printed PATTERN... expects what the last command printed to have each of them.
printed() {
	local pattern
	for pattern; do
		grep -q "$pattern" "$work/said" || { echo "expected it to print: $pattern" >&2; exit 1; }
	done
}

# prod IMAGE is the digest of it that prod has.
prod() { rootfsrun history "$1" --json --limit 1 | grep -o 'sha256:[0-9a-f]\{64\}' | head -n 1; }

rm -rf "$work"
mkdir -p "$work"
cp -R examples/gated "$work/fleet"
cd "$work/fleet"
git init -q -b main
printf '.cache/\nbuild-artifacts/\n' >.gitignore
git add -A && git commit -q -m "Three images"
scandb --archive "$work/vulnerabilities.tar.gz" vulnerabilities.json "$work/db"
run rootfsrun scan --db-import "$work/vulnerabilities.tar.gz"
trap 'rootfsrun -q services stop' EXIT

say "web is refused, and nothing of it is published; base and job are"
refused 5 CVE-2026-90001 rootfsrun run
refused 5 "web: it is not in the testing channel" rootfsrun promote web

say "an exception: who asked, who allowed it, and until when"
cat >>scan-policy.yaml <<POLICY
exceptions:
  list:
    - id: CVE-2026-90001
      purl: pkg:deb/debian/curl
      images: [web]
      reason: only the command line client is affected, which nothing here starts
      owner: "@web-team"
      approvedBy: "@security"
      created: $(date -u +%F)
      expires: $(date -u -d '+5 days' +%F)
POLICY
git commit -q -am "Allow one finding in curl for five days"
run rootfsrun run
run rootfsrun gate --expiring

say "promotion: every digest is read, scanned and judged again, by what is known today"
sed 's/CVE-2026-90001/CVE-2026-90003/; s/"curl"/"jq"/; s/< 8.0.0-1/< 99/' vulnerabilities.json >"$work/learned.json"
scandb "$work/learned.json" "$work/learned"
refused 5 "job: linux/amd64: HIGH CVE-2026-90003" rootfsrun promote --db "$work/learned"
run rootfsrun promote
older=$(prod base)

say "a new state of base, and of what stands on it"
sed -i 's/1.2.13.dfsg-1/1.2.13.dfsg-2/' images/base/rootfs/var/lib/dpkg/status.d/zlib1g
git commit -q -am "Take a newer zlib"
run rootfsgen plan --from HEAD~1
run rootfsrun -q run
run rootfsrun diff
run rootfsrun promote --reason "newer zlib"
newer=$(prod base)
[ "$newer" != "$older" ] || { echo "expected prod to have another base" >&2; exit 1; }

say "rollback: what was there before, with all that stands on it"
run rootfsrun rollback --reason "a demonstration" | tee "$work/said"
printed "^base.*$older" '^web' '^job'
[ "$(prod base)" = "$older" ] || { echo "expected prod to have the older base" >&2; exit 1; }
run rootfsrun history

say "withdrawal: base, and all that was built on it"
run rootfsrun withdraw "$older" --reason "a demonstration" | tee "$work/said"
printed "^base.*$older" '^web' '^job'
run rootfsrun audit base
