#!/usr/bin/env bash
# Runs all tests: installs what they need, builds with sanitizers, and hands over to ctest. The last
# line says how many passed and failed; the exit status is 0 only when some ran and none failed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=compose/lib.sh
. "$root/compose/lib.sh"

usage() {
    cat <<END
usage: tests/run.sh [options]

  --unit         unit tests only
  --no-compose   without the tests that need a Docker engine
  --long         runs that find more the longer they are: fuzz targets a minute each, faults by lot;
                 conformance in its further ways (MQTT 5.0 on Redis, both versions on a fleet), and whether it
                 notices planted faults; and clients that aren't ours on a fleet
  -R REGEX       only tests whose name matches (as ctest -R)
  -j N           tests at a time (default: one more than there are cores, because most tests wait most of
                 the time); unit tests twice as many
  --help         this text
END
}

bad_usage() {
    printf '%s: %s\nTry: %s --help\n' "${0##*/}" "$1" "$0" >&2
    exit 2
}

cores=$(nproc)
only=all compose=true long=false regex="" jobs=$((cores + 1))

parse_arguments() {
    while (($#)); do
        case $1 in
        --unit) only=unit ;;
        --no-compose) compose=false ;;
        --long) long=true ;;
        -R | -j)
            (($# > 1)) || bad_usage "$1 needs a value"
            if [[ $1 == -R ]]; then regex=$2; else jobs=$2; fi
            shift
            ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) bad_usage "unknown option '$1'" ;;
        esac
        shift
    done
    [[ $jobs =~ ^[1-9][0-9]*$ ]] || bad_usage "-j: expected a number, got '$jobs'"
}

results=$root/build/test-results
passed=0 failed=0 failures=() skips=()

# ---- building ------------------------------------------------------------------------------------

declare -A building=() # preset -> process id of its ninja
trap 'kill "${building[@]}" 2>/dev/null || true' EXIT

# begin_build PRESET [TARGET_REGEX [CMAKE_OPTION...]]: all targets, or those whose name matches, with
# what the tests that run meanwhile leave of the cores. end_build waits for it.
begin_build() {
    local preset=$1 pattern=${2:-} folder=$root/build/$1 log=$results/build-$1.log fresh=() targets=()
    shift $(($# < 2 ? $# : 2))
    # A folder that was configured for another generator can't be used as it is.
    grep -qs '^CMAKE_GENERATOR:INTERNAL=Ninja$' "$folder/CMakeCache.txt" || fresh=(--fresh)
    if (cd "$root" && cmake --preset "$preset" "${fresh[@]}" -G Ninja -DFLOTILLA_WERROR=ON -DFLOTILLA_TESTS=ON "$@") \
        >"$log" 2>&1; then
        if [[ -n $pattern ]]; then
            mapfile -t targets < <(ninja -C "$folder" -t targets all |
                sed -nE "s/^($pattern): phony$/\\1/p")
        fi
        if [[ -z $pattern ]] || ((${#targets[@]})); then
            nice -n 19 ninja -j "$cores" -C "$folder" "${targets[@]}" >>"$log" 2>&1 &
        else
            true &
        fi
    else
        false &
    fi
    building[$preset]=$!
}

# end_build PRESET: waits for it. A build that failed counts as one failed test.
end_build() {
    local preset=$1 log=$results/build-$1.log pid=${building[$1]}
    say "building $preset (warnings are errors)"
    unset "building[$preset]"
    wait "$pid" && return 0
    tail -n 60 "$log"
    say "the build of $preset failed; all of its output: $log"
    failed=$((failed + 1))
    failures+=("build/$preset")
    return 1
}

# ---- running -------------------------------------------------------------------------------------

# run_ctest PRESET CTEST_OPTION...: runs tests of that build and adds up the results. `part` names the report where one
# build is run in several parts.
run_ctest() {
    local preset=$1 report=$results/$1${part:+-$part}.xml command=(ctest --test-dir "$root/build/$1")
    shift
    if [[ -n $regex ]]; then
        set -- -R "$(matching_names "${command[@]}" "$@")"
    fi
    # ThreadSanitizer needs the memory layout that it was made for.
    if [[ $preset == tsan ]] && setarch -R true 2>/dev/null; then
        command=(setarch -R "${command[@]}")
    fi
    rm -f "$report"
    "${command[@]}" --output-on-failure --no-tests=ignore -j "$jobs" --output-junit "$report" "$@" ||
        true
    count_results "$preset" "$report"
}

# matching_names CTEST...: of the tests that this selects, those that match -R as well, as one regular
# expression: ctest itself takes only one.
matching_names() {
    "$@" -N | sed -nE 's/^ *Test +#[0-9]+: //p' | grep -E -e "$regex" |
        sed 's/[.+]/\\&/g' | paste -sd '|' | sed 's/^/^(/; s/$/)$/'
}

# A test that didn't run has failed, unless it said itself that it can't run here.
count_results() {
    local preset=$1 report=$2 line name status
    if [[ ! -s $report ]]; then
        failed=$((failed + 1))
        failures+=("$preset: ctest left no report")
        return
    fi
    while IFS= read -r line; do
        if [[ $line =~ ^[[:space:]]*\<testcase\ name=\"([^\"]*)\".*\ status=\"([a-z]+)\" ]]; then
            name="$preset: ${BASH_REMATCH[1]}" status=${BASH_REMATCH[2]}
            case $status in
            run) passed=$((passed + 1)) ;;
            disabled) skips+=("$name") ;;
            notrun) ;;
            *)
                failed=$((failed + 1))
                failures+=("$name")
                ;;
            esac
        elif [[ ${status:-} == notrun && $line == *'<skipped '* ]]; then
            status=""
            if [[ $line == *SKIP_R* ]]; then
                skips+=("$name")
            else
                failed=$((failed + 1))
                failures+=("$name (not run)")
            fi
        fi
    done <"$report"
}

summary() {
    local entry
    echo
    for entry in "${skips[@]}"; do echo "skipped  $entry"; done
    for entry in "${failures[@]}"; do echo "FAILED   $entry"; done
    say "took $((SECONDS / 60)) min $((SECONDS % 60)) s; reports are in $results"
    ((passed + failed > 0)) || say "no test matched"
    echo "$passed passed, $failed failed"
    ((failed == 0 && passed > 0))
}

# ---- all of it -----------------------------------------------------------------------------------

install_packages() {
    local had_mosquitto=true
    local packages=("${build_packages[@]}" ninja-build openssl redis-server clang-format)
    if [[ $only == all ]]; then
        # Debian's python3, whatever else may come first in PATH, is the one that has paho-mqtt.
        packages+=(mosquitto mosquitto-clients libpaho-mqtt-dev python3 python3-paho-mqtt clang
            libclang-rt-14-dev liblua5.1-0-dev valgrind)
    fi
    package_is_installed mosquitto || had_mosquitto=false
    install_missing "${packages[@]}"
    [[ $only != all ]] || install_node
    # The tests want its tools; its service, which would sit on port 1883, nobody asked for.
    if ! $had_mosquitto && [[ -d /run/systemd/system ]]; then
        systemctl --quiet disable --now mosquitto 2>/dev/null || true
    fi
}

# Node, for MQTT.js and Node-RED: without it their tests are skipped. One that comes from elsewhere than Debian stays.
install_node() {
    if { command -v node && command -v npm; } >/dev/null || ((EUID != 0)); then
        return
    fi
    say "installing nodejs npm"
    apt_quietly update || true
    apt_quietly install --no-install-recommends nodejs npm ||
        say "no Node here: the tests of MQTT.js and Node-RED will be skipped"
}

# The load balancer's workers, and what has threads in the broker: the heart, logins, the log.
threads_built='unit_lb_[a-z0-9_]*|unit_common_log_[a-z_]*|unit_[a-z_]*_test_(work_pool|login[a-z_]*|fleet_rules_lease)'
threads_run='^unit/lb/|^unit/common/log/|/test_(work_pool|login[a-z_]*|fleet_rules_lease)$'

run_unit() {
    local built=false
    begin_build asan
    end_build asan && built=true
    begin_build tsan "$threads_built"
    $built && part=unit jobs=$((2 * jobs)) run_ctest asan -L '^unit$'
    end_build tsan && run_ctest tsan -R "$threads_run"
}

run_all() {
    local labels=(unit) fuzz_seconds=5 built=false
    $compose || labels+=(compose)
    if $long; then
        fuzz_seconds=60
        export FLOTILLA_CHAOS_SECONDS=120 FLOTILLA_FAULTS_SECONDS=60
    else
        labels+=(long)
    fi
    begin_build asan
    end_build asan && built=true
    begin_build tsan "$threads_built|flotilla-(lb|broker)"
    begin_build release 'guard_[a-z0-9_]*|flotilla-(lb|broker)'
    begin_build fuzz 'fuzz_[a-z0-9_]*' -DFLOTILLA_FUZZ_SECONDS=$fuzz_seconds
    if $built; then
        part=unit jobs=$((2 * jobs)) run_ctest asan -L '^unit$'
        run_ctest asan -LE "^($(IFS='|' && echo "${labels[*]}"))\$"
    fi
    end_build tsan && run_ctest tsan -R "$threads_run|^fleet/(balance|reload|rule_11_listeners)\\."
    # What computes and measures wants the cores for itself.
    jobs=$((jobs < cores ? jobs : cores))
    end_build fuzz && run_ctest fuzz -L fuzz
    end_build release && run_ctest release -L 'guard|attack'
}

parse_arguments "$@"
mkdir -p "$results"
rm -f "$results"/*.xml
install_packages
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
run_"$only" </dev/null || true
summary
