#!/usr/bin/env bash
# Makes what is released of one commit, into a folder that must not exist: both
# programs for each platform, their packages (SBOM), SHA256SUMS and where all of
# it comes from. The same commit gives the same bytes, in any folder.
#
#   tools/release.sh VERSION FOLDER [OS/ARCH...]
#
# Nothing is signed here: compiling runs what the modules brought along, and has
# no right to sign. "go run ./internal/releaser sign FOLDER" signs.
set -euo pipefail

cd "$(dirname "$0")/.."
version=${1:?VERSION, for example v1.2.3}
out=${2:?FOLDER}
shift 2
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

if ! [[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.-]+)?$ ]]; then
	echo "tools/release.sh: $version is no version such as v1.2.3" >&2
	exit 2
fi
if [ -n "$(git status --porcelain)" ]; then
	echo "tools/release.sh: there are uncommitted changes: a release is of a commit" >&2
	exit 1
fi
commit=$(git rev-parse HEAD)
mkdir -p "$(dirname "$out")"
mkdir "$out"
out=$(cd "$out" && pwd)

# What else the bytes depend on: the compiler, and how it is told to compile.
GOTOOLCHAIN=go$(awk '$1 == "go" { print $2 }' go.mod)
export GOTOOLCHAIN CGO_ENABLED=0 GOFLAGS=-mod=readonly GOEXPERIMENT='' GOAMD64=v1 GOARM64=v8.0 GOWORK=off

for platform in "$@"; do
	for program in rootfsgen rootfsrun; do
		file=$program-${platform%/*}-${platform#*/}
		echo "compiling $file"
		GOOS=${platform%/*} GOARCH=${platform#*/} go build -trimpath -buildvcs=true \
			-ldflags "-s -w -X github.com/rootfsgen/rootfsgen/cmd/internal/app.released=$version" -o "$out/$file" "./cmd/$program"
	done
done

[ -n "${SYFT:-}" ] || tools/build.sh syft
syft=${SYFT:-$PWD/.cache/bin/syft}
for file in "$out"/*; do
	echo "listing the packages of ${file##*/}"
	# By its name alone: syft makes an identifier of the path that it is given.
	(cd "$out" && SYFT_CHECK_FOR_APP_UPDATE=false "$syft" scan --quiet "file:${file##*/}" --source-name "${file##*/}" --source-version "$version" -o "cyclonedx-json=${file##*/}.cdx.json")
done

go run ./internal/releaser document "$out" --version "$version" --commit "$commit"
echo "$out:"
ls -l "$out"
