#!/usr/bin/env bash
# Fetches MQTT.js from npm into a folder, once. It is for the page beside this file and for tests; Flotilla doesn't need
# it and doesn't contain it.
#
#   compose/web/fetch.sh FOLDER
set -euo pipefail
version=5.10.4
folder=${1:?usage: fetch.sh FOLDER}
[[ ! -f $folder/mqtt-$version ]] || exit 0
for needed in node npm; do
    command -v "$needed" >/dev/null || {
        echo "fetch.sh: needs $needed" >&2
        exit 1
    }
done
mkdir -p "$folder"
npm --prefix "$folder" install --no-audit --no-fund --silent "mqtt@$version" >&2
touch "$folder/mqtt-$version"
