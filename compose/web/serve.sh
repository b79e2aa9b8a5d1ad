#!/usr/bin/env bash
# Serves the page in this folder on loopback, with MQTT.js beside it, until Ctrl-C. The broker for it, if none is there:
# flotilla-broker --config compose/web/broker.yaml
#
#   compose/web/serve.sh [--port PORT] [--folder FOLDER]      PORT: 8080; FOLDER: where files are put, build/web
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
port=8080
folder=$here/../../build/web
while (($# > 0)); do
    case $1 in
    --port) port=${2:?--port needs a number} ;;
    --folder) folder=${2:?--folder needs a path} ;;
    *)
        sed -n '2,/^set/{/^#/p}' "$0" >&2
        exit 2
        ;;
    esac
    shift 2
done
"$here/fetch.sh" "$folder"
mkdir -p "$folder/page"
cp "$here/index.html" "$folder/node_modules/mqtt/dist/mqtt.min.js" "$folder/page/"
echo "http://127.0.0.1:$port/"
exec python3 -m http.server --bind 127.0.0.1 --directory "$folder/page" "$port"
