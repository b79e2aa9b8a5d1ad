# shellcheck shell=bash
# A Docker engine for the tests: the one that answers already, or dockerd started here with folders of
# its own. Sourced by run.sh after compose/lib.sh.
#
#   engine_start FOLDER   FOLDER keeps images between runs. Sets DOCKER_HOST if it starts dockerd.
#   engine_stop FOLDER    stops what engine_start started, by process id, and clears its network.
#   base_image_make FOLDER, redis_image_make   images where the public ones can't be pulled
#
# Two daemons would fight over the same iptables chains, so there is one test engine on a machine at a
# time (a lock file in /tmp).

engine_pid="" engine_containerd_pid="" engine_run="" engine_saved_iptables="" engine_had_bridge=true
engine_had_forward=1

docker_answers() { timeout 10 docker version >/dev/null 2>&1; }

# The tool for compose files: docker-compose 1.29 and Compose v2 both do.
compose_command() {
    if command -v docker-compose >/dev/null; then
        echo docker-compose
    elif docker compose version >/dev/null 2>&1; then
        echo docker compose
    else
        return 1
    fi
}

engine_start() {
    local folder=$1
    command -v docker >/dev/null && docker_answers && compose_command >/dev/null && return 0
    if command -v docker >/dev/null && docker_answers; then
        install_missing docker-compose
        return 0
    fi
    ((EUID == 0)) || return 1
    install_missing docker.io docker-compose debootstrap iptables iproute2
    docker_answers && return 0 # where systemd runs, the package starts its engine
    exec 8>/tmp/flotilla-test-engine.lock
    flock -w 900 8 || die "another test engine holds /tmp/flotilla-test-engine.lock"

    mkdir -p "$folder"
    engine_stop_abandoned "$folder"
    # Socket paths have a limit of 107 characters, so these don't go into the build folder.
    engine_run=$(mktemp -d /tmp/flotilla-engine.XXXXXX)
    [[ -e /sys/class/net/docker0 ]] || engine_had_bridge=false
    engine_had_forward=$(</proc/sys/net/ipv4/ip_forward)
    engine_saved_iptables=$(iptables-save 2>/dev/null) || engine_saved_iptables=""
    export DOCKER_HOST=unix://$engine_run/docker.sock
    dockerd_run "$folder" && return 0
    # Kernels without nftables: let dockerd find the legacy tools first.
    if grep -qi iptables "$folder/dockerd.log" && [[ -x /usr/sbin/iptables-legacy ]]; then
        mkdir -p "$engine_run/bin"
        ln -sf /usr/sbin/iptables-legacy "$engine_run/bin/iptables"
        ln -sf /usr/sbin/ip6tables-legacy "$engine_run/bin/ip6tables"
        PATH=$engine_run/bin:$PATH dockerd_run "$folder" && return 0
    fi
    tail -n 15 "$folder/dockerd.log" >&2
    return 1
}

# A run that was killed (a test's time limit, say) leaves its engine behind, on the same folder.
engine_stop_abandoned() {
    local pid start run had_bridge
    [[ -f $1/dockerd.running ]] && read -r pid start run had_bridge <"$1/dockerd.running" || return 0
    if [[ $(process_start_time "$pid") == "$start" ]]; then
        say "stopping the engine of an earlier run (pid $pid)"
        engine_run=$run engine_pid=$pid
        dockerd_stop
        engine_pid=""
    fi
    $had_bridge || network_clear
    [[ $run != /tmp/flotilla-engine.* ]] || rm -rf "$run"
    rm -f "$1/dockerd.running"
}

# The way out may carry less than 1500 bytes a packet; containers must know.
route_mtu() {
    local interface
    interface=$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)
    cat "/sys/class/net/${interface:-lo}/mtu" 2>/dev/null || echo 1500
}

dockerd_run() {
    local folder=$1 mtu
    mtu=$(route_mtu)
    ((mtu <= 1500)) || mtu=1500
    rm -f "$engine_run/docker.pid"
    setsid dockerd --data-root "$folder/data" --exec-root "$engine_run/exec" \
        --host "$DOCKER_HOST" --pidfile "$engine_run/docker.pid" --mtu "$mtu" \
        </dev/null >"$folder/dockerd.log" 2>&1 8>&- &
    engine_pid=$!
    echo "$engine_pid $(process_start_time "$engine_pid") $engine_run $engine_had_bridge" \
        >"$folder/dockerd.running"
    await 60 dockerd_settled || true
    docker_answers && return 0
    dockerd_stop
    return 1
}

dockerd_settled() { docker_answers || ! process_start_time "$engine_pid" >/dev/null; }

dockerd_gone() { ! process_start_time "$1" >/dev/null; }

dockerd_stop() {
    [[ -n $engine_pid ]] || return 0
    engine_containerd_pid=$(cat "$engine_run/exec/containerd/containerd.pid" 2>/dev/null) || true
    kill -TERM "$engine_pid" 2>/dev/null || true
    if ! await 40 dockerd_gone "$engine_pid"; then
        kill -KILL "$engine_pid" 2>/dev/null || true
        [[ -z $engine_containerd_pid ]] || kill -KILL "$engine_containerd_pid" 2>/dev/null || true
    fi
    wait "$engine_pid" 2>/dev/null || true
    engine_pid=""
}

engine_stop() {
    local folder=$1
    [[ -n $engine_run ]] || return 0
    dockerd_stop
    # dockerd leaves its bridge, its rules and a closed FORWARD chain behind.
    $engine_had_bridge || network_clear
    [[ $engine_had_forward == 1 ]] || echo 0 >/proc/sys/net/ipv4/ip_forward || true
    rm -rf "$engine_run"
    rm -f "$folder/dockerd.running"
    engine_run=""
    unset DOCKER_HOST
}

# No bridge, and the rules from before dockerd; none at all if there were none.
network_clear() {
    local tool table
    ip link delete docker0 2>/dev/null || true
    for tool in iptables ip6tables iptables-legacy; do
        command -v "$tool" >/dev/null || continue
        "$tool" -t filter -S 2>/dev/null | grep -q DOCKER || continue
        for table in filter nat; do
            "$tool" -t "$table" -F 2>/dev/null || true
            "$tool" -t "$table" -X 2>/dev/null || true
        done
        "$tool" -P FORWARD ACCEPT 2>/dev/null || true
    done
    [[ -z $engine_saved_iptables ]] || iptables-restore <<<"$engine_saved_iptables" 2>/dev/null || true
}

# ---- images --------------------------------------------------------------------------------------

# An image is here, or can be pulled within a minute.
image_available() {
    docker image inspect "$1" >/dev/null 2>&1 || timeout 60 docker pull -q "$1" >/dev/null 2>&1
}

# The Debian archives this machine's apt uses, as lines of sources.list.
apt_sources() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^bookworm(-updates|-security)?$/ && $3 == "main" { print "deb", $1, $2, $3 }' | sort -u
}

# flotilla-base:bookworm, made by debootstrap from this machine's mirror with its apt settings.
base_image_make() {
    local folder=$1 root mirror include=""
    docker image inspect flotilla-base:bookworm >/dev/null 2>&1 && return 0
    if [[ ! -s $folder/base.tar ]]; then
        install_missing debootstrap
        mirror=$(apt_sources | awk '$3 == "bookworm" { print $2; exit }')
        [[ $mirror != https:* ]] || include=--include=ca-certificates
        root=$(mktemp -d "$folder/base.XXXXXX")
        debootstrap --variant=minbase ${include:+"$include"} bookworm "$root" \
            "${mirror:-http://deb.debian.org/debian}" >"$folder/debootstrap.log" 2>&1 || {
            tail -n 20 "$folder/debootstrap.log" >&2
            rm -rf "$root"
            return 1
        }
        base_image_settings "$root"
        tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./var/lib/apt/lists/*' \
            -cf "$folder/base.tar.new" .
        rm -rf "$root"
        mv "$folder/base.tar.new" "$folder/base.tar"
    fi
    docker import --change 'CMD ["bash"]' "$folder/base.tar" flotilla-base:bookworm >/dev/null
}

base_image_settings() {
    local root=$1 certificates=/usr/local/share/ca-certificates
    apt_sources >"$root/etc/apt/sources.list"
    apt-config dump --format '%f "%v";%n' Acquire 2>/dev/null | grep -i proxy \
        >"$root/etc/apt/apt.conf.d/90test-host" || true
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services while images are built
    chmod +x "$root/usr/sbin/policy-rc.d"
    if [[ -d $root$certificates && -n $(ls -A "$certificates" 2>/dev/null) ]]; then
        cp "$certificates"/*.crt "$root$certificates/"
        chroot "$root" update-ca-certificates >/dev/null 2>&1 || true
    fi
}

# flotilla-test-redis, Debian's redis-server on FLOTILLA_BASE_IMAGE.
redis_image_make() {
    docker image inspect flotilla-test-redis >/dev/null 2>&1 && return 0
    docker build -q -t flotilla-test-redis - >/dev/null <<END
FROM ${FLOTILLA_BASE_IMAGE:-debian:bookworm-slim}
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
RUN install -d -o 999 -m 0700 /data
VOLUME /data
WORKDIR /data
CMD ["redis-server", "--protected-mode", "no"]
END
}
