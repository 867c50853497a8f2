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
    share/bash-completion/completions/weir share/zsh/site-functions/_weir; do
    : >"$scratch/said"
    [ -s "$root/$path" ]
    result $? "$path is installed"
done

"$root/bin/weir" --help >"$scratch/said" 2>&1
result $? "the installed command runs"

cat >"$scratch/user.c" <<'END'
#include <weir/weir.h>

int main(int argc, char **argv)
{
    struct weir_config *config = argc > 1 ? (struct weir_config *)argv : 0;
    return config ? (int)weir_memory_size(config) : 0;
}
END
pc=$(dirname "$(find "$root" -name weir.pc | head -1)")
flags=$(PKG_CONFIG_LIBDIR=$pc PKG_CONFIG_SYSROOT_DIR=$scratch/root \
    pkg-config --cflags --libs --static weir 2>"$scratch/said")
# shellcheck disable=SC2086 # the flags are words
gcc -std=c11 -Wall -Werror "$scratch/user.c" $flags -o "$scratch/user" 2>>"$scratch/said" &&
    "$scratch/user"
result $? "a program builds with pkg-config weir and nothing else"

echo "1..$number"
exit $failed
