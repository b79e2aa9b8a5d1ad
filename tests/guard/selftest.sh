#!/usr/bin/env bash
# Tests the speed guard with a workload and baselines that are made up: it fails when the workload has
# grown by more than 1 %, and only then, and counts the same each time.
#
#   tests/guard/selftest.sh PROGRAM
set -euo pipefail

guard=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/guard.sh
program=$1
name=${program##*/guard_}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

run() { "$guard" --baseline "$folder/baseline.txt" "$@" >"$folder/output" 2>&1; }

# check WHAT EXPECTED_STATUS [TEXT]: compares with the baseline as it is; its output must contain TEXT.
check() {
    local status=0
    run "$program" || status=$?
    if [[ $status != "$2" ]] || ! grep -qF -e "${3:-}" "$folder/output"; then
        echo "$1: status $status, expected $2 and '${3:-}'"
        cat "$folder/output"
        failed=1
    fi
}

# A baseline of so many thousandths of the count.
baseline_of() { printf '%s %s\n' "$name" $((count * $1 / 1000)) >"$folder/baseline.txt"; }

: >"$folder/baseline.txt"
run --update "$program" || {
    status=$?
    cat "$folder/output"
    exit "$status" # 77: can't count here
}
count=$(sed -nE "s/^$name ([0-9]+)\$/\\1/p" "$folder/baseline.txt")

check "the same again" 0 "+0.00 %"
baseline_of 995 # it has 0.5 % more than that
check "grown by 0.5 %" 0 "+0.50 %"
baseline_of 985 # 1.5 % more
check "grown by 1.5 %" 1 "grew by more than 1 %"
baseline_of 1005
check "shrunk by 0.5 %" 0 "-0.50 %"
baseline_of 1015
check "shrunk by 1.5 %" 0 "shrank by more than 1 %"
echo "other 1" >"$folder/baseline.txt"
check "without a number" 1 "no line in"
echo "$name: the guard works ($count instructions)"
exit "$failed"
