#!/usr/bin/env bash
# Prints the tags of an image, one per line: VERSION, and for the newest release of its minor version
# and of all also X.Y and latest. Standard input: the versions that are tagged, one per line.
#
#   image-tags.sh VERSION < versions
set -euo pipefail

version=$1
minor=${version%.*}
releases=$(grep -Ex '[0-9]+(\.[0-9]+){2}' | sort --version-sort || true)
newest() { tail -n 1 <<< "$1"; }

echo "$version"
if [ "$version" = "$(newest "$(grep "^${minor//./\\.}\." <<< "$releases" || true)")" ]; then
    echo "$minor"
fi
if [ "$version" = "$(newest "$releases")" ]; then
    echo latest
fi
