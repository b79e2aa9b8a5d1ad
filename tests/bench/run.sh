#!/usr/bin/env bash
# Measures Flotilla beside its peers on this machine and writes docs/performance.md.
#
#   tests/bench/run.sh [--quick] [--only REGEX] [--rounds N]
#
# Installs what it needs from Debian, builds a Release, and runs the contenders of each case in turn
# (A B A B ...), so that a slow moment of the machine hits all alike. Newer peers than Debian's are
# used when PEER_MOSQUITTO, PEER_HAPROXY or PEER_FLASHMQ name a program.
set -euo pipefail
cd "$(dirname "$0")/../.."

needed=(build-essential cmake ninja-build pkg-config libevent-dev libssl-dev libhiredis-dev libyaml-dev
        libcmocka-dev uthash-dev libcjson-dev libc-ares-dev redis-server mosquitto haproxy nginx-light
        libnginx-mod-stream gnuplot-nox openssl python3)
missing=()
for package in "${needed[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "installing: ${missing[*]}"
    apt-get update -qq
    # Debian starts daemons on installation; the bench wants none of them.
    mkdir -p build
    printf '#!/bin/sh\nexit 101\n' >build/policy-rc.d
    chmod +x build/policy-rc.d
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/bench
exec /usr/bin/python3 tests/bench/bench.py --build build/bench "$@"
