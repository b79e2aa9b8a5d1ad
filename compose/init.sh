#!/usr/bin/env bash
# What the service needs before its first start, made once and kept in its volumes: development
# certificates (make-certs.sh) and a password for Redis.
#
#   init.sh TLS_FOLDER SECRET_FOLDER [NAME...]    NAME: as for make-certs.sh
#
# The password comes as `redis-password`, which the brokers read, and in `redis.conf`, which Redis reads:
# both by the group that they share.
set -euo pipefail

tls=${1:?} secret=${2:?}
shift 2

if [[ ! -s $secret/redis.conf ]]; then
    umask 027
    password=$(openssl rand -hex 24)
    echo "$password" >"$secret/redis-password"
    echo "requirepass $password" >"$secret/redis.conf.new"
    mv "$secret/redis.conf.new" "$secret/redis.conf" # last: a process that waits for it finds both
    echo "init: made a password for Redis"
fi
exec "${BASH_SOURCE[0]%/*}/make-certs.sh" "$tls" "$@"
