#!/usr/bin/env bash
# Whether all C is formatted as .clang-format says. To mend what it names: clang-format -i FILE (Debian 12's, version 14;
# others differ in details).
#
#   tests/layout/format.sh [FILE...]      without files: all of them
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! version=$(clang-format --version 2>/dev/null) || [[ $version != *"version 14."* ]]; then
    echo "format.sh: needs clang-format 14 (apt-get install clang-format), found: ${version:-none}" >&2
    exit 1
fi
if (($# > 0)); then
    printf '%s\0' "$@"
else
    find . -path ./build -prune -o -name '*.[ch]' -print0
fi | xargs -0 clang-format --dry-run -Werror
