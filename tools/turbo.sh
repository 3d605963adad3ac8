#!/usr/bin/env bash
# Installs what test/bench/node/package-lock.json pins into .cache/turbo: the
# program that the benchmark of large fleets compares with.
set -euo pipefail

cd "$(dirname "$0")/.."
target=.cache/turbo
mkdir -p "$target"

state=$(cat test/bench/node/* tools/turbo.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat "$target/.state" 2>/dev/null)" = "$state" ]; then
	exit 0
fi

echo "installing what test/bench/node pins"
rm -f "$target/.state"
cp test/bench/node/* "$target/"
npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel=error
case $(uname -m) in
x86_64) name=linux-64 ;;
aarch64) name=linux-arm64 ;;
*) echo "no turbo is pinned for $(uname -m)" >&2 && exit 1 ;;
esac
ln -sfn "node_modules/@turbo/$name/bin/turbo" "$target/turbo"
"$target/turbo" --version >/dev/null
echo "$state" >"$target/.state"
