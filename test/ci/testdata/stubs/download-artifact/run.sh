#!/usr/bin/env bash
set -euo pipefail
if [ -z "$NAME" ] || [ ! -d "$CI_ARTIFACTS/$NAME" ]; then
	echo "::error::artifact not found: $NAME"
	exit 1
fi
mkdir -p "$FOLDER"
cp -r "$CI_ARTIFACTS/$NAME/." "$FOLDER"
