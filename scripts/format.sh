#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every C file is as clang-format 14 leaves it. `scripts/format.sh --fix` formats them all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

tool=$(command -v clang-format-14 || command -v clang-format)
mapfile -t files < <(find include src daemon drill tools doctor examples tests \
    \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)

if [ "${1-}" = --fix ]; then
    exec "$tool" -i "${files[@]}"
fi

# The names of those that are, on all cores.
good() {
    local file
    for file in "$@"; do
        "$tool" "$file" | cmp -s - "$file" && echo "$file"
    done
}
export -f good
export tool
mapfile -t found < <(printf '%s\0' "${files[@]}" |
    xargs -0 -n 20 -P "$(nproc)" bash -c 'good "$@"' good)
declare -A is_good
for file in "${found[@]}"; do is_good[$file]=1; done

number=0
failed=0
for file in "${files[@]}"; do
    number=$((number + 1))
    if [ -n "${is_good[$file]-}" ]; then
        echo "ok $number - $file is formatted"
    else
        echo "not ok $number - $file is formatted"
        echo "# clang-format -i $file"
        failed=1
    fi
done
echo "1..$number"
exit $failed
