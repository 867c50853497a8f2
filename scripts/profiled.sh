#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds everything into build-profiled/ twice: first with counters, with which the core talks to
# itself for some seconds, then arranged by what they counted. A ping takes a twentieth less
# (docs/performance.md).
#
#     scripts/profiled.sh [OPTION OF meson setup...]
set -euo pipefail
cd "$(dirname "$0")/.."
export CC=gcc # clang keeps profiles in another way

build=build-profiled
bench=$build/tests/bench/bench-core
runs=("bulk 1460 200000000" "bulk 65160 2000000000" "connections 20000" "many 1000 500")

rm -rf $build
meson setup $build -Db_pgo=generate -Dlto=false "$@"
ninja -C $build tests/bench/bench-core
for run in "${runs[@]}"; do
    # shellcheck disable=SC2086 # a list of words is what is wanted
    $bench $run
done
meson configure $build -Db_pgo=use -Dlto=true
ninja -C $build installed
echo "$build/weir is ready; 'make install BUILD=$build' installs it"
