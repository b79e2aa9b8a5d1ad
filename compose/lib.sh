# shellcheck shell=bash
# What quickstart.sh, tests/run.sh and tests/compose share: packages, ports, HTTP, processes.
# Needs bash and a Debian base system, nothing else. Sourced, never run.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# What the programs are built with and run with (Debian 12).
# shellcheck disable=SC2034 # used by those who source this
build_packages=(build-essential cmake pkg-config libevent-dev libssl-dev libhiredis-dev libyaml-dev
    libc-ares-dev libcjson-dev libwslay-dev libargon2-dev libcurl4-openssl-dev libidn-dev uthash-dev
    libcmocka-dev)

package_is_installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# install_missing PACKAGE...: installs those that aren't there; silent when none is missing.
install_missing() {
    local package missing=()
    [[ -x /usr/bin/dpkg-query && -x /usr/bin/apt-get ]] ||
        die "this needs Debian's apt-get and dpkg; elsewhere, install the equivalents of: $*"
    for package in "$@"; do
        package_is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) ||
        die "packages are missing; as root: apt-get update && apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    apt_quietly update || say "apt-get update had errors; going on with the package lists as they are"
    apt_quietly install --no-install-recommends "${missing[@]}" ||
        die "apt-get could not install: ${missing[*]}"
}

# Shows apt-get's output only when it fails.
apt_quietly() {
    local output
    output=$(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" </dev/null 2>&1) && return 0
    tail -n 20 <<<"$output" >&2
    return 1
}

# Something listens on this TCP port, on whichever address.
port_is_busy() {
    local hex tables=(/proc/net/tcp)
    [[ -e /proc/net/tcp6 ]] && tables+=(/proc/net/tcp6)
    hex=$(printf ':%04X' "$1")
    grep -qE "^ *[0-9]+: [0-9A-F]+$hex [0-9A-F]+:0000 0A " "${tables[@]}"
}

# pick_port VARIABLE FIRST: the first free port from FIRST up that wasn't picked before.
picked_ports=" "
pick_port() {
    local -n picked=$1
    local port=$2
    while [[ $picked_ports == *" $port "* ]] || port_is_busy "$port"; do
        ((++port <= 65535)) || die "no free TCP port from $2 up"
    done
    picked_ports+="$port "
    # shellcheck disable=SC2034 # a reference to the caller's variable
    picked=$port
}

# tcp_ask PORT TEXT [LINES]: sends TEXT to 127.0.0.1:PORT and prints what comes back, until the other
# side closes, is silent for two seconds, or LINES lines have come.
tcp_ask() {
    local port=$1 text=$2 left=${3:--1} line fd
    { exec {fd}<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
    { printf '%s' "$text" >&"$fd" || true; } 2>/dev/null
    while ((left-- != 0)) && { IFS= read -r -t 2 line <&"$fd" || [[ -n $line ]]; }; do
        printf '%s\n' "${line%$'\r'}"
    done
    exec {fd}>&-
}

# http_get PORT PATH [LINES]: the answer with its head.
http_get() {
    tcp_ask "$1" "GET $2 HTTP/1.0"$'\r\n'"Host: localhost"$'\r\n\r\n' "${3:--1}"
}
http_is_ok() { [[ $(http_get "$1" "$2" 1) == HTTP/1.?\ 200* ]]; }

# When a process started, in clock ticks since boot: together with its id, this identifies the process.
# Fails for a process that has ended, also if it wasn't collected yet.
process_start_time() {
    local stat fields
    read -r stat <"/proc/$1/stat" || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] && echo "${fields[19]}"
} 2>/dev/null

# await SECONDS COMMAND...: repeats COMMAND until it succeeds; false when the time is over.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
