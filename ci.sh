#!/bin/bash
# SPDX-License-Identifier: MIT
#
# All there is of CI; the service runs it, and so does everyone else.
#
#     ./ci.sh              the merge gate: 10 minutes on 2 cores, at most 15
#     ./ci.sh STAGE...     these stages only: lint build unit sim fuzz netns docs
#     ./ci.sh soak ...     what takes long: scripts/soak.py, with its options
#
# Every stage prints its time. The last line is "N passed, N failed, N skipped" over everything that
# ran, where a program that dies is one failure; so is a stage that fails without counting.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

out=build-ci
run=scripts/run_tests.py

# What the sanitizers find ends the program, and with it the test; the symbolizer names the lines.
PATH=$PATH:/usr/lib/llvm-14/bin
export ASAN_OPTIONS=detect_stack_use_after_return=1:abort_on_error=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

stage_lint() {
    $run --counts "$1" --timeout 240 scripts/format.sh scripts/deps.py scripts/tidy.py \
        scripts/headers.py scripts/listed.py tests/lib/selftest.py
}

# A variant takes both cores: one at a time.
stage_build() {
    $run --counts "$1" --timeout 900 --jobs 1 \
        "scripts/variant.sh release" "scripts/variant.sh asan" "scripts/variant.sh fuzz" \
        "scripts/variant.sh gcc-O3" "scripts/variant.sh gcc-O0" \
        "scripts/variant.sh clang-O3" "scripts/variant.sh clang-O0" \
        "scripts/purity.sh build/src/libweir-core.a"
}

stage_unit() {
    $run --counts "$1" --meson build --meson build-asan
}

# 2,000 seeds with every invariant checked, 20 more under the sanitizers, 50 through four builds.
stage_sim() {
    $run --counts "$1" --timeout 240 \
        "build-gcc-O3/weir-sim sim --seeds 1..1000" "build-gcc-O3/weir-sim sim --seeds 1001..2000" \
        "build-asan/weir sim --seeds 2001..2020" \
        "scripts/hash_matrix.py --seeds 1..50 $(matrix)"
}

stage_fuzz() {
    $run --counts "$1" --timeout 240 "scripts/run_fuzz.py --seconds 3"
}

# Cases in which reading or writing is what fails; the soak plays all.
exact='A[1-9]*|B[1267]*|C[357] *|C[357].*|E10*|E11.calls *|F[1-4]*|H[124]*|U2.*|p*.send.recv *'

stage_netns() {
    $run --counts "$1" --timeout 600 tests/integration/run.py \
        "tests/integration/run_tcp.py --build build" \
        "tests/integration/run_faults.py --build build" \
        "tests/integration/run_experiments.py --build build" \
        "tests/integration/run_udp.py --build build" \
        "tests/integration/run_dhcp.py --build build" \
        "tests/integration/run_programs.py --build build" \
        "tests/integration/run_sandbox.py build" \
        "tests/integration/run_orphans.py --build build" \
        "tests/integration/run_ports.py --build build" \
        "tests/integration/run_xdp.py --build build" \
        "tests/differential/run.py --recorded" "tests/differential/options.py" \
        "tests/differential/run.py --recorded --exact --only '$exact'" \
        "tests/integration/run_exact.py --build build" \
        "tests/conformance/run_kernel.py build/weir --every 6" \
        "tests/integration/run_sight.py --build build" \
        "tests/integration/run_path.py --build build" \
        "tests/integration/run_manual.py --build build"
}

stage_docs() {
    $run --counts "$1" --timeout 240 "scripts/gen_states.py --check" "scripts/gen_matrix.py --check" \
        "scripts/gen_conformance.py --check" "scripts/gen_syscalls.py --check" \
        "scripts/gen_faults.py --check" "scripts/gen_errno.sh build/weir --check" scripts/links.py \
        scripts/documented.py "scripts/install_check.sh build"
}

matrix() {
    local name
    for name in gcc-O0 gcc-O3 clang-O0 clang-O3; do echo "build-$name/weir-sim"; done
}

# Runs one stage; its output appears in one piece when it ends, since another may run beside it.
stage() {
    local name=$1 began=$SECONDS log=$out/$1.log counts=$out/$1.counts status
    rm -f "$counts"
    "stage_$name" "$counts" >"$log" 2>&1
    status=$?
    [ -s "$counts" ] || echo "0 1 0" >"$counts"
    if [ $status -ne 0 ] && awk '$2 > 0 { exit 1 }' "$counts"; then
        echo "0 1 0" >>"$counts"
    fi
    { echo "== $name"; cat "$log"; echo "== $name: $((SECONDS - began)) s"; echo; } >"$log.all"
    cat "$log.all"
}

# Adds up the stages given, prints the last line, and is its verdict.
sum_up() {
    local files=() name
    for name in "$@"; do files+=("$out/$name.counts"); done
    awk '{ p += $1; f += $2; s += $3 }
        END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' \
        "${files[@]}" | tee "$out/total"
    return "${PIPESTATUS[0]}"
}

if [ "${1-}" = soak ]; then
    shift
    exec scripts/soak.py "$@"
fi

mkdir -p "$out"
for name in "$@"; do
    declare -F "stage_$name" >/dev/null || {
        echo "ci.sh: no stage called $name" >&2
        exit 2
    }
done

if [ $# -gt 0 ]; then
    for name in "$@"; do stage "$name"; done
    sum_up "$@"
    exit
fi

stage lint
stage build
# Neither half measures anything: the left one computes, the right one mostly waits.
{ stage unit; stage sim; } &
left=$!
stage netns
stage fuzz
wait $left
stage docs
echo "merge gate: $SECONDS s"
sum_up lint build unit sim netns fuzz docs
