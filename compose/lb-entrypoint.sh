#!/bin/bash
# Starts flotilla-lb as soon as the one-shot service `certs` has made the certificate
# (FLOTILLA_WAIT_FOR names the file), which it does while this container starts.
set -eu
deadline=$((SECONDS + 60))
until [[ -z ${FLOTILLA_WAIT_FOR:-} || -s $FLOTILLA_WAIT_FOR ]]; do
    if ((SECONDS >= deadline)); then
        echo "lb-entrypoint: $FLOTILLA_WAIT_FOR isn't there after 60 s: did the service 'certs' fail?" >&2
        exit 1
    fi
    sleep 0.1
done
exec flotilla-lb "$@"
