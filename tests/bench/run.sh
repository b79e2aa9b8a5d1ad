#!/usr/bin/env bash
# Measures Flotilla beside its peers on this machine and writes docs/performance.md.
#
#   tests/bench/run.sh [--quick] [--only REGEX] [--rounds N] [--seconds S]
#
# Installs what it needs from Debian, builds a Release, and runs the contenders of each case in turn
# (A B A B ...), so that a slow moment of the machine hits all alike. Newer peers than Debian's are
# used when PEER_MOSQUITTO, PEER_HAPROXY or PEER_FLASHMQ name a program.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=compose/lib.sh
. compose/lib.sh

install_missing "${build_packages[@]}" ninja-build redis-server mosquitto haproxy nginx-light \
    libnginx-mod-stream gnuplot-nox openssl python3
cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/bench
exec /usr/bin/python3 tests/bench/bench.py --build build/bench "$@"
