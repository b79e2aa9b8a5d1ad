#!/usr/bin/env bash
# Flotilla on this machine without Docker: installs what is missing, builds, and runs redis-server, a
# few brokers and the load balancer as plain processes; one broker keeps its state in a file instead
# of Redis. What it writes stays in the build folder (quickstart/ in it: certificates, configuration,
# logs and the data).
set -euo pipefail

# Jobs that a script starts in the background have SIGINT ignored, and bash can't take that back.
if [[ -z ${FLOTILLA_SIGINT_RESTORED:-} ]] &&
    ((0x$(sed -n 's/^SigIgn:[[:space:]]*//p' /proc/$$/status) & 2)); then
    FLOTILLA_SIGINT_RESTORED=yes exec env --default-signal=INT bash "${BASH_SOURCE[0]}" "$@"
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=compose/lib.sh
. "$root/compose/lib.sh"

usage() {
    cat <<END
usage: compose/quickstart.sh [options]

Builds Flotilla and starts it here: redis-server, brokers and the load balancer. Ctrl-C stops them.

  --brokers N       how many brokers, 1 to 64 (default 3); one alone keeps its state in a file and
                    needs no redis-server (several don't find there what it kept, nor the other way
                    round)
  --port P          the port that devices connect to (default 1883)
  --bind ADDRESS    the IPv4 address that devices connect to (default 127.0.0.1: this machine only;
                    0.0.0.0: every network; mind that the quickstart asks nobody for a password)
  --no-tls          plain MQTT instead of TLS
  --detach          come back when it is ready and leave it running
  --stop            stop what --detach left running
  --build-dir DIR   build there and keep everything there (default: build in the checkout)
  --help            this text
END
}

bad_usage() {
    printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$1" "$0" >&2
    exit 2
}

brokers=3 port=1883 bind=127.0.0.1 tls=true detach=false action=start build=$root/build

is_number_in() { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 >= $2 && 10#$1 <= $3)); }

is_ipv4() {
    local part parts
    [[ $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]] || return 1
    IFS=. read -ra parts <<<"$1"
    for part in "${parts[@]}"; do is_number_in "$part" 0 255 || return 1; done
}

parse_arguments() {
    local option value
    while (($#)); do
        option=$1
        shift
        case $option in
        --brokers | --port | --bind | --build-dir)
            (($#)) || bad_usage "$option needs a value"
            value=$1
            shift
            ;;&
        --brokers)
            is_number_in "$value" 1 64 || bad_usage "--brokers: expected a number from 1 to 64, got '$value'"
            brokers=$((10#$value))
            ;;
        --port)
            is_number_in "$value" 1 65535 || bad_usage "--port: expected a number from 1 to 65535, got '$value'"
            port=$((10#$value))
            ;;
        --bind)
            is_ipv4 "$value" || bad_usage "--bind: expected an IPv4 address, got '$value'"
            bind=$value
            ;;
        --build-dir)
            [[ -n $value ]] || bad_usage "--build-dir: expected a folder"
            build=$value
            ;;
        --no-tls) tls=false ;;
        --detach) detach=true ;;
        --stop) action=stop ;;
        --help | -h)
            usage
            exit 0
            ;;
        --brokers=* | --port=* | --bind=* | --build-dir=*) set -- "${option%%=*}" "${option#*=}" "$@" ;;
        *) bad_usage "unknown option '$option'" ;;
        esac
    done
}

# ---- what runs: one line "name pid start_time" for each process in $here/running -----------------

is_running() { # PID START_TIME
    [[ $(process_start_time "$1") == "$2" ]]
}

something_runs() {
    local name pid start
    [[ -f $here/running ]] || return 1
    while read -r name pid start; do
        is_running "$pid" "$start" && return 0
    done <"$here/running"
    return 1
}

# start NAME COMMAND...: in its own session, so that Ctrl-C reaches only this script, which then
# stops everything in order.
start() {
    local name=$1
    shift
    setsid "$@" </dev/null >"$here/log/$name.log" 2>&1 9>&- &
    echo "$name $! $(process_start_time $!)" >>"$here/running"
}

# stop_processes SIGNAL SECONDS NAME...: signals those and waits until they are gone.
stop_processes() {
    local signal=$1 seconds=$2 wanted name pid start alive=()
    shift 2
    [[ -f $here/running ]] || return 0
    while read -r name pid start; do
        for wanted; do
            # shellcheck disable=SC2053 # a pattern
            if [[ $name == $wanted ]] && is_running "$pid" "$start"; then
                kill "-$signal" "$pid" && alive+=("$pid $start")
            fi
        done
    done <"$here/running"
    await "$seconds" none_runs "${alive[@]}"
}

none_runs() {
    local entry pid start
    for entry; do
        read -r pid start <<<"$entry"
        ! is_running "$pid" "$start" || return 1
    done
}

# Brokers may take 8 s to drain; Redis must outlive them. A process that doesn't end in time is killed.
stop_everything() {
    trap '' INT TERM HUP
    stop_processes TERM 15 lb 'broker*' || say "some didn't end in 15 s: killing them"
    stop_processes KILL 5 lb 'broker*' || true
    stop_processes TERM 10 redis || stop_processes KILL 5 redis || true
    rm -f "$here/running"
}

# Fails with the log of a process that has ended.
check_all_run() {
    local name pid start
    while read -r name pid start; do
        is_running "$pid" "$start" && continue
        echo >&2
        echo "The last lines of $here/log/$name.log:" >&2
        tail -n 20 "$here/log/$name.log" >&2
        die "$name ended while starting; its log is above"
    done <"$here/running"
}

# ---- configuration -------------------------------------------------------------------------------

# Where the brokers' state is.
state_config() {
    if ((brokers == 1)); then
        echo "store: { file: \"$here/store/broker.db\", sync: always }"
    else
        echo "redis: { url: \"redis://127.0.0.1:$redis_port/0\" }"
    fi
}

write_broker_config() { # NUMBER PORT ADMIN_PORT
    cat >"$here/broker$1.yaml" <<END
# Written by quickstart.sh at each start. All keys: docs/configuration.md
listeners:
  - { bind: 127.0.0.1:$2, protocol: mqtt, proxy_protocol: require, trusted_proxies: [127.0.0.0/8] }
$(state_config)
auth: { anonymous: true }
admin: { bind: 127.0.0.1:$3 }
log: { level: info, format: text }
END
}

write_lb_config() {
    local i
    {
        echo "# Written by quickstart.sh at each start. All keys: docs/configuration.md"
        echo "# Edit the servers and send SIGHUP to flotilla-lb: it reloads without dropping a flow."
        echo "listeners:"
        echo "  - name: mqtt"
        echo "    bind: $bind:$port"
        echo "    backend: brokers"
        if $tls; then
            echo '    tls: { certificate: tls/server.pem, key: tls/server.key, min_version: "1.2" }'
        fi
        echo "backends:"
        echo "  brokers:"
        echo "    balance: leastconn"
        echo "    proxy_protocol: v2"
        echo "    health_check: { type: mqtt, interval: 2s, timeout: 1s, rise: 2, fall: 3 }"
        echo "    servers:"
        for ((i = 1; i <= brokers; i++)); do
            echo "      - { name: broker$i, address: 127.0.0.1:${broker_ports[i]}, weight: 1 }"
        done
        echo "admin: { bind: 127.0.0.1:$status_port }"
        echo "log: { level: info, format: text }"
    } >"$here/lb.yaml"
}

check_config() { # PROGRAM FILE
    local output
    output=$("$1" --config "$2" --check 2>&1) || die "${1##*/} refuses its configuration: $output"
}

# ---- readiness -----------------------------------------------------------------------------------

redis_answers() {
    check_all_run
    [[ $(tcp_ask "$redis_port" $'PING\r\n' 1) == +PONG ]]
}

broker_is_ready() { # ADMIN_PORT
    check_all_run
    http_is_ok "$1" /readyz
}

# The load balancer reports every broker as up.
lb_is_ready() {
    local up
    check_all_run
    http_is_ok "$status_port" /readyz || return 1
    up=$(http_get "$status_port" /api/servers | grep -oE '"state":[[:space:]]*"up"' | wc -l)
    ((up >= brokers))
}

# ---- the parts of a start ------------------------------------------------------------------------

build_programs() {
    local -a configure=(cmake -S "$root" -B "$build")
    [[ -f $build/CMakeCache.txt ]] || configure+=(-DCMAKE_BUILD_TYPE=Release)
    say "building in $build"
    mkdir -p "$here/log"
    { "${configure[@]}" &&
        cmake --build "$build" --parallel "$(nproc)" --target flotilla-lb flotilla-broker; } \
        </dev/null >"$here/log/build.log" 2>&1 9>&- || {
        tail -n 40 "$here/log/build.log" >&2
        die "the build failed; all of its output is in $here/log/build.log"
    }
}

start_state() {
    if ((brokers == 1)); then
        mkdir -p "$here/store"
    else
        start_redis
    fi
}

start_redis() {
    pick_port redis_port 16379
    mkdir -p "$here/redis"
    start redis redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$here/redis" \
        --appendonly yes --save "" --rdbcompression no --maxmemory-policy noeviction --daemonize no
    await 60 redis_answers || die "redis-server doesn't answer; see $here/log/redis.log"
}

start_brokers() {
    local i
    for ((i = 1; i <= brokers; i++)); do
        pick_port "broker_ports[$i]" $((18830 + i))
        pick_port "admin_ports[$i]" $((9901 + i))
        write_broker_config "$i" "${broker_ports[i]}" "${admin_ports[i]}"
        ((i > 1)) || check_config "$build/broker/flotilla-broker" "$here/broker1.yaml"
        start "broker$i" "$build/broker/flotilla-broker" --config "$here/broker$i.yaml"
    done
}

start_lb() {
    local i
    for ((i = 1; i <= brokers; i++)); do
        await 30 broker_is_ready "${admin_ports[i]}" ||
            die "broker$i isn't ready after 30 s; see $here/log/broker$i.log"
    done
    write_lb_config
    check_config "$build/lb/flotilla-lb" "$here/lb.yaml"
    start lb "$build/lb/flotilla-lb" --config "$here/lb.yaml"
    await 30 lb_is_ready || die "the load balancer doesn't see all brokers up after 30 s; see $here/log/lb.log"
}

print_how_to_use() {
    local address=$bind options="" scheme=mqtt plural=s
    ((brokers > 1)) || plural=""
    [[ $bind == 0.0.0.0 || $bind == 127.* ]] && address=localhost
    if $tls; then
        options=" --cafile $(printf %q "$here/tls/ca.pem")"
        scheme=mqtts
    fi
    cat <<END

Flotilla is ready: $brokers broker$plural behind one address.

  address      $scheme://$address:$port
  live status  http://127.0.0.1:$status_port/
  subscribe    mosquitto_sub -h $address -p $port$options -t 'demo/#' -v
  publish      mosquitto_pub -h $address -p $port$options -t demo/hello -m 'hello, fleet' -q 1
  files        $here (lb.yaml, logs in log/)

END
}

check_can_start() {
    mkdir -p "$here"
    exec 9>"$here/lock"
    flock -n 9 || die "another quickstart is starting from $here right now"
    if something_runs; then
        die "it is already running from $here (port $(sed -n 's/^    bind: .*://p' "$here/lb.yaml" 2>/dev/null)); stop it with: $0 --stop$build_option"
    fi
    rm -f "$here/running"
    ((port >= 1024 || EUID == 0)) || die "port $port needs root; choose one from 1024 up with --port"
    if port_is_busy "$port"; then
        die "port $port is in use by another program; stop that one or choose another port with --port"
    fi
    picked_ports+="$port "
}

# Until Ctrl-C. When a broker ends, that is reported and the others go on: that is what a fleet is for.
watch_processes() {
    local pid status name known_pid _
    echo "Ctrl-C stops everything."
    while true; do
        status=0
        wait -n -p pid 2>/dev/null || status=$?
        [[ -n ${pid:-} ]] || die "nothing runs any more; logs are in $here/log"
        while read -r name known_pid _; do
            [[ $known_pid == "$pid" ]] || continue
            say "$name ended (status $status); its log: $here/log/$name.log"
            [[ $name == broker* ]] || die "Flotilla can't go on without $name: stopping the rest"
        done <"$here/running"
    done
}

on_exit() {
    local status=$?
    trap - EXIT
    stop_everything
    exit "$status"
}

on_signal() {
    echo
    say "stopping"
    stop_everything
    trap - EXIT
    say "stopped"
    exit 0
}

run_start() {
    check_can_start
    local packages=("${build_packages[@]}" openssl mosquitto-clients) what="redis-server, $brokers brokers"
    if ((brokers == 1)); then
        what="a broker"
    else
        packages+=(redis-server)
    fi
    install_missing "${packages[@]}"
    build_programs
    if $tls; then
        bash "$root/compose/make-certs.sh" "$here/tls" "$HOSTNAME" "$bind" >"$here/log/certs.log" 2>&1 ||
            die "no certificates: $(<"$here/log/certs.log")"
    fi
    trap on_exit EXIT
    trap on_signal INT TERM HUP
    echo "quickstart $$ $(process_start_time $$)" >"$here/running"
    say "starting $what and the load balancer"
    pick_port status_port 9901
    start_state
    start_brokers
    start_lb
    print_how_to_use
    if $detach; then
        trap - EXIT INT TERM HUP
        sed -i '/^quickstart /d' "$here/running"
        echo "It runs in the background; stop it with: $0 --stop$build_option"
        return
    fi
    exec 9>&-
    watch_processes
}

run_stop() {
    if ! something_runs; then
        rm -f "$here/running"
        say "nothing is running from $here"
        return
    fi
    # A quickstart that runs in the foreground elsewhere stops its processes itself.
    stop_processes TERM 40 quickstart || true
    stop_everything
    say "stopped"
}

parse_arguments "$@"
[[ $build == /* ]] || build=$PWD/$build
here=$build/quickstart
build_option=""
[[ $build == "$root/build" ]] || build_option=" --build-dir $(printf %q "$build")"
redis_port="" status_port="" broker_ports=() admin_ports=()
run_$action
