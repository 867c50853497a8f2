#!/bin/bash
# SPDX-License-Identifier: MIT
#
# clang-tidy over what the build compiles, in TAP, on all cores; half an hour of computing, hence not
# in the merge gate. build/ must be built: some of what is read is generated there.
#
#     scripts/clang_tidy.sh [--every N] [FILE...]
#
# With --every N it reads each N-th file only.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

every=1
if [ "${1-}" = --every ]; then
    every=${2:?how many}
    shift 2
fi
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(find src tools daemon drill doctor -name '*.c' | sort |
    awk -v every="$every" 'NR % every == 1 % every')
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

# What only gcc knows among the arguments of the build.
sed 's/ -mmemset-strategy=[^ "]*//g' build/compile_commands.json >"$said/compile_commands.json"

# Leaves what was said of file $2 in $1; an empty file is a clean one.
read_one() {
    local name=$1/${2//\//_}
    clang-tidy-14 -p "$1" --quiet --extra-arg=-Wno-ignored-optimization-argument "$2" \
        >"$name.part" 2>/dev/null || echo "exit code $?" >>"$name.part"
    grep -E '(warning|error): |exit code' "$name.part" >"$name"
}
export -f read_one
printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "$(nproc)" bash -c 'read_one "$0" "$1"' "$said"

failed=0
for i in "${!files[@]}"; do
    result=$said/${files[i]//\//_}
    if [ -f "$result" ] && [ ! -s "$result" ]; then
        echo "ok $((i + 1)) - clang-tidy has nothing to say of ${files[i]}"
    else
        echo "not ok $((i + 1)) - clang-tidy has nothing to say of ${files[i]}"
        head -10 "$result" | sed 's/^/# /'
        failed=1
    fi
done
echo "1..${#files[@]}"
exit $failed
