#!/usr/bin/env bash
# Measures Flotilla beside its peers on this machine and writes docs/performance.md.
#
#   tests/bench/run.sh [--quick] [--only REGEX] [--rounds N] [--seconds S] [--aedes] [--help]
#
# Installs what it needs from Debian, builds a Release, and runs the contenders of each case in turn
# (A B A B ...), so that a slow moment of the machine hits all alike. Takes about half an hour; nothing
# else should run meanwhile. With --only, nothing is written but build/bench/results.json.
#
# Other peers than Debian's are used when PEER_MOSQUITTO, PEER_HAPROXY, PEER_NGINX, PEER_REDIS or
# PEER_FLASHMQ name a program. --aedes adds aedes + Redis (nodejs and npm from Debian, its packages from
# the npm registry, into the build folder).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
script=tests/bench/run.sh
# shellcheck source=compose/lib.sh
. compose/lib.sh

build=build/bench
aedes=$build/aedes
arguments=()
for argument in "$@"; do
    case $argument in
    --help | -h)
        sed -nE '2,/^[^#]/s/^# ?//p' "$script"
        exit 0
        ;;
    --aedes) arguments+=(--aedes "$aedes") ;;
    *) arguments+=("$argument") ;;
    esac
done

install_missing "${build_packages[@]}" ninja-build redis-server mosquitto haproxy nginx-light \
    libnginx-mod-stream gnuplot-nox openssl python3

install_aedes() {
    command -v npm >/dev/null || install_missing nodejs npm
    mkdir -p "$aedes"
    [[ -d $aedes/node_modules/mqemitter-redis ]] ||
        npm --prefix "$aedes" install --no-audit --no-fund --silent \
            aedes aedes-persistence-redis mqemitter-redis
}
if [[ " $* " == *" --aedes "* ]]; then install_aedes; fi

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$build" --target flotilla-broker flotilla-lb flotilla-bench
exec /usr/bin/python3 -B tests/bench/bench.py --build "$build" "${arguments[@]}"
