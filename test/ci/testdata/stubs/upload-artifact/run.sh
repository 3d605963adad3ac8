#!/usr/bin/env bash
# As the real one: a name is taken once, hidden files stay behind, and modes
# are lost.
set -euo pipefail
die() {
	echo "::error::$*"
	exit 1
}
case $NAME in
'' | *[\":\<\>\|\*\?\\/]*) die "invalid artifact name: $NAME" ;;
esac
case $SOURCE in
*$'\n'* | *[*?!]*) die "this stand-in takes one plain path: $SOURCE" ;;
esac
hidden=(-not -path '*/.*')
if [ "$KEEP_HIDDEN" = true ]; then
	hidden=()
fi
if [ ! -e "$SOURCE" ] || [ -z "$(find "$SOURCE" -type f -print -quit)" ]; then
	if [ "$MISSING" = error ]; then
		die "no files were found: $SOURCE"
	fi
	exit 0
fi
folder=$CI_ARTIFACTS/$NAME
if [ "$OVERWRITE" = true ]; then
	rm -rf "$folder"
fi
mkdir "$folder" 2>/dev/null || die "an artifact of this name exists: $NAME"
if [ -d "$SOURCE" ]; then
	(cd "$SOURCE" && find . -type f "${hidden[@]}" -exec cp --parents {} "$folder" \;)
else
	cp "$SOURCE" "$folder"
fi
find "$folder" -type f -exec chmod 644 {} +
