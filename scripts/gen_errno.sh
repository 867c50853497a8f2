#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Writes docs/errno.md from the table in the command; --check fails if the page is stale.
#
#     scripts/gen_errno.sh WEIR [--check]
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

weir=${1:?usage: scripts/gen_errno.sh WEIR [--check]}
page=docs/errno.md
if [ "${2:-}" != --check ]; then
    "$weir" errno --markdown >"$page"
    exit
fi
if "$weir" errno --markdown | cmp -s - "$page"; then
    echo "ok 1 - $page is up to date"
    status=0
else
    echo "not ok 1 - $page is up to date"
    echo "# run scripts/gen_errno.sh $weir"
    status=1
fi
echo "1..1"
exit $status
