#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Writes tests/golden/surface.tsv anew with the programs of a build folder (default: build):
#
#     scripts/gen_golden.sh [BUILD]
#
# A cell that moved by more than 3 % is to be explained in the commit.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
"$build/tests/golden/test-golden-surface" --write >tests/golden/surface.tsv.new
mv tests/golden/surface.tsv.new tests/golden/surface.tsv
