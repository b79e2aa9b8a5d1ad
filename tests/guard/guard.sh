#!/usr/bin/env bash
# The speed guard. Counts the instructions of a workload's measured part with callgrind, and fails
# when there are over 1 % more than in baseline.txt. Counts are the same in each run, so that is no noise.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
baseline=$here/baseline.txt
limit=1 # percent

usage() {
    cat <<END
usage: tests/guard/guard.sh [--baseline FILE] PROGRAM...            compares (exit status 1: slower)
       tests/guard/guard.sh [--baseline FILE] --update PROGRAM...   what is counted now is the baseline

The baseline is tests/guard/baseline.txt unless FILE is another. Programs are build/release/tests/guard/guard_*, from: cmake --preset release && cmake --build ...
END
}

# The C library chooses its string functions by what the processor can do; all use the same here, so
# that a count doesn't depend on the machine.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-AVX512BW,-EVEX,-ERMS,-FSRM,-BMI2,-RTM
# Likewise OpenSSL, for workloads that seal and open records: AES-NI as everywhere, nothing newer.
export OPENSSL_ia32cap=:0
export LD_BIND_NOW=1

# count PROGRAM OUTPUT: prints the number of instructions.
count() {
    local log
    if ! log=$(valgrind --tool=callgrind --toggle-collect=guard_measured \
        --callgrind-out-file="$2" "$1" 2>&1); then
        printf '%s\n' "$log" >&2
        return 1
    fi
    sed -nE 's/.*Collected *: *([0-9]+).*/\1/p' <<<"$log"
}

name_of() {
    local name=${1##*/}
    printf '%s' "${name#guard_}"
}

expected_of() {
    sed -nE "s/^$1 +([0-9]+)\$/\\1/p" "$baseline"
}

# A number with its thousands apart.
spelled() {
    sed -E ':a; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; ta' <<<"$1"
}

compare() {
    local program=$1 name output now was change
    name=$(name_of "$program")
    output=$(dirname "$program")/callgrind.$name
    now=$(count "$program" "$output") || return 1
    was=$(expected_of "$name")
    if [[ -z $was ]]; then
        echo "$name: $(spelled "$now") instructions, and no line in $baseline; add it with: $0 --update $program"
        return 1
    fi
    change=$(awk -v now="$now" -v was="$was" 'BEGIN { printf "%+.2f", (now - was) * 100 / was }')
    echo "$name: $(spelled "$now") instructions, $change % of the baseline's $(spelled "$was")"
    if ((now * 100 > was * (100 + limit))); then
        cat <<END
$name grew by more than $limit %. Where the instructions are:
    callgrind_annotate $output | head -40
If the growth is intended, and worth it, make it the new baseline and say why in the commit:
    $0 --update $program
END
        return 1
    fi
    if ((now * 100 < was * (100 - limit))); then
        cat <<END
$name shrank by more than $limit %: well done. Keep it from growing back unseen:
    $0 --update $program
END
    fi
}

update() {
    local program=$1 name now
    name=$(name_of "$program")
    now=$(count "$program" /dev/null) || return 1
    if [[ -n $(expected_of "$name") ]]; then
        sed -i -E "s/^$name +[0-9]+\$/$name $now/" "$baseline"
    else
        echo "$name $now" >>"$baseline"
    fi
    echo "$name: $(spelled "$now") instructions are the baseline now"
}

action=compare
while (($#)); do
    case $1 in
    --update) action=update ;;
    --baseline)
        (($# > 1)) || {
            usage >&2
            exit 2
        }
        baseline=$2
        shift
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    *) break ;;
    esac
    shift
done
(($#)) || {
    usage >&2
    exit 2
}
if ! command -v valgrind >/dev/null || [[ $(uname -m) != x86_64 ]]; then
    echo "skipped: needs valgrind on x86_64"
    exit 77
fi
status=0
for program in "$@"; do
    if [[ $action == update ]]; then
        update "$program" || status=1
    else
        compare "$program" || status=1
    fi
done
exit "$status"
