#!/usr/bin/env bash
# Puts the key tables that the programs print (--describe-config) into docs/configuration.md, between
# the marks <!-- PROGRAM --> and <!-- end of PROGRAM -->. The tests compare the two.
#
#   docs/update-configuration.sh [BUILD]      BUILD: a build folder, default build
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build}
doc=$root/docs/configuration.md

for program in lb/flotilla-lb broker/flotilla-broker; do
    name=${program#*/}
    grep -q "^<!-- $name -->$" "$doc" || continue
    table=$("$build/$program" --describe-config)
    NAME=$name TABLE=$table awk '
        $0 == "<!-- end of " ENVIRON["NAME"] " -->" { skip = 0 }
        !skip { print }
        $0 == "<!-- " ENVIRON["NAME"] " -->" { print ""; print ENVIRON["TABLE"]; print ""; skip = 1 }
    ' "$doc" >"$doc.new"
    mv "$doc.new" "$doc"
done
