#!/bin/bash
# entrypoint.sh PROGRAM ARGUMENT...: starts it as soon as the one-shot service `init` has made what it
# needs (FLOTILLA_WAIT_FOR names the file), which it does while this container starts.
set -eu
deadline=$((SECONDS + 60))
until [[ -z ${FLOTILLA_WAIT_FOR:-} || -s $FLOTILLA_WAIT_FOR ]]; do
    if ((SECONDS >= deadline)); then
        echo "entrypoint: $FLOTILLA_WAIT_FOR isn't there after 60 s: did the service 'init' fail?" >&2
        exit 1
    fi
    sleep 0.1
done
exec "$@"
