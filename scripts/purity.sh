#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The archive of the pure core asks for nothing but four functions of string.h and weir_panic, and
# has no variable that could change: instances share nothing. Checked for x86-64 in the given
# archive, and for aarch64 by compiling the same sources, where a cross compiler is installed.
#
#     scripts/purity.sh build/src/libweir-core.a
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
archive=${1:-build/src/libweir-core.a}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

allowed='memcpy
memmove
memset
memcmp
weir_panic'
number=0
failed=0

# result 0|1 TEXT [DETAILS]
result() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
        return
    fi
    failed=1
    echo "not ok $number - $2"
    [ -z "${3-}" ] || sed 's/^/# /' <<<"$3"
}

skip() {
    number=$((number + 1))
    echo "ok $number # SKIP $1"
}

# Names wanted by some object of the archive, defined by none, and not allowed.
foreign_names() {
    local nm=$1 lib=$2
    "$nm" --defined-only "$lib" | awk 'NF == 3 { print $3 }' | sort -u >"$scratch/defined"
    "$nm" -u "$lib" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u |
        comm -23 - "$scratch/defined" | grep -vxF "$allowed"
}

# Sections for variables that are not constant; tables of pointers lie in .data.rel.ro and are.
writable_sections() {
    local readelf=$1 lib=$2
    "$readelf" -SW "$lib" | sed 's/^ *\[ *[0-9]*\] *//' |
        awk '$1 ~ /^\.(data|bss|tdata|tbss)/ && $1 !~ /^\.data\.rel\.ro/ && $5 !~ /^0+$/ {
            print $1 " of 0x" $5 " octets"
        }'
}

check() {
    local name=$1 prefix=$2 lib=$3 found
    found=$(foreign_names "${prefix}nm" "$lib")
    [ -z "$found" ]
    result $? "$name: the core names nothing foreign" "$found"
    found=$(writable_sections "${prefix}readelf" "$lib")
    [ -z "$found" ]
    result $? "$name: the core has no variables" "$found"
}

if [ -f "$archive" ]; then
    check x86-64 "" "$archive"
else
    result 1 "x86-64: $archive is there" "build it first: make"
fi

if command -v aarch64-linux-gnu-gcc >/dev/null; then
    objects=()
    broken=""
    while IFS= read -r source; do
        object=$scratch/$(tr / - <<<"${source%.c}").o
        aarch64-linux-gnu-gcc -std=c11 -O2 -fno-stack-protector -U_FORTIFY_SOURCE -DWEIR_VERIFY=0 \
            -Iinclude -Isrc -c "$source" -o "$object" 2>>"$scratch/said" || broken="$broken$source "
        objects+=("$object")
    done < <(find src/base src/wire src/trace src/tcp src/udp src/ip src/stack src/sock \
        -name '*.c' 2>/dev/null | sort)
    if [ -n "$broken" ]; then
        result 1 "aarch64: the core compiles" "$(head -20 "$scratch/said")"
    elif [ ${#objects[@]} -gt 0 ]; then
        aarch64-linux-gnu-ar rcs "$scratch/core.a" "${objects[@]}"
        check aarch64 aarch64-linux-gnu- "$scratch/core.a"
    fi
else
    skip "aarch64: no aarch64-linux-gnu-gcc (scripts/setup nightly)"
fi

echo "1..$number"
exit $failed
