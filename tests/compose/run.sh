#!/usr/bin/env bash
# Runs compose/docker-compose.yml with a real Docker engine.
#
#   run.sh images   builds the images
#   run.sh scale    brings the service up, scales it up and down under load (scale.py), takes it down
#
# Where no engine answers, it installs docker.io, docker-compose and debootstrap and starts dockerd
# with its own folders; whatever it started is stopped at the end. Images, and the base image where it
# can't be pulled, are kept in the build folder for the next run. Exit status 77: no engine can run
# here (ctest counts that as skipped).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=compose/lib.sh
. "$root/compose/lib.sh"
# shellcheck source=tests/compose/engine.sh
. "$here/engine.sh"

folder=${FLOTILLA_COMPOSE_DIR:-$root/build/compose-engine}
python=/usr/bin/python3
project=flotilla-test
export FLOTILLA_TAG=test

cleanup() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    compose_down
    engine_stop "$folder"
    exit "$status"
}

compose_down() {
    [[ ${#compose[@]} -gt 0 ]] && docker_answers || return 0
    "${compose[@]}" down -v -t 10 --remove-orphans </dev/null >>"$folder/down.log" 2>&1 || true
}

choose_images() {
    if [[ -z ${FLOTILLA_BASE_IMAGE:-} ]] && ! image_available debian:bookworm-slim; then
        say "debian:bookworm-slim can't be pulled: making a base image by debootstrap"
        base_image_make "$folder" || die "no base image"
        export FLOTILLA_BASE_IMAGE=flotilla-base:bookworm
    fi
    if [[ -z ${FLOTILLA_REDIS_IMAGE:-} ]] && ! image_available redis:7; then
        say "redis:7 can't be pulled: building one from Debian's package"
        redis_image_make || die "no Redis image"
        export FLOTILLA_REDIS_IMAGE=flotilla-test-redis
    fi
}

build_images() {
    say "building the images"
    "${compose[@]}" build >"$folder/build.log" 2>&1 || {
        tail -n 40 "$folder/build.log" >&2
        die "docker-compose build failed; all of it: $folder/build.log"
    }
}

[[ ${1:-} == images || ${1:-} == scale ]] || die "usage: run.sh images|scale"
compose=()
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$folder"
engine_start "$folder" || {
    say "skipped: no Docker engine answers here and none can be started"
    exit 77
}
read -ra compose <<<"$(compose_command)"
pick_port FLOTILLA_PORT 21883
pick_port FLOTILLA_WSS_PORT 28084
pick_port FLOTILLA_STATUS_PORT 29901
export FLOTILLA_PORT FLOTILLA_WSS_PORT FLOTILLA_STATUS_PORT
compose+=(-p "$project" -f "$root/compose/docker-compose.yml")
choose_images
build_images
if [[ $1 == scale ]]; then
    install_missing mosquitto-clients python3 python3-paho-mqtt
    compose_down # what an interrupted run may have left
    "$python" -B "$here/scale.py" --port "$FLOTILLA_PORT" --wss-port "$FLOTILLA_WSS_PORT" \
        --status-port "$FLOTILLA_STATUS_PORT" \
        --folder "$folder" -- "${compose[@]}"
fi
