#!/usr/bin/env bash
# Say how many commits of what the long tests cover are newer than the last
# long run in docs/verification.md. It informs, and never fails.
set -euo pipefail

cd "$(dirname "$0")/.."
covered=(generator cmd/internal/planning runtime/buildkit runtime/build runtime/gitcontext test/oracle)

# shellcheck disable=SC2016 # the backquotes are Markdown's
recorded=$(sed -n 's/^| [0-9-]* | `\([0-9a-f]*\)[^`]*` .*/\1/p' docs/verification.md | tail -n 1)
if [ -z "$recorded" ]; then
	echo "long tests: no run is recorded in docs/verification.md"
elif ! git rev-parse --git-dir >/dev/null 2>&1; then
	echo "long tests: recorded at $recorded; without git it cannot be told what is newer"
elif ! git cat-file -e "$recorded^{commit}" 2>/dev/null; then
	echo "long tests: recorded at $recorded, which this clone does not have (it may be shallow)"
else
	echo "long tests: recorded at $recorded; $(git rev-list --count "$recorded..HEAD" -- "${covered[@]}") commits of what they cover are newer"
fi
