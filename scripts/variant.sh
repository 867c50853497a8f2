#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds one of the variants that CI uses, in its own directory, and says so in TAP.
#
#     scripts/variant.sh release|asan|fuzz|gcc-O0|gcc-O3|clang-O0|clang-O3
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

name=${1:?which variant}
dir=build-$name
cc=gcc
options=()
targets=()
case $name in
release) dir=build ;;
asan) # -O1: what the compiler saves is more than the tests take longer
    cc=clang-14
    options=(-Dverify=true -Db_sanitize=address,undefined -Doptimization=1 -Dman=disabled)
    ;;
fuzz)
    cc=clang-14
    options=(-Dverify=true -Dfuzz=true -Db_sanitize=address,undefined -Dman=disabled)
    targets=(fuzz-programs)
    ;;
gcc-O0 | gcc-O3 | clang-O0 | clang-O3)
    # The simulator alone, four ways: the same seed must give the same trace hash in all. The
    # invariants are checked in gcc's, which run the seeds; they must not change the hash either.
    # What else there is has its warnings from gcc -O3 in "release" and from clang, whose warnings
    # do not depend on -O, in "asan"; from gcc -O0 here, where the whole of `weir` is built.
    case $name in clang-*) cc=clang-14 ;; *) options=(-Dverify=true) ;; esac
    options+=(-Doptimization="${name##*-O}" -Ddebug=false -Dlto=false -Dtests=false -Dman=disabled)
    targets=(weir-sim)
    [ "$name" != gcc-O0 ] || targets+=(weir)
    ;;
*)
    echo "variant.sh: no variant called $name" >&2
    exit 2
    ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if { [ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" "${options[@]}"; } >"$log" 2>&1 &&
    ninja -C "$dir" -j 2 "${targets[@]}" >>"$log" 2>&1; then
    echo "ok 1 - $name builds in $dir without a warning"
    echo "1..1"
else
    echo "not ok 1 - $name builds in $dir without a warning"
    grep -E 'error|warning|ERROR|FAILED|undefined' "$log" | head -30 | sed 's/^/# /'
    echo "1..1"
    exit 1
fi
