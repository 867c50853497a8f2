#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Installs a build into a scratch root and uses it from there as a stranger would: the command, the
# library through pkg-config, the pages and completions in their places.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${1:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0
failed=0

# result STATUS TEXT
result() {
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        [ ! -s "$scratch/said" ] || head -20 "$scratch/said" | sed 's/^/# /'
        failed=1
    fi
}

prefix=$(meson introspect --buildoptions "$build" |
    python3 -c 'import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
DESTDIR=$scratch/root meson install -C "$build" --no-rebuild >"$scratch/said" 2>&1
result $? "the build installs"
root=$scratch/root$prefix

for path in bin/weir include/weir/weir.h include/weir/stack.h share/man/man1/weir.1 \
    lib/systemd/system/weird.service share/bash-completion/completions/weir share/zsh/site-functions/_weir; do
    : >"$scratch/said"
    [ -s "$root/$path" ]
    result $? "$path is installed"
done

"$root/bin/weir" --help >"$scratch/said" 2>&1
result $? "the installed command runs"

pc=$(dirname "$(find "$root" -name weir.pc | head -1)")

# flags LIBRARY: what pkg-config says of it, in the scratch root
flags() {
    PKG_CONFIG_LIBDIR=$pc PKG_CONFIG_SYSROOT_DIR=$scratch/root pkg-config --cflags --libs "$1"
}

# embed TEXT LIBRARY SOURCE COMPILER...: builds a program of somebody else's, and runs it
embed() {
    local text=$1 library=$2 source=$3
    shift 3
    # shellcheck disable=SC2046 # the flags are words
    "$@" "$source" $(flags "$library") -o "$scratch/user" >"$scratch/said" 2>&1 &&
        "$scratch/user" >>"$scratch/said" 2>&1
    result $? "$text"
}

strict=(-pedantic -Wall -Wextra -Werror)
embed "an example builds with pkg-config weir and runs" weir examples/echo_loop.c \
    gcc -std=c11 -D_GNU_SOURCE "${strict[@]}"
embed "another, in C17, whole and static" weir examples/echo_sansio.c \
    gcc -std=c17 -O2 -flto -static "${strict[@]}"

# The core alone: the program brings weir_panic. And the same source as C++.
cat >"$scratch/own.c" <<'END'
#include <stdlib.h>
#include <weir/weir.h>

void weir_panic(const char *file, int line, const char *what)
{
    (void)file, (void)line, (void)what;
    abort();
}

int main(void)
{
    struct weir_config config;
    struct weir *one, *two;
    struct weir_ip ip = weir_ip_v4(192, 0, 2, 1);
    weir_config_default(&config);
    size_t size = (weir_memory_size(&config) + 63) / 64 * 64;
    void *first = aligned_alloc(64, size), *second = aligned_alloc(64, size);
    return weir_init(&one, first, size, &config, 0) != WEIR_OK ||
           weir_init(&two, second, size, &config, 0) != WEIR_OK || !weir_ip_is_v4(&ip);
}
END
embed "pkg-config weir-core and a weir_panic are enough" weir-core "$scratch/own.c" \
    gcc -std=c11 "${strict[@]}"
sed 's/^#include <weir\/weir.h>/&\n#include <weir\/loop.h>/; /^void weir_panic/,/^}/d' \
    "$scratch/own.c" >"$scratch/own.cc"
for compiler in g++ clang++-14; do
    ! command -v $compiler >/dev/null || embed "every header is C++ ($compiler), too" weir \
        "$scratch/own.cc" $compiler -std=c++17 "${strict[@]}"
done

PKG_CONFIG=/bin/false meson setup -Dprograms=false "$scratch/alone" >"$scratch/said" 2>&1
result $? "the libraries alone need no other library to be built"

echo "1..$number"
exit $failed
