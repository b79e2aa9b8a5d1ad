#!/bin/bash
# healthcheck.sh PORT: succeeds when /healthz of the admin server on this port answers 200.
# The image has no curl, and needs none: bash can speak enough HTTP.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
IFS= read -r -t 2 status <&3
[[ $status == HTTP/1.?' 200'* ]]
